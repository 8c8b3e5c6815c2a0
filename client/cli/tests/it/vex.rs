//! VEX documents that are attached to an image in a real registry, which lacks the referrers endpoint.

use std::process::Command;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use strata_loadtest::{
    content::{Arch, Plan, Synthetic},
    registry::{Options, Registry},
};
use strata_proto::digest::Digest;

use crate::{
    cluster::{Cluster, runtime},
    servers::{self, Server, skipped},
    strata::{User, images},
};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A repository of the real registry.
pub(crate) struct Repository {
    base: String,
    client: reqwest::Client,
}

impl Repository {
    pub(crate) fn new(registry: &Server, name: &str) -> Self {
        let base = format!("http://127.0.0.1:{}/v2/{name}", registry.port);
        Self { base, client: reqwest::Client::new() }
    }

    pub(crate) async fn blob(&self, body: &str) -> Digest {
        let digest = Digest::of(body.as_bytes());
        let opened =
            self.client.post(format!("{}/blobs/uploads/", self.base)).send().await.expect("an upload");
        let place = opened.headers()["location"].to_str().expect("text").to_owned();
        let put = self.client.put(format!("{place}&digest={digest}")).body(body.to_owned()).send().await;
        assert_eq!(put.expect("an answer").status(), 201);
        digest
    }

    pub(crate) async fn manifest(&self, tag: &str, kind: &str, body: &Value) -> Digest {
        let bytes = body.to_string();
        let digest = Digest::of(bytes.as_bytes());
        let name = if tag.is_empty() { digest.to_string() } else { tag.to_owned() };
        let put = self.client.put(format!("{}/manifests/{name}", self.base)).header("content-type", kind);
        let answer = put.body(bytes).send().await.expect("an answer");
        let status = answer.status();
        assert_eq!(status, 201, "{}", answer.text().await.unwrap_or_default());
        digest
    }

    /// The digest of a tag's manifest.
    pub(crate) async fn digest(&self, tag: &str) -> String {
        let accept = format!("{MANIFEST}, application/vnd.docker.distribution.manifest.v2+json");
        let asked = self.client.head(format!("{}/manifests/{tag}", self.base)).header("accept", accept);
        let answer = asked.send().await.expect("an answer");
        answer.headers()["docker-content-digest"].to_str().expect("text").to_owned()
    }

    /// A manifest that attaches a document, and the list of referrers under the tag that stands in for the endpoint.
    pub(crate) async fn attach(&self, image: &str, document: &Value) {
        let (text, empty) = (document.to_string(), self.blob("{}").await);
        let blob = self.blob(&text).await;
        let kind = "application/vnd.openvex+json";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty.to_string(), "size": 2},
            "layers": [{"mediaType": kind, "digest": blob.to_string(), "size": text.len()}],
            "subject": {"mediaType": MANIFEST, "digest": image, "size": 1},
        });
        let size = manifest.to_string().len();
        let digest = self.manifest("", MANIFEST, &manifest).await.to_string();
        let tag = image.replace(':', "-");
        let entry = json!({"mediaType": MANIFEST, "digest": digest, "size": size});
        let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
        self.manifest(&tag, INDEX, &list).await;
    }

    /// An index of one image, under a tag.
    async fn index(&self, tag: &str, image: &str) -> Digest {
        let accept = format!("{MANIFEST}, application/vnd.docker.distribution.manifest.v2+json");
        let asked = self.client.get(format!("{}/manifests/{image}", self.base)).header("accept", accept);
        let answer = asked.send().await.expect("the image");
        let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
        let size = answer.bytes().await.expect("its manifest").len();
        let entry = json!({"mediaType": kind, "digest": image, "size": size,
            "platform": {"os": "linux", "architecture": "amd64"}});
        let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
        self.manifest(tag, INDEX, &list).await
    }

    /// As Cosign's `attest` does: an envelope around the document under the image's `.att` tag.
    async fn attest(&self, image: &str, document: &Value) {
        let hex = image.trim_start_matches("sha256:");
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://openvex.dev/ns",
            "subject": [{"name": "app", "digest": {"sha256": hex}}], "predicate": document,
        });
        let payload = BASE64_STANDARD.encode(statement.to_string());
        let envelope = json!({"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": [{"sig": ""}]});
        let (text, config) = (envelope.to_string(), self.blob("{}").await);
        let layer = self.blob(&text).await;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.to_string(), "size": 2},
            "layers": [{"mediaType": "application/vnd.dsse.envelope.v1+json", "digest": layer.to_string(),
                "size": text.len(), "annotations": {"predicateType": "https://openvex.dev/ns"}}],
        });
        self.manifest(&format!("sha256-{hex}.att"), MANIFEST, &manifest).await;
    }
}

fn openvex(status: &str, date: &str, id: &str, purl: &str) -> Value {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://vex.example/1", "author": "a",
        "timestamp": date, "version": 1,
        "statements": [{"vulnerability": {"name": id}, "products": [{"@id": purl}], "status": status,
            "justification": "vulnerable_code_not_in_execute_path"}],
    })
}

/// Ids and reasons of what is suppressed, and the number of all findings.
fn suppressed(document: &Value) -> (Vec<(String, String)>, usize) {
    let findings = images(document)[0]["findings"].as_array().expect("findings").clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = findings.iter().filter(|finding| !text(&finding["suppressed"]).is_empty());
    (of.map(|finding| (text(&finding["id"]), text(&finding["suppressed"]))).collect(), findings.len())
}

