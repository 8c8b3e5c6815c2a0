//! A pipeline as a team has it: scan what was built, push it only if it passes, look it up by its commit later. The registry tells
//! the server of pushes; nothing is swept.

use std::process::Command;

use serde_json::{Value, json};
use strata_cli::command::build;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::Options,
};

use crate::{
    access::run_with,
    black_box::serve,
    servers::{free_port, output, registry_with, skipped},
    strata::{Run, User},
    submit::{search, skopeo, submitted},
    webhooks::{SECRET, until},
};

const FIRST: &str = "6909610f00000000000000000000000000000001";
const SECOND: &str = "9d91119100000000000000000000000000000002";
/// Flaws of the first image by severity.
const FLAWS: [(&str, usize); 3] = [("HIGH", 31), ("MODERATE", 25), ("LOW", 16)];

/// A database in which each package of the image has one flaw.
fn database(user: &User) -> Vec<String> {
    let (mut texts, mut packages) = (Vec::new(), Vec::new());
    for (severity, count) in FLAWS {
        for number in 0..count {
            let package = format!("{}-{number:02}", severity.to_lowercase());
            let advisory = json!({
                "id": format!("TEST-{severity}-{number:02}"), "modified": "2026-11-01T00:00:00Z",
                "database_specific": {"severity": severity},
                "affected": [{"package": {"ecosystem": "npm", "name": package},
                    "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}],
            });
            texts.push((format!("npm/TEST-{severity}-{number:02}.json"), advisory.to_string()));
            packages.push(package);
        }
    }
    let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    build::write(&build::compile_texts(&texts).expect("sound"), &user.database()).expect("a database");
    packages
}

/// An archive as a build writes it: all packages at version 1.0.0.
fn archive(file: &str, packages: &[String]) {
    let files: Vec<(String, String)> = packages
        .iter()
        .map(|name| {
            let text = format!(r#"{{"name":"{name}","version":"1.0.0"}}"#);
            (format!("app/node_modules/{name}/package.json"), text)
        })
        .collect();
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    let layers = [Blob::of_files(&files, Compression::Gzip).expect("a layer")];
    let mut fixed = Fixed::new();
    fixed.image(&FixedImage {
        repository: "app",
        tag: "1",
        layers: &layers,
        arch: Arch::Amd64,
        docker: true,
    });
    let beside = serve(fixed, Options::default());
    skopeo(&format!("docker://{}/app:1", beside.registry.host()), &format!("docker-archive:{file}"));
}

#[test]
fn what_fails_is_not_pushed_and_both_are_found_by_their_commits() {
    if skipped("a pipeline with a real registry") {
        return;
    }
    let (ci, cluster) = (User::new(), User::new());
    let packages = database(&ci);
    let place = tempfile::tempdir().expect("a directory");
    let (port, hooks) = (free_port(), free_port());
    let registry = registry_with(&format!(
        "notifications:\n  events: {{includereferences: true}}\n  endpoints:\n    - {{name: strata, \
         url: \"http://127.0.0.1:{hooks}/hooks/distribution\", timeout: 2s, threshold: 3, backoff: 1s, \
         headers: {{Authorization: [\"Bearer {SECRET}\"]}}}}\n"
    ));
    let secret = place.path().join("secret");
    std::fs::write(&secret, SECRET).expect("written");
    let (listen, hooks) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{hooks}"));
    let secret = secret.display().to_string();
    let role = ["server", "--listen", &listen, "--webhooks", &hooks, "--webhook-secret", &secret];
    let server = cluster.role(&role, Some(port));
    let url = format!("http://{listen}");
    let repository = format!("127.0.0.1:{}/team/app", registry.port);
    // Scan, and push only what passes.
    let pipeline = |commit: &str, packages: &[String]| -> Run {
        let file = place.path().join(format!("{commit}.tar")).display().to_string();
        archive(&file, packages);
        let args = ["scan", "--server", &url, "--require-submit", "--fail-on", "high", &file];
        let run = run_with(&ci, &args, &[("STRATA_SOURCE_COMMIT", commit), ("STRATA_SOURCE_BRANCH", "main")]);
        if run.code == 0 {
            skopeo(&format!("docker-archive:{file}"), &format!("docker://{repository}:{}", &commit[..8]));
        }
        run
    };
    let first = pipeline(FIRST, &packages);
    first.expect(1, &["submitted report"]);
    let second = pipeline(SECOND, &packages[31..32]);
    second.expect(0, &["submitted report"]);
    // The push comes to the report that was there before it: its digest is filled in.
    let by_commit = ["report", "search", "--server", &url, "--format", "json", "--commit", "9d911191"];
    until(&ci, &by_commit, &format!("{repository}:9d911191"), || server.log());
    both_are_found(&ci, &url, &repository, [&first, &second]);
    let at = |commit: &str| search(&ci, &["--server", &url, "--commit", commit]);
    // A prefix that two commits have is a list and no guess.
    pipeline("6909610f00000000000000000000000000000009", &packages[..1]).expect(1, &["submitted report"]);
    let mut commits: Vec<Value> =
        at("6909610f").iter().map(|one| one["origins"][0]["source"]["commit"].clone()).collect();
    commits.sort_by_key(ToString::to_string);
    assert_eq!(commits, [FIRST, "6909610f00000000000000000000000000000009"]);
    assert_eq!(at(FIRST).len(), 1);
}

/// What failed is not in the registry; of both there is one report with its counts, and of what passed the digest too.
fn both_are_found(ci: &User, url: &str, repository: &str, [first, second]: [&Run; 2]) {
    let tags = output(Command::new("skopeo").args([
        "list-tags",
        "--tls-verify=false",
        &format!("docker://{repository}"),
    ]));
    let tags: Value = serde_json::from_slice(&tags.stdout).expect("a list");
    assert_eq!(tags["Tags"], json!(["9d911191"]), "what failed was not pushed");
    let at = |commit: &str| search(ci, &["--server", url, "--commit", commit]);
    let found = at("6909610f");
    let [one] = found.as_slice() else { panic!("one report: {found:?}") };
    let counts = &one["findings"];
    let sum: u64 = counts.as_object().expect("counts").values().filter_map(Value::as_u64).sum();
    assert_eq!(
        (sum, &counts["HIGH"], &counts["MEDIUM"], &counts["LOW"]),
        (72, &json!(31), &json!(25), &json!(16))
    );
    assert_eq!(one["origins"][0]["verdict"]["status"], "failed");
    assert_eq!((&one["report"], &one["pushed_as"]), (&json!(submitted(first)), &json!([])));
    let found = at("9d911191");
    let [one] = found.as_slice() else { panic!("one report: {found:?}") };
    assert_eq!((&one["findings"]["MEDIUM"], &one["findings"]["HIGH"]), (&json!(1), &json!(0)));
    assert_eq!(one["origins"][0]["verdict"]["status"], "passed");
    assert_eq!(one["report"], json!(submitted(second)));
    let digest = one["pushed_as"][0].as_str().expect("a digest").to_owned();
    let by_digest = search(ci, &["--server", url, "--digest", &digest]);
    assert!(by_digest.iter().any(|found| found["report"] == one["report"]), "{by_digest:?}");
}
