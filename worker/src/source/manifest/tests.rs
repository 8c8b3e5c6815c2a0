//! What documents are taken for.

use super::*;

const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn image(config: &str, layers: &[&str], extra: &str) -> String {
    let digest = Digest::of(b"x");
    let layers: Vec<String> = layers
        .iter()
        .map(|layer| format!(r#"{{"mediaType":"{layer}","digest":"{digest}","size":1}}"#))
        .collect();
    format!(
        r#"{{"schemaVersion":2,{extra}"config":{{"mediaType":"{config}","digest":"{digest}","size":2}},"layers":[{}]}}"#,
        layers.join(",")
    )
}

fn said(body: &str, content_type: &str) -> String {
    match parse(body.as_bytes(), content_type, "r/a:1") {
        Ok(Document::Image(image)) => format!("image {} {}", image.layers.len(), image.foreign().count()),
        Ok(Document::Index(entries)) => format!("index {}", entries.len()),
        Ok(Document::Other(code)) => format!("other {code}"),
        Err(error) => format!("error {} {}", error.code, error.later),
    }
}

/// Documents, what their server calls them, and what they are.
fn documents() -> Vec<(String, &'static str, &'static str)> {
    let docker = "application/vnd.docker.container.image.v1+json";
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let mut all = vec![
        (image(OCI_CONFIG, &[OCI_LAYER, OCI_LAYER], ""), "", "image 2 0"),
        (
            image(docker, &["application/vnd.docker.image.rootfs.diff.tar.gzip"], ""),
            media::MANIFESTS[1],
            "image 1 0",
        ),
        (image(docker, &[foreign], ""), "", "image 1 1"),
        (image(OCI_CONFIG, &[], ""), "", "image 0 0"),
        (image(OCI_CONFIG, &["application/vnd.dev.cosign.simplesigning.v1+json"], ""), "", "other signature"),
        (image(OCI_CONFIG, &["application/vnd.in-toto+json"], ""), "", "other attestation"),
        (image(OCI_CONFIG, &["application/vnd.dsse.envelope.v1+json"], ""), "", "other attestation"),
        (
            image(
                "application/vnd.cncf.helm.config.v1+json",
                &["application/vnd.cncf.helm.chart.content.v1.tar+gzip"],
                "",
            ),
            "",
            "other helm-chart",
        ),
        (
            image(
                "application/vnd.oci.empty.v1+json",
                &["text/plain"],
                r#""artifactType":"application/vnd.example.thing","#,
            ),
            "",
            "other artifact",
        ),
        (
            image(
                "application/vnd.oci.empty.v1+json",
                &["application/json"],
                r#""artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","#,
            ),
            "",
            "other attestation",
        ),
        (image("application/vnd.wasm.config.v0+json", &["application/wasm"], ""), "", "other artifact"),
    ];
    all.extend(odd_documents());
    all
}

fn odd_documents() -> Vec<(String, &'static str, &'static str)> {
    vec![
        // An image whose layers this build cannot read is never taken for something else.
        (
            image(OCI_CONFIG, &[OCI_LAYER, "application/vnd.oci.image.layer.v1.tar+encrypted"], ""),
            "",
            "error unsupported false",
        ),
        (image(OCI_CONFIG, &[OCI_LAYER, "application/vnd.in-toto+json"], ""), "", "error unsupported false"),
        (r#"{"schemaVersion":2,"manifests":[{}]}"#.to_owned(), "", "index 1"),
        (r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), "", "error unsupported false"),
        (
            "{}".to_owned(),
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            "error unsupported false",
        ),
        (
            r#"{"mediaType":"application/vnd.oci.artifact.manifest.v1+json","artifactType":"x","blobs":[]}"#
                .to_owned(),
            "",
            "other artifact",
        ),
        // Two readings of one document.
        (image(OCI_CONFIG, &[], r#""manifests":[],"#), "", "error malformed false"),
        (image(OCI_CONFIG, &[], ""), media::INDEXES[0], "error malformed false"),
        (r#"{"manifests":[]}"#.to_owned(), media::MANIFESTS[0], "error malformed false"),
        ("{}".to_owned(), "", "error malformed false"),
        ("{}".to_owned(), "application/badmedia+json", "error unsupported false"),
        ("foobar".to_owned(), "", "error malformed false"),
        ("[]".to_owned(), "", "error malformed false"),
        (r#"{"manifests":7}"#.to_owned(), "", "error malformed false"),
        (image(OCI_CONFIG, &[OCI_LAYER; 1001], ""), "", "error limit false"),
    ]
}

#[test]
fn the_content_decides_what_a_document_is() {
    for (body, content_type, want) in documents() {
        assert_eq!(said(&body, content_type), want, "{content_type} {body:.300}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200), kind in ".{0,40}") {
        let _ = parse(&body, &kind, "x");
    }
}
