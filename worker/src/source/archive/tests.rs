//! Archives in every shape that tools write, made here member by member, and those of the fixtures where they are.

use std::{io::Write as _, path::Path};

use futures::TryStreamExt as _;
use strata_proto::v1::ImageFacts;
use tempfile::TempDir;

use super::{tar::tests::member, *};

mod broken;
mod containerd;
mod prepared;

/// Members: name and content; a content that starts with `->` makes a symbolic link.
type Members = Vec<(String, Vec<u8>)>;

fn tar(members: &Members) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in members {
        match content.strip_prefix(b"->") {
            Some(target) => bytes.extend(member(name.as_bytes(), b'2', target, b"")),
            None => bytes.extend(member(name.as_bytes(), b'0', b"", content)),
        }
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn config(layers: &[&[u8]]) -> String {
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", Digest::of(layer))).collect();
    format!(
        r#"{{"os":"linux","architecture":"amd64","config":{{"Labels":{{"a":"b"}}}},"rootfs":{{"diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    )
}

struct Place {
    directory: TempDir,
    archives: Archives,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = ArchiveConfig { spool: directory.path().to_owned(), ..ArchiveConfig::default() };
        Self { directory, archives: Archives::new(config) }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.directory.path().canonicalize().unwrap().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn image(&self, reference: &str) -> Result<ImageFacts, JobError> {
        image(&self.archives, reference).await
    }

    async fn layer(&self, reference: &str, digest: &str) -> Result<(Vec<u8>, bool), JobError> {
        let blob = self.archives.blob(reference, digest, &SourceOptions::default()).await?;
        let chunks: Vec<_> = blob.stream.try_collect().await?;
        let bytes = chunks.concat();
        assert_eq!(blob.size, Some(u64::try_from(bytes.len()).unwrap()));
        Ok((bytes, blob.digest_is_diff_id))
    }
}

async fn image(archives: &Archives, reference: &str) -> Result<ImageFacts, JobError> {
    match archives.resolve(reference, "", &SourceOptions::default()).await? {
        Resolution::Image(facts) => Ok(facts),
        Resolution::Other(code) => Err(JobError::never("other", code)),
    }
}

const LOW: &[u8] = b"the lower layer";
const HIGH: &[u8] = b"the upper layer";

/// The shapes of one image of two layers: old `docker save` with a link for a layer that was there before, skopeo,
/// kaniko with compressed layers, new `docker save` inside an OCI layout.
fn shapes() -> Vec<(&'static str, Members, [Vec<u8>; 2])> {
    let config = config(&[LOW, HIGH]);
    let hex = Digest::of(config.as_bytes()).hex();
    let list = |config: &str, layers: [&str; 2]| {
        format!(
            r#"[{{"Config":"{config}","RepoTags":["a/b:1","a/b:latest"],"Layers":["{}","{}"]}}]"#,
            layers[0], layers[1]
        )
    };
    let (low, high) = (Digest::of(LOW).hex(), Digest::of(HIGH).hex());
    let shape = |list: String, mut members: Vec<(String, Vec<u8>)>| {
        members.push(("manifest.json".to_owned(), list.into_bytes()));
        members
    };
    vec![
        (
            "old",
            shape(
                list(&format!("{hex}.json"), ["one/layer.tar", "two/layer.tar"]),
                vec![
                    ("zero/layer.tar".to_owned(), LOW.to_vec()),
                    ("one/layer.tar".to_owned(), b"->../zero/layer.tar".to_vec()),
                    ("two/layer.tar".to_owned(), HIGH.to_vec()),
                    (format!("{hex}.json"), config.clone().into_bytes()),
                ],
            ),
            [LOW.to_vec(), HIGH.to_vec()],
        ),
        (
            "kaniko",
            shape(
                list(&format!("sha256:{hex}"), ["l.tar.gz", "h.tar.gz"]),
                vec![
                    (format!("sha256:{hex}"), config.clone().into_bytes()),
                    ("l.tar.gz".to_owned(), gzip(LOW)),
                    ("h.tar.gz".to_owned(), gzip(HIGH)),
                ],
            ),
            [gzip(LOW), gzip(HIGH)],
        ),
        (
            "new",
            shape(
                list(
                    &format!("blobs/sha256/{hex}"),
                    [&format!("blobs/sha256/{low}"), &format!("blobs/sha256/{high}")],
                ),
                vec![
                    ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
                    ("index.json".to_owned(), br#"{"manifests":[]}"#.to_vec()),
                    (format!("blobs/sha256/{low}"), LOW.to_vec()),
                    (format!("blobs/sha256/{high}"), HIGH.to_vec()),
                    (format!("blobs/sha256/{hex}"), config.into_bytes()),
                ],
            ),
            [LOW.to_vec(), HIGH.to_vec()],
        ),
    ]
}

#[tokio::test]
async fn docker_archives_of_every_writer_and_compression() {
    let place = Place::new();
    for (shape, members, stored) in shapes() {
        let plain = tar(&members);
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        for (ending, bytes) in [("tar", plain.clone()), ("tar.gz", gzip(&plain)), ("tar.zst", zstd)] {
            let path = place.write(&format!("{shape}.{ending}"), &bytes);
            let references = place.archives.expand(&path).await.unwrap();
            assert_eq!(references, [format!("docker-archive:{path}:a/b:1")]);
            let facts = place.image(&references[0]).await.unwrap();
            assert_eq!(facts.config_digest, Digest::of(config(&[LOW, HIGH]).as_bytes()).to_string());
            assert_eq!(facts.image_digest, facts.config_digest);
            for (number, (layer, content)) in facts.layers.iter().zip([LOW, HIGH]).enumerate() {
                assert_eq!(layer.digest, Digest::of(content).to_string());
                let got = place.layer(&references[0], &layer.digest).await.unwrap();
                assert_eq!(got, (stored[number].clone(), true), "{shape} {ending}");
            }
            // Both names and none will do; a layer of another image will not.
            for reference in [
                format!("docker-archive:{path}:a/b:latest"),
                format!("docker-archive:{path}"),
                format!("docker-archive:{path}@0"),
            ] {
                assert_eq!(place.image(&reference).await.unwrap().image_digest, facts.image_digest);
            }
            let error = place.layer(&references[0], &Digest::of(b"?").to_string()).await.unwrap_err();
            assert_eq!(error.code, "not-found");
        }
    }
}

fn layout(images: &[(&str, &[u8])]) -> Members {
    let mut members = vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())];
    let mut entries = Vec::new();
    let mut blob = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        members.push((layout::blob(&digest), bytes.to_vec()));
        digest
    };
    for (name, layer) in images {
        let config = blob(config(&[layer]).as_bytes());
        let layer = blob(layer);
        let manifest = blob(
            format!(
                r#"{{"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}"}},
                    "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":15}}]}}"#
            )
            .as_bytes(),
        );
        let annotations = match *name {
            "" => String::new(),
            name => format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#),
        };
        entries.push(format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{manifest}","size":1{annotations}}}"#
        ));
    }
    members
        .push(("index.json".to_owned(), format!(r#"{{"manifests":[{}]}}"#, entries.join(",")).into_bytes()));
    members
}

#[tokio::test]
async fn layouts_in_directories_and_archives() {
    let place = Place::new();
    let members = layout(&[("one", LOW), ("two", HIGH), ("", b"third")]);
    let path = place.write("layout.tar", &tar(&members));
    for (name, bytes) in &members {
        place.write(&format!("dir/{name}"), bytes);
    }
    let directory = path.replace("layout.tar", "dir");
    for (argument, scheme) in [(&path, "oci-archive:"), (&directory, "oci:")] {
        let references = place.archives.expand(argument).await.unwrap();
        assert_eq!(references[..2], [format!("{scheme}{argument}:one"), format!("{scheme}{argument}:two")]);
        assert!(references[2].starts_with(&format!("{scheme}{argument}@sha256:")), "{references:?}");
        for (reference, content) in references.iter().zip([LOW, HIGH, b"third"]) {
            let facts = place.image(reference).await.unwrap();
            assert_ne!(facts.image_digest, facts.config_digest);
            let got = place.layer(reference, &facts.layers[0].digest).await.unwrap();
            assert_eq!(got, (content.to_vec(), false));
            // By digest is the same image.
            let by_digest = format!("{scheme}{argument}@{}", facts.image_digest);
            assert_eq!(place.image(&by_digest).await, Ok(facts));
            assert_eq!(place.archives.expand(&by_digest).await.unwrap(), [by_digest]);
        }
        for tail in ["", ":three", &format!("@{}", Digest::of(b"?"))] {
            let error = place.image(&format!("{scheme}{argument}{tail}")).await.unwrap_err();
            assert_eq!(error.code, "not-found", "{}", error.message);
            assert!(error.message.contains(":one, :two"), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn arguments_become_explicit_references() {
    let place = Place::new();
    let two = |names: [&str; 2]| {
        let config = config(&[]);
        let hex = Digest::of(config.as_bytes()).hex();
        let entry = |names: &str| format!(r#"{{"Config":"{hex}.json","RepoTags":{names},"Layers":[]}}"#);
        let list = format!("[{},{}]", entry(names[0]), entry(names[1]));
        tar(&vec![
            ("manifest.json".to_owned(), list.into_bytes()),
            (format!("{hex}.json"), config.into_bytes()),
        ])
    };
    let named = place.write("named.tar", &two([r#"["a:1"]"#, r#"["b:1","b:2"]"#]));
    let same = place.write("same.tar", &two([r#"["a:1"]"#, r#"["a:1"]"#]));
    let bare = place.write("bare.tar", &two(["null", "[]"]));
    for (path, tails) in [(&named, [":a:1", ":b:1"]), (&same, ["@0", "@1"]), (&bare, ["@0", "@1"])] {
        let want = tails.map(|tail| format!("docker-archive:{path}{tail}"));
        assert_eq!(place.archives.expand(path).await.unwrap(), want);
        assert_eq!(place.archives.expand(&want[1]).await.unwrap(), want[1..]);
        assert!(place.image(&want[1]).await.unwrap().layers.is_empty());
    }
    for (text, want) in [
        ("alpine", Ok("docker.io/library/alpine:latest")),
        ("r.example/a@b", Err("bad-reference")),
        ("./none.tar", Err("unreadable")),
        ("none.tar", Err("unreadable")),
        ("docker-archive:/none", Err("not-found")),
    ] {
        let got = place.archives.expand(text).await;
        match want {
            Ok(want) => assert_eq!(got, Ok(vec![want.to_owned()])),
            Err(code) => assert_eq!(got.unwrap_err().code, code, "{text}"),
        }
    }
}

#[tokio::test]
async fn a_changed_file_is_another_archive_and_few_stay_open() {
    let place = Place::new();
    let (one, two) = (layout(&[("t", LOW)]), layout(&[("t", HIGH)]));
    let path = place.write("a.tar", &gzip(&tar(&one)));
    let reference = format!("oci-archive:{path}:t");
    let first = place.image(&reference).await.unwrap();
    // Replaced by renaming, as tools do: another file under the same name.
    let other = place.write("b.tar", &gzip(&tar(&two)));
    std::fs::rename(other, &path).unwrap();
    let second = place.image(&reference).await.unwrap();
    assert_ne!(first.image_digest, second.image_digest);
    for number in 0..20 {
        let path = place.write(&format!("many/{number}.tar"), &tar(&one));
        place.image(&format!("oci-archive:{path}")).await.unwrap();
        assert!(place.archives.0.open.lock().unwrap().len() <= MAX_OPEN);
    }
}

#[tokio::test]
async fn real_archives() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/images");
    if !fixtures.is_dir() {
        println!("skipped: there are no fixtures at {}", fixtures.display());
        return;
    }
    let place = Place::new();
    let path = |name: &str| fixtures.join(name).to_str().unwrap().to_owned();
    let references = place.archives.expand(&path("alpine-3.10.tar.gz")).await.unwrap();
    assert!(
        references.len() == 1 && references[0].ends_with("alpine-3.10.tar.gz:alpine:3.10"),
        "{references:?}"
    );
    let facts = place.image(&references[0]).await.unwrap();
    assert_eq!(facts.image_digest, "sha256:961769676411f082461f9ef46626dd7a2d1e2b2a38e6a44364bcbecf51e66dd4");
    assert_eq!(
        facts.layers[0].diff_id,
        "sha256:03901b4a2ea88eeaad62dbe59b072b28b6efa00491962b8741081c5df50c65e0"
    );
    let (bytes, is_diff_id) = place.layer(&references[0], &facts.layers[0].digest).await.unwrap();
    assert!(is_diff_id);
    assert_eq!(Digest::of(&bytes).to_string(), facts.layers[0].diff_id);

    let references = place.archives.expand(&path("whiteouts.tar")).await.unwrap();
    assert_eq!(place.image(&references[0]).await.unwrap().layers.len(), 4);

    for (name, code) in [
        ("test_bad_index_json.oci", "malformed"),
        ("test_no_valid_manifests.oci", "malformed"),
        ("test_invalid_oci_image.oci", "unsupported"),
    ] {
        let error = match place.archives.expand(&path(name)).await {
            Ok(references) => place.image(&references[0]).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!((error.code, error.later), (code, false), "{}", error.message);
        assert!(error.message.contains(name), "{}", error.message);
    }
}
