//! Documents attached to an image, by the endpoint, by the tag that stands in for it, and by Cosign's older tags.

use std::collections::BTreeMap;

use serde_json::json;
use strata_proto::digest::Digest;

use super::*;
use crate::ports::Attached;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Bodies by path.
#[derive(Default, Clone)]
struct Content(BTreeMap<String, (String, Vec<u8>)>);

impl Content {
    fn blob(&mut self, body: &str) -> Digest {
        let digest = Digest::of(body.as_bytes());
        self.0.insert(format!("/v2/app/blobs/{digest}"), (String::new(), body.into()));
        digest
    }

    fn manifest(&mut self, names: &[String], kind: &str, body: &serde_json::Value) -> Digest {
        let bytes = body.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        for name in names.iter().cloned().chain([format!("manifests/{digest}")]) {
            self.0.insert(format!("/v2/app/{name}"), (kind.to_owned(), bytes.clone()));
        }
        digest
    }

    /// A manifest that attaches a document to a subject.
    fn attach(&mut self, subject: &Digest, media_type: &str, annotation: &str, body: &str) -> Digest {
        let blob = self.blob(body);
        self.manifest(
            &[],
            MANIFEST,
            &json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": media_type,
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2},
                "layers": [{"mediaType": media_type, "digest": blob.to_string(), "size": body.len(),
                    "annotations": {"predicateType": annotation}}],
                "subject": {"mediaType": MANIFEST, "digest": subject.to_string(), "size": 1},
            }),
        )
    }

    fn list(&mut self, name: String, manifests: &[Digest]) {
        let entries: Vec<_> = manifests
            .iter()
            // Cosign writes the empty configuration's type here, whatever is attached.
            .map(|digest| {
                json!({"mediaType": MANIFEST, "digest": digest.to_string(), "size": 1,
                "artifactType": "application/vnd.oci.empty.v1+json"})
            })
            .collect();
        self.manifest(&[name], INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}));
    }

    async fn serve(self) -> Server {
        Server::start(move |_, seen| {
            let path = seen.path.split('?').next().unwrap_or_default();
            match self.0.get(path) {
                Some((kind, body)) => reply(200, &[("content-type", kind)], body.clone()),
                None => reply(404, &[], ""),
            }
        })
        .await
    }
}

async fn attachments(server: &Server, subject: &Digest) -> Result<Attached, JobError> {
    let reference = format!("{}/app@{subject}", server.host());
    registries_with(quick()).attachments(&reference, &subject.to_string(), &options()).await
}

