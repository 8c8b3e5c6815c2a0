//! Platform choice over documents in memory.

use std::collections::HashMap;

use super::*;

#[derive(Default)]
struct Memory(HashMap<Digest, Bytes>);

#[async_trait]
impl Documents for Memory {
    async fn manifest(&self, digest: &Digest) -> Result<Fetched, JobError> {
        let body = self.0.get(digest).cloned();
        let body = body.ok_or_else(|| JobError::never("not-found", format!("no {digest}")))?;
        Ok(Fetched { body, content_type: String::new() })
    }

    async fn config(&self, digest: &Digest) -> Result<Bytes, JobError> {
        Ok(self.manifest(digest).await?.body)
    }

    async fn has_layer(&self, digest: &Digest) -> Result<bool, JobError> {
        Ok(self.0.contains_key(digest))
    }
}

impl Memory {
    fn put(&mut self, text: String) -> Digest {
        let digest = Digest::of(text.as_bytes());
        self.0.insert(digest, Bytes::from(text));
        digest
    }

    fn image(&mut self, platform: &str, layer_type: &str) -> Digest {
        let (os, architecture) = platform.split_once('/').unwrap();
        let diff = Digest::of(platform.as_bytes());
        let config = self.put(format!(
            r#"{{"os":"{os}","architecture":"{architecture}","rootfs":{{"diff_ids":["{diff}"]}}}}"#
        ));
        self.put(format!(
            r#"{{"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}"}},
                "layers":[{{"mediaType":"{layer_type}","digest":"{diff}","size":3,"urls":["http://169.254.169.254/x"]}}]}}"#
        ))
    }

    fn index(&mut self, entries: &[(Digest, &str)]) -> Digest {
        let entries: Vec<String> = entries
            .iter()
            .map(|(digest, platform)| match platform.split_once('/') {
                Some((os, architecture)) => format!(
                    r#"{{"digest":"{digest}","platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#
                ),
                None if *platform == "attestation" => format!(
                    r#"{{"digest":"{digest}","annotations":{{"vnd.docker.reference.type":"attestation-manifest"}}}}"#
                ),
                None => format!(r#"{{"digest":"{digest}"}}"#),
            })
            .collect();
        self.put(format!(r#"{{"manifests":[{}]}}"#, entries.join(",")))
    }

    async fn said(&self, root: Digest, tag: &str, wanted: &str) -> String {
        let platform = platform::parse(wanted).unwrap();
        let wanted = Wanted { what: "r/a:1", tag: Some(tag), platform: &platform };
        let root = self.manifest(&root).await.unwrap();
        match walk(self, &wanted, root).await {
            Ok(Resolution::Image(facts)) => {
                format!("image {}", platform::show(&facts.platform.unwrap_or_default()))
            }
            Ok(Resolution::Other(code)) => format!("other {code}"),
            Err(error) => format!("{} {}", error.code, error.message),
        }
    }
}

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

#[tokio::test]
async fn the_platform_is_chosen_and_attestations_are_not_images() {
    let mut memory = Memory::default();
    let (amd, arm) = (memory.image("linux/amd64", LAYER), memory.image("linux/arm64", LAYER));
    let proof = memory.image("unknown/unknown", "application/vnd.in-toto+json");
    let both = memory.index(&[(proof, "attestation"), (arm, "linux/arm64"), (amd, "linux/amd64")]);
    let nested = memory.index(&[(both, "")]);
    let silent = memory.index(&[(arm, ""), (amd, "")]);
    let proofs = memory.index(&[(proof, "")]);
    let empty = memory.index(&[]);
    let referrers = format!("sha256-{}", "ab".repeat(32));
    for (root, tag, wanted, want) in [
        (both, "1", "", "image linux/amd64"),
        (both, "1", "linux/arm64", "image linux/arm64"),
        (nested, "1", "linux/arm64", "image linux/arm64"),
        (silent, "1", "linux/amd64", "image linux/amd64"),
        (arm, "1", "linux/amd64", "image linux/arm64"),
        (proof, "1", "", "other attestation"),
        (proofs, "1", "", "other attestation"),
        (proofs, &referrers, "", "other referrers-index"),
        (both, &referrers, "", "image linux/amd64"),
    ] {
        assert_eq!(memory.said(root, tag, wanted).await, want);
    }
    for (root, offered) in
        [(both, "linux/amd64, linux/arm64"), (silent, "linux/amd64, linux/arm64"), (empty, "none")]
    {
        let said = memory.said(root, "1", "linux/s390x").await;
        assert!(said.starts_with("no-platform "), "{said}");
        assert!(said.ends_with(&format!("none for linux/s390x; available: {offered}")), "{said}");
    }
}

#[tokio::test]
async fn endless_nesting_lies_and_foreign_layers_end_in_a_named_failure() {
    let mut memory = Memory::default();
    let image = memory.image("linux/amd64", LAYER);
    let mut deep = image;
    for _ in 0..6 {
        deep = memory.index(&[(deep, "")]);
    }
    assert!(memory.said(deep, "1", "").await.starts_with("limit "));
    let many: Vec<Digest> = (0..20).map(|number| memory.image(&format!("linux/m{number}"), LAYER)).collect();
    let many: Vec<(Digest, &str)> = many.into_iter().map(|digest| (digest, "")).collect();
    let many = memory.index(&many);
    assert!(memory.said(many, "1", "").await.starts_with("limit "));

    let foreign = memory.image("linux/amd64", "application/vnd.docker.image.rootfs.foreign.diff.tar");
    assert!(memory.said(foreign, "1", "").await.starts_with("foreign-layer "));

    let index = memory.index(&[(image, "linux/amd64")]);
    memory.0.insert(image, Bytes::from_static(b"{}"));
    assert!(memory.said(index, "1", "").await.starts_with("digest-mismatch "));
    memory.0.remove(&image);
    assert!(memory.said(index, "1", "").await.starts_with("not-found "));
}
