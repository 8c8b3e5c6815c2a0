//! Which of an image's layers are its base image's, where the image names its base.
//!
//! `org.opencontainers.image.base.name` and `.digest` (OCI image specification, "Pre-Defined Annotation Keys") name the
//! base, but not its layers. So the base is resolved by its digest, in the registry that the image itself is from and in
//! no other, and its layers are the base's where they are the image's lowest ones. A label that is inherited from an image
//! below still names lowest layers, only fewer of them. Without a digest nothing is marked: a tag may have moved since.

use strata_proto::{digest::Digest, reference::Reference, v1::ImageFacts};

const NAME: &str = "org.opencontainers.image.base.name";
const DIGEST: &str = "org.opencontainers.image.base.digest";

/// The base that an image names, pinned by digest. `None` where it names none, none by digest, itself, or one that another
/// registry has: what an image says must not send the worker to a host that nobody asked for.
pub(super) fn named(reference: &str, facts: &ImageFacts) -> Option<Reference> {
    let own: Reference = reference.parse().ok()?;
    let label = |key: &str| facts.labels.iter().find(|label| label.key == key);
    let digest: Digest = label(DIGEST)?.value.parse().ok()?;
    let base: Reference = label(NAME)?.value.parse().ok()?;
    let is_other = digest.to_string() != facts.image_digest && own.digest != Some(digest);
    (is_other && base.host == own.host).then_some(Reference { tag: None, digest: Some(digest), ..base })
}

/// Marks the base's layers, if they are the image's lowest. True when they are.
pub(super) fn mark(facts: &mut ImageFacts, base: &ImageFacts) -> bool {
    let is_base = !base.layers.is_empty()
        && base.layers.len() <= facts.layers.len()
        && base.layers.iter().zip(&facts.layers).all(|(base, own)| base.diff_id == own.diff_id);
    if is_base {
        for layer in facts.layers.iter_mut().take(base.layers.len()) {
            layer.base = true;
        }
    }
    is_base
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::{Layer, Property};

    use super::*;

    fn image(diff_ids: &[&str], labels: &[(&str, &str)]) -> ImageFacts {
        let layer = |id: &&str| Layer { diff_id: (*id).to_owned(), ..Layer::default() };
        let label =
            |(key, value): &(&str, &str)| Property { key: (*key).to_owned(), value: (*value).to_owned() };
        ImageFacts {
            layers: diff_ids.iter().map(layer).collect(),
            labels: labels.iter().map(label).collect(),
            ..ImageFacts::default()
        }
    }

    #[test]
    fn only_a_base_by_digest_of_the_same_registry_is_asked_for() {
        let digest = Digest::of(b"base").to_string();
        let own = format!("r.example/app@{digest}");
        for (reference, labels, expected) in [
            (
                "r.example/app:1",
                vec![(NAME, "r.example/os/base:12"), (DIGEST, &digest)],
                Some("r.example/os/base"),
            ),
            (
                "debian-app:1",
                vec![(NAME, "docker.io/library/debian:12"), (DIGEST, &digest)],
                Some("docker.io/library/debian"),
            ),
            ("r.example/app:1", vec![(NAME, "other.example/os/base:12"), (DIGEST, &digest)], None),
            ("r.example:5000/app:1", vec![(NAME, "r.example/os/base:12"), (DIGEST, &digest)], None),
            ("r.example/app:1", vec![(NAME, "r.example/os/base:12")], None),
            ("r.example/app:1", vec![(DIGEST, &digest)], None),
            ("r.example/app:1", vec![(NAME, "r.example/os/base:12"), (DIGEST, "md5:1")], None),
            ("r.example/app:1", vec![(NAME, "r.example/../x"), (DIGEST, &digest)], None),
            (&own, vec![(NAME, "r.example/app"), (DIGEST, &digest)], None),
            ("r.example/app:1", vec![], None),
        ] {
            let expected = expected.map(|name| format!("{name}@{digest}"));
            let base = named(reference, &image(&["a"], &labels));
            assert_eq!(base.map(|base| base.to_string()), expected, "{reference} {labels:?}");
        }
    }

    #[test]
    fn the_base_is_a_prefix_or_unknown() {
        for (own, base, expected) in [
            (&["a", "b", "c"][..], &["a", "b"][..], 2),
            (&["a", "b"], &["a", "b"], 2),
            (&["a"], &["a", "b"], 0),
            (&["a", "b"], &["b"], 0),
            (&["a", "b", "c"], &["a", "c"], 0),
            (&["a"], &[], 0),
        ] {
            let mut facts = image(own, &[]);
            assert_eq!(mark(&mut facts, &image(base, &[])), expected > 0, "{own:?} {base:?}");
            let marked: Vec<bool> = facts.layers.iter().map(|layer| layer.base).collect();
            let wanted: Vec<bool> = (0..own.len()).map(|index| index < expected).collect();
            assert_eq!(marked, wanted, "{own:?} {base:?}");
        }
    }
}
