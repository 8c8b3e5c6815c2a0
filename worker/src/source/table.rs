//! What a manifest says of a layer's table of contents: the annotations of eStargz (stargz-snapshotter, `docs/estargz.md`) and of
//! zstd:chunked (containers/storage, `pkg/chunked`). What does not make sense is no table: the layer is read whole then.

use strata_proto::{digest::Digest, v1::LayerTable};

use super::manifest::Descriptor;

/// eStargz: digest of the table's JSON.
const STARGZ: &str = "containerd.io/snapshot/stargz/toc.digest";
/// zstd:chunked: what its annotations begin with, now and in earlier versions.
const CHUNKED: [&str; 2] = ["io.github.containers.zstd-chunked", "io.containers.zstd-chunked"];
/// Characters of four numbers with colons between them.
const LONGEST: usize = 84;

/// The table of a layer.
pub(super) fn of(layer: &Descriptor) -> Option<LayerTable> {
    // A layer that was converted may still have the annotations of what it was.
    if layer.media_type.ends_with("zstd") {
        return CHUNKED.iter().find_map(|prefix| chunked(layer, prefix));
    }
    if layer.media_type.ends_with("gzip") {
        let digest: Digest = layer.annotation(STARGZ)?.parse().ok()?;
        return Some(LayerTable { digest: digest.to_string(), position: String::new() });
    }
    None
}

fn chunked(layer: &Descriptor, prefix: &str) -> Option<LayerTable> {
    let digest: Digest = layer.annotation(&format!("{prefix}.manifest-checksum"))?.parse().ok()?;
    let position = layer.annotation(&format!("{prefix}.manifest-position"))?;
    let is_position = (1..=LONGEST).contains(&position.len())
        && position.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    is_position.then(|| LayerTable { digest: digest.to_string(), position: position.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(media_type: &str, annotations: &[(&str, &str)]) -> Descriptor {
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Descriptor {
            media_type: format!("application/vnd.oci.image.layer.v1.tar{media_type}"),
            annotations: Some(annotations.collect()),
            ..Descriptor::default()
        }
    }

    /// What follows the media type, annotations, and the table.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<(&'a str, &'a str)>);

    #[test]
    fn annotations_of_both_formats() {
        let (one, two) = (Digest::of(b"1").to_string(), Digest::of(b"2").to_string());
        let (one, two) = (one.as_str(), two.as_str());
        let new = "io.github.containers.zstd-chunked.manifest-checksum";
        let new_at = "io.github.containers.zstd-chunked.manifest-position";
        let old = "io.containers.zstd-chunked.manifest-checksum";
        let old_at = "io.containers.zstd-chunked.manifest-position";
        let long = "1".repeat(LONGEST + 1);
        let cases: [Case<'_>; 13] = [
            ("+gzip", &[(STARGZ, one)], Some((one, ""))),
            ("+zstd", &[(new, one), (new_at, "1:2:3:1")], Some((one, "1:2:3:1"))),
            ("+zstd", &[(old, one), (old_at, "1:2:3:1")], Some((one, "1:2:3:1"))),
            ("+zstd", &[(new, one), (new_at, "1:2:3:1"), (old, two), (old_at, "4")], Some((one, "1:2:3:1"))),
            // Half of the new one is none of it.
            ("+zstd", &[(new, one), (old, two), (old_at, "4:5:6:1")], Some((two, "4:5:6:1"))),
            // Left over from what the layer was.
            ("+zstd", &[(STARGZ, one)], None),
            ("+gzip", &[(new, one), (new_at, "1:2:3:1")], None),
            ("", &[(STARGZ, one)], None),
            ("+gzip", &[(STARGZ, "sha256:12")], None),
            ("+zstd", &[(new, one), (new_at, "")], None),
            ("+zstd", &[(new, one), (new_at, "1:2:3:x")], None),
            ("+zstd", &[(new, one), (new_at, &long)], None),
            ("+gzip", &[], None),
        ];
        for (media_type, annotations, expected) in cases {
            let found = of(&layer(media_type, annotations));
            let found = found.as_ref().map(|table| (table.digest.as_str(), table.position.as_str()));
            assert_eq!(found, expected, "{media_type} {annotations:?}");
        }
    }
}
