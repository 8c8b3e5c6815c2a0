//! What is in a registry besides images: signatures, attestations and lists of referrers that real tools made.

use std::{path::Path, process::Command};

use serde_json::json;
use strata_loadtest::content::{Arch, Blob, Compression, Fixed, FixedImage};

use crate::{
    cluster::runtime,
    fixture, servers,
    strata::{User, images, shared},
    vex::{MANIFEST, Repository},
};

/// Whether what the tools need is here; what is not is said aloud.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn have(program: &str, args: &[&str]) -> bool {
    let found = Command::new(program).args(args).output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: {program} {} does not run", args.join(" "));
    }
    found
}

fn python(script: &Path, args: &[&str]) {
    let output = servers::output(Command::new("python3").arg(script).args(args));
    assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_sweep_tells_images_from_what_is_attached_to_them() {
    let Some(history) = shared("tools/supplychain/mkhistory.py") else { return };
    let tools = [("skopeo", "--version"), ("git", "--version"), ("openssl", "version")];
    if servers::skipped("hygiene")
        || !tools.iter().all(|(program, argument)| have(program, &[argument]))
        || !have("python3", &["-c", "import cryptography"])
    {
        return;
    }
    let registry = servers::registry();
    let host = format!("127.0.0.1:{}", registry.port);
    let out = registry.directory.path().join("history");
    python(&history, &[&host, &out.to_string_lossy()]);
    let truth = std::fs::read_to_string(out.join("truth.json")).expect("the truth");
    let truth: serde_json::Value = serde_json::from_str(&truth).expect("JSON");
    let repository = truth["repo"].as_str().expect("a repository");
    let signed = truth["images"]["c1"]["tag"].as_str().expect("a tag");
    let key = out.join("prov.key.pem");
    python(&history.with_file_name("pysign.py"), &[&host, repository, signed, &key.to_string_lossy()]);

    let user = User::new();
    let (run, document) = user.json(&["sweep", &host]);
    run.expect(0, &[]);
    let summary = &document["summary"];
    // Seven commits, `latest`, one signature, one list of referrers.
    assert_eq!(summary["enumerated"], 10, "{summary}");
    assert_eq!(summary["reported"], 8, "{summary}");
    let skipped = serde_json::json!({ "referrers-index": 1, "signature": 1 });
    assert_eq!(summary["skipped"], skipped, "{summary}");
    assert!(summary["failed"].as_object().is_none_or(serde_json::Map::is_empty), "{summary}");
    assert_eq!(summary["layers_analysed"], 8, "one base and seven of their own: {summary}");
    let mut found: Vec<String> =
        images(&document).iter().filter_map(|image| image["digest"].as_str().map(str::to_owned)).collect();
    found.sort();
    let mut want: Vec<String> = truth["images"]
        .as_object()
        .expect("images")
        .values()
        .filter_map(|image| image["digest"].as_str().map(str::to_owned))
        .collect();
    want.sort();
    assert_eq!(found, want);
}

/// The same in small, with what this test attaches itself.
#[test]
fn a_signature_and_a_list_of_referrers_are_no_images() {
    if servers::skipped("signatures beside images") {
        return;
    }
    let (registry, runtime) = (servers::registry(), runtime());
    let layer =
        |name: &str, text: &[u8]| Blob::of_files(&[(name, text)], Compression::Gzip).expect("a layer");
    let base = layer("etc/os-release", b"ID=debian\nVERSION_ID=12\n");
    let mut fixed = Fixed::new();
    for tag in ["1", "2"] {
        let layers = [base.clone(), layer("app/note.txt", tag.as_bytes())];
        fixed.image(&FixedImage { repository: "app", tag, layers: &layers, arch: Arch::Amd64, docker: true });
    }
    let source = fixture::serve(&runtime, fixed);
    for (from, to) in [("1", "1"), ("2", "2"), ("2", "latest")] {
        let mut copy = Command::new("skopeo");
        copy.args(["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"]);
        copy.arg(format!("docker://{}/app:{from}", source.host()));
        copy.arg(format!("docker://127.0.0.1:{}/app:{to}", registry.port));
        let done = servers::output(&mut copy);
        assert!(done.status.success(), "skopeo: {}", String::from_utf8_lossy(&done.stderr));
    }
    let app = Repository::new(&registry, "app");
    runtime.block_on(async {
        let (signed, attested) = (app.digest("1").await, app.digest("2").await);
        app.attach(&attested, &json!({"@context": "https://openvex.dev/ns/v0.2.0"})).await;
        let (config, payload) = (app.blob("{}").await, app.blob("a payload").await);
        let signature = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.to_string(), "size": 2},
            "layers": [{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": payload.to_string(), "size": 9}],
        });
        app.manifest(&format!("{}.sig", signed.replace(':', "-")), MANIFEST, &signature).await;
    });
    let (run, document) = User::new().json(&["sweep", &format!("127.0.0.1:{}", registry.port)]);
    run.expect(0, &[]);
    let summary = &document["summary"];
    for (figure, value) in [("enumerated", 5), ("reported", 3), ("images", 2), ("layers_analysed", 3)] {
        assert_eq!(summary[figure], value, "{figure}: {summary}");
    }
    assert_eq!(summary["skipped"], json!({"referrers-index": 1, "signature": 1}), "{summary}");
    assert_eq!(summary["failed"], json!({}), "{summary}");
}