fn texts(attached: &Attached) -> Vec<String> {
    let mut texts: Vec<String> = attached
        .documents
        .iter()
        .map(|document| String::from_utf8(document.content.to_vec()).unwrap())
        .collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn both_ways_of_listing_and_the_older_tag_lead_to_the_documents() {
    let subject = Digest::of(b"image");
    for listed in ["endpoint", "tag"] {
        let mut content = Content::default();
        let vex = content.attach(&subject, "application/vnd.openvex+json", "", "the vex");
        let bundle = content.attach(
            &subject,
            "application/vnd.dev.sigstore.bundle.v0.3+json",
            "https://openvex.dev/ns/v0.2.0",
            "the bundle",
        );
        let provenance = content.attach(
            &subject,
            "application/vnd.in-toto+json",
            "https://slsa.dev/provenance/v1",
            "never asked for",
        );
        let signature =
            content.attach(&subject, "application/vnd.dev.cosign.simplesigning.v1+json", "", "no");
        let name = match listed {
            "endpoint" => format!("referrers/{subject}"),
            _ => format!("manifests/sha256-{}", subject.hex()),
        };
        content.list(name, &[vex, bundle, provenance, signature]);
        let envelope = content.blob("the envelope");
        content.manifest(
            &[format!("manifests/sha256-{}.att", subject.hex())],
            MANIFEST,
            &json!({
                "schemaVersion": 2, "mediaType": MANIFEST,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": envelope.to_string(), "size": 1},
                "layers": [{"mediaType": "application/vnd.dsse.envelope.v1+json", "digest": envelope.to_string(),
                    "size": 12, "annotations": {"predicateType": "https://openvex.dev/ns"}}],
            }),
        );
        let server = content.serve().await;
        let found = attachments(&server, &subject).await.unwrap();
        assert_eq!(texts(&found), ["the bundle", "the envelope", "the vex"], "{listed}");
        assert_eq!(found.refused, Vec::<String>::new(), "{listed}");
        assert!(server.asked().iter().any(|asked| asked.contains("/referrers/")), "the endpoint comes first");
    }
}

#[tokio::test]
async fn nothing_attached_is_nothing_and_a_failure_is_no_nothing() {
    let subject = Digest::of(b"image");
    let server = Content::default().serve().await;
    assert_eq!(attachments(&server, &subject).await, Ok(Attached::default()));
    for (status, later) in [(503, true), (429, true), (403, false)] {
        let server = Server::start(move |_, seen| match seen.path.as_str() {
            "/v2/" => ok(""),
            _ => reply(status, &[], ""),
        })
        .await;
        assert_eq!(attachments(&server, &subject).await.unwrap_err().later, later, "{status}");
    }
}

#[tokio::test]
async fn what_is_not_this_images_or_not_what_it_is_named_is_refused_aloud() {
    let (subject, other) = (Digest::of(b"image"), Digest::of(b"other"));
    let mut content = Content::default();
    let stray = content.attach(&other, "application/vnd.openvex+json", "", "stray");
    let good = content.attach(&subject, "application/vnd.openvex+json", "", "good");
    let changed = content.attach(&subject, "application/vnd.openvex+json", "", "changed");
    let blob = format!("/v2/app/blobs/{}", Digest::of(b"changed"));
    content.0.insert(blob, (String::new(), b"something else".to_vec()));
    let absent = Digest::of(b"absent");
    let large = "x".repeat((8 << 20) + 1);
    let large = content.attach(&subject, "application/vnd.openvex+json", "", &large);
    content.list(format!("referrers/{subject}"), &[stray, good, changed, absent, large]);
    let server = content.serve().await;
    let found = attachments(&server, &subject).await.unwrap();
    assert_eq!(texts(&found), ["good"]);
    let refused = found.refused.join("\n");
    assert_eq!(found.refused.len(), 4, "{refused}");
    for said in ["another image", "has the digest", "does not have it", "longer than"] {
        assert!(refused.contains(said), "{said}: {refused}");
    }
}

#[tokio::test]
async fn a_flood_of_referrers_is_cut_off_aloud() {
    let subject = Digest::of(b"image");
    let mut content = Content::default();
    let many: Vec<Digest> = (0..40)
        .map(|number| content.attach(&subject, "application/vnd.openvex+json", "", &number.to_string()))
        .collect();
    content.list(format!("referrers/{subject}"), &many);
    let server = content.serve().await;
    let found = attachments(&server, &subject).await.unwrap();
    assert_eq!(found.documents.len(), 32);
    assert!(found.refused.iter().any(|said| said.contains("40 manifests")), "{:?}", found.refused);
}

#[tokio::test]
async fn what_is_attached_to_an_index_is_found_by_the_reference_that_leads_through_it() {
    let mut content = Content::default();
    let image = content.manifest(
        &[],
        MANIFEST,
        &json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []}),
    );
    let other = Digest::of(b"other");
    let index = |kind: &str, digest: &Digest| {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": MANIFEST, "digest": other.to_string(), "size": 1},
            {"mediaType": kind, "digest": digest.to_string(), "size": 1}]})
    };
    let inner = content.manifest(&[], INDEX, &index(MANIFEST, &image));
    let outer = content.manifest(&["manifests/1".to_owned()], INDEX, &index(INDEX, &inner));
    content.manifest(&["manifests/moved".to_owned()], INDEX, &index(MANIFEST, &Digest::of(b"newer")));
    for (subject, text) in [(&image, "of the image"), (&inner, "of the inner"), (&outer, "of the outer")] {
        let vex = content.attach(subject, "application/vnd.openvex+json", "", text);
        content.list(format!("referrers/{subject}"), &[vex]);
    }
    let server = content.serve().await;
    let all = ["of the image", "of the inner", "of the outer"];
    let indexes = [outer.to_string(), inner.to_string()];
    for (name, documents, through) in [
        (":1".to_owned(), &all[..], &indexes[..]),
        (format!("@{outer}"), &all[..], &indexes[..]),
        (format!("@{inner}"), &all[..2], &indexes[1..]),
        (format!("@{image}"), &all[..1], &[]),
    ] {
        let reference = format!("{}/app{name}", server.host());
        let found =
            registries_with(quick()).attachments(&reference, &image.to_string(), &options()).await.unwrap();
        assert_eq!(
            (texts(&found), found.indexes),
            (documents.iter().map(|&text| text.to_owned()).collect(), through.to_vec()),
            "{name}"
        );
        assert_eq!(found.refused, Vec::<String>::new(), "{name}");
    }
    // A tag that leads elsewhere by now, or nowhere: the image's own documents count, and it is said.
    for (name, said) in [("moved", "does not lead to the image"), ("gone", "app:gone")] {
        let reference = format!("{}/app:{name}", server.host());
        let found =
            registries_with(quick()).attachments(&reference, &image.to_string(), &options()).await.unwrap();
        assert_eq!((texts(&found), found.indexes.len()), (vec!["of the image".to_owned()], 0), "{name}");
        assert!(found.refused.len() == 1 && found.refused[0].contains(said), "{name}: {:?}", found.refused);
    }
}

#[tokio::test]
async fn indexes_that_lead_nowhere_end() {
    let mut content = Content::default();
    let image = Digest::of(b"image");
    let entry = |digest: &Digest| json!({"mediaType": INDEX, "digest": digest.to_string(), "size": 1});
    let list = |entries: Vec<serde_json::Value>| json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    let mut deep = content.manifest(&[], INDEX, &list(Vec::new()));
    for _ in 0..6 {
        deep = content.manifest(&["manifests/deep".to_owned()], INDEX, &list(vec![entry(&deep)]));
    }
    let many: Vec<_> = (0..20)
        .map(|number| {
            content.manifest(
                &[],
                INDEX,
                &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "n": number}),
            )
        })
        .collect();
    content.manifest(&["manifests/wide".to_owned()], INDEX, &list(many.iter().map(entry).collect()));
    let server = content.serve().await;
    for name in ["deep", "wide"] {
        let reference = format!("{}/app:{name}", server.host());
        let found =
            registries_with(quick()).attachments(&reference, &image.to_string(), &options()).await.unwrap();
        assert!(
            found.refused.len() == 1 && found.refused[0].contains("more than 16 indexes"),
            "{name}: {:?}",
            found.refused
        );
    }
    assert!(server.asked().len() < 60, "{}", server.asked().len());
}
