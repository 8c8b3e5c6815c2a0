//! Documents in their envelopes, and what they may say of an image.

use serde_json::{Value, json};
use strata_proto::digest::Digest;

use super::*;

const IMAGE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const CONFIG: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

fn openvex(status: &str, date: &str) -> Value {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://vex.example/1", "author": "a",
        "timestamp": date, "version": 1,
        "statements": [{
            "vulnerability": {"name": "CVE-2024-1"},
            "products": [{"@id": "pkg:npm/left-pad@1.0.0"}],
            "status": status, "justification": "vulnerable_code_not_present"
        }]
    })
}

fn attestation(predicate_type: &str, digest: &str, predicate: &Value) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v0.1", "predicateType": predicate_type,
        "subject": [{"name": "r.example/app", "digest": {"sha256": digest.trim_start_matches("sha256:")}}],
        "predicate": predicate
    })
}

fn dsse(payload: &Value) -> Value {
    let payload = BASE64_STANDARD.encode(payload.to_string());
    json!({"payloadType": "application/vnd.in-toto+json", "payload": payload, "signatures": []})
}

fn attached(documents: &[String]) -> Attached {
    let document = |text: &String| Attachment {
        manifest: "sha256:manifest".to_owned(),
        digest: Digest::of(text.as_bytes()).to_string(),
        content: text.clone().into(),
    };
    Attached { documents: documents.iter().map(document).collect(), ..Attached::default() }
}

fn report() -> v1::Report {
    v1::Report {
        image_digest: IMAGE.to_owned(),
        config_digest: CONFIG.to_owned(),
        packages: vec![v1::Package { purl: "pkg:npm/left-pad@1.0.0".to_owned(), ..v1::Package::default() }],
        findings: vec![
            v1::Finding { id: "CVE-2024-1".to_owned(), ..v1::Finding::default() },
            v1::Finding { id: "CVE-2024-2".to_owned(), ..v1::Finding::default() },
        ],
        ..v1::Report::default()
    }
}

/// Which of the two findings are suppressed, and the problems.
fn judged(documents: &[Value]) -> (Vec<String>, Vec<String>) {
    let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
    let mut report = report();
    read(attached(&texts), IMAGE).apply(&mut report);
    (
        report.findings.into_iter().map(|finding| finding.suppressed).collect(),
        report.problems.into_iter().map(|problem| problem.message).collect(),
    )
}

#[test]
fn every_envelope_gives_its_statements_with_their_source() {
    let plain = openvex("not_affected", "2026-01-01T00:00:00Z");
    let statement = attestation("https://openvex.dev/ns/v0.2.0", IMAGE, &plain);
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {},
        "dsseEnvelope": dsse(&statement)
    });
    for document in [plain, statement.clone(), dsse(&statement), bundle] {
        let digest = Digest::of(document.to_string().as_bytes()).to_string();
        let (suppressed, problems) = judged(&[document]);
        let want = format!("not_affected: vulnerable_code_not_present (attached document {digest})");
        assert_eq!(suppressed, [want, String::new()]);
        assert!(problems.is_empty(), "{problems:?}");
    }
}

#[test]
fn what_is_about_something_else_suppresses_nothing() {
    let plain = openvex("not_affected", "2026-01-01T00:00:00Z");
    let provenance = attestation("https://slsa.dev/provenance/v1", IMAGE, &json!({"buildDefinition": {}}));
    let other = attestation("https://openvex.dev/ns/v0.2.0", CONFIG, &plain);
    let text = json!({"payloadType": "text/plain", "payload": BASE64_STANDARD.encode(plain.to_string())});
    let empty = attestation("https://openvex.dev/ns", IMAGE, &Value::Null);
    for (document, problem) in [
        (dsse(&provenance), None),
        (text, None),
        (dsse(&other), Some("another image")),
        (empty, Some("")),
        (json!({"payloadType": "application/vnd.in-toto+json", "payload": "%"}), Some("")),
        (json!({"hello": 1}), Some("OpenVEX")),
        (json!([]), Some("")),
    ] {
        let (suppressed, problems) = judged(std::slice::from_ref(&document));
        assert_eq!(suppressed, ["", ""], "{document}");
        assert_eq!(problems.len(), usize::from(problem.is_some()), "{document}: {problems:?}");
        let names = problem.unwrap_or_default();
        assert!(problems.iter().all(|said| said.contains(names) && said.contains("sha256:")), "{problems:?}");
    }
}

#[test]
fn the_later_document_speaks_whatever_the_order() {
    let no = openvex("not_affected", "2026-01-01T00:00:00Z");
    let yes = openvex("affected", "2026-02-01T00:00:00Z");
    let again = openvex("fixed", "2026-03-01T00:00:00Z");
    for (documents, suppressed) in [
        (vec![no.clone(), yes.clone()], false),
        (vec![yes.clone(), no.clone()], false),
        (vec![again.clone(), yes.clone(), no.clone()], true),
        (vec![no.clone(), no], true),
        (vec![yes], false),
        (vec![], false),
    ] {
        let (found, problems) = judged(&documents);
        assert_eq!(!found[0].is_empty(), suppressed, "{documents:?}");
        assert!(problems.is_empty());
    }
}

#[test]
fn what_was_read_names_the_result() {
    let names = |documents: &[Value]| -> Vec<String> {
        let texts: Vec<String> = documents.iter().map(Value::to_string).collect();
        read(attached(&texts), IMAGE).names().map(str::to_owned).collect()
    };
    let one = openvex("not_affected", "2026-01-01T00:00:00Z");
    let two = openvex("affected", "2026-02-01T00:00:00Z");
    assert!(names(&[]).is_empty());
    assert_eq!(names(&[one.clone(), two.clone()]), names(&[two.clone(), one.clone()]));
    assert_ne!(names(std::slice::from_ref(&one)), names(&[one, two]));
    assert_eq!(names(&[json!({"hello": 1})]).len(), 1, "what cannot be read counts too");
}

#[test]
fn an_index_is_a_name_of_the_image() {
    let index = format!("sha256:{}", "7".repeat(64));
    let attestation = |subject: &str| {
        json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://openvex.dev/ns/v0.2.0",
            "subject": [{"digest": {"sha256": subject.trim_start_matches("sha256:")}}],
            "predicate": {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "a", "version": 1,
                "timestamp": "2026-01-01T00:00:00Z", "statements": [{"vulnerability": {"name": "CVE-2024-1"},
                "products": [{"@id": format!("pkg:oci/app@{}", index.replace(':', "%3A"))}],
                "status": "not_affected", "justification": "component_not_present"}]},
        })
    };
    let texts = [attestation(&index).to_string()];
    let judge = |indexes: &[String]| {
        let found = read(Attached { indexes: indexes.to_vec(), ..attached(&texts) }, IMAGE);
        let mut report = report();
        found.apply(&mut report);
        let suppressed = report.findings.iter().filter(|finding| !finding.suppressed.is_empty()).count();
        (suppressed, found.problems.len(), found.names().any(|name| name == index))
    };
    assert_eq!(judge(&[]), (0, 1, false), "about another image");
    assert_eq!(judge(std::slice::from_ref(&index)), (1, 0, true));
}