/// An image with findings in a real registry: its repository and tag.
fn copied(registry: &Server, runtime: &tokio::runtime::Runtime) -> (String, String) {
    let synthetic = runtime
        .block_on(Registry::start(Synthetic::new(Plan::demo()), Options::default()))
        .expect("a registry");
    let expected = Synthetic::new(Plan::demo()).expected(Arch::Amd64).expect("the truth");
    let user = User::new();
    for image in &expected.images {
        let name = format!("{}:{}", image.repository, image.tags[0]);
        let from = format!("{}/{name}", synthetic.host());
        let (_, document) = user.json(&["scan", &from]);
        if suppressed(&document).1 < 2 {
            continue;
        }
        // One platform: a list of platforms has another digest than its manifests.
        let to = format!("docker://127.0.0.1:{}/{name}", registry.port);
        let copy = Command::new("skopeo")
            .args([
                "copy",
                "-q",
                "--override-arch=amd64",
                "--src-tls-verify=false",
                "--dest-tls-verify=false",
            ])
            .args([&format!("docker://{from}"), &to])
            .output()
            .expect("install Debian's package skopeo");
        assert!(copy.status.success(), "skopeo {name}: {}", String::from_utf8_lossy(&copy.stderr));
        return (image.repository.clone(), image.tags[0].clone());
    }
    panic!("no image of the demo has two findings");
}

#[test]
fn attached_documents_suppress_only_for_who_asks_and_a_new_one_counts_at_once() {
    if skipped("attached VEX documents") {
        return;
    }
    let (runtime, registry) = (runtime(), servers::registry());
    let (repository, tag) = copied(&registry, &runtime);
    let reference = format!("127.0.0.1:{}/{repository}:{tag}", registry.port);
    let place = Repository::new(&registry, &repository);
    let user = User::new();
    let scan = |vex: bool| {
        let more: &[&str] = if vex { &["--vex", "oci"] } else { &[] };
        let (run, document) = user.json(&[&["scan", &reference], more].concat());
        run.expect(0, &[]);
        document
    };
    let plain = scan(false);
    let image = images(&plain)[0].clone();
    let (digest, first) = (image["digest"].as_str().expect("text").to_owned(), image["findings"][0].clone());
    let text = |key: &str| first[key].as_str().expect("text").to_owned();
    let (id, purl) = (text("id"), text("purl"));
    let (none, all) = suppressed(&scan(true));
    assert!(none.is_empty(), "nothing is attached yet: {none:?}");

    let document = openvex("not_affected", "2026-01-01T00:00:00Z", &id, &purl);
    runtime.block_on(place.attach(&digest, &document));
    assert_eq!(images(&scan(false)), images(&plain), "nobody asked");
    let with = scan(true);
    let (found, count) = suppressed(&with);
    assert_eq!(count, all, "nothing is dropped");
    assert!(!found.is_empty() && found.iter().all(|(found, _)| *found == id), "{found:?}");
    let source = Digest::of(document.to_string().as_bytes()).to_string();
    for (_, reason) in &found {
        assert!(
            reason.contains("vulnerable_code_not_in_execute_path") && reason.contains(&source),
            "{reason}"
        );
    }
    assert_eq!(images(&with)[0]["vex"][0]["digest"], source);
    assert_ne!(images(&with)[0]["report"], image["report"], "another report than without documents");

    // A later word under Cosign's older tag takes the earlier one back.
    let back = openvex("affected", "2026-02-01T00:00:00Z", &id, &purl);
    runtime.block_on(place.attest(&digest, &back));
    let (found, _) = suppressed(&scan(true));
    assert!(found.is_empty(), "a new document is seen at once: {found:?}");
    through_an_index(&user, &runtime, &place, &reference, &digest, &(id, purl));
    let table = user.run(&["scan", &reference, "--vex", "oci"]);
    table.expect(0, &["attached VEX", "old-database", "days ago"]);
    user.run(&["scan", &reference, "--fail-on-problems"]).expect(1, &["old-database"]);
    user.run(&["scan", &reference, "--fail-on-problems", "--db-max-age", "none"]).expect(0, &[]);
    user.run(&["report", "show", "x", "--vex", "oci"]).expect(2, &["scanned"]);

    // The same in a cluster, where the worker holds the logins.
    let cluster = Cluster::start(1);
    let (run, document) =
        cluster.user.json(&["scan", &reference, "--vex", "oci", "--server", &cluster.url()]);
    run.expect(0, &[]);
    assert_eq!(images(&document), images(&scan(true)), "{}", cluster.logs());
}

/// What is attached to an index counts for who comes through it, and for nobody else.
fn through_an_index(
    user: &User,
    runtime: &tokio::runtime::Runtime,
    place: &Repository,
    reference: &str,
    digest: &str,
    (id, purl): &(String, String),
) {
    let index = runtime.block_on(place.index("listed", digest)).to_string();
    let word = openvex("not_affected", "2026-03-01T00:00:00Z", id, purl);
    runtime.block_on(place.attach(&index, &word));
    let repository = reference.rsplit_once(':').expect("a tag").0;
    let of = |name: &str, vex: &[&str]| {
        let (run, document) = user.json(&[&["scan", &format!("{repository}{name}")][..], vex].concat());
        run.expect(0, &[]);
        assert_eq!(images(&document)[0]["digest"], digest, "{name}");
        (suppressed(&document).0.len(), images(&document)[0]["report"].clone())
    };
    let plain = of(":listed", &[]);
    assert_eq!(plain.0, 0, "nobody asked");
    for name in [":listed".to_owned(), format!("@{index}")] {
        let found = of(&name, &["--vex", "oci"]);
        assert!(found.0 > 0 && found.1 != plain.1, "{name}: {found:?}");
    }
    assert_eq!(
        of(&format!("@{digest}"), &["--vex", "oci"]).0,
        0,
        "the image itself is judged by its own documents"
    );
}
