//! What the environments of build systems tell of a source: recorded variables in, the exact record out.

use std::fs;

use serde_json::Value;
use strata_loadtest::{
    content::{Plan, Synthetic},
    registry::{Options, Registry},
};

use crate::{
    cluster::runtime,
    servers,
    strata::{User, root},
};

/// Values that must be in no output.
const SECRET: &str = "s3cr3t";

#[test]
fn recorded_environments_give_exact_records() {
    let directory = root().join("client/cli/testdata/context");
    let mut count = 0;
    for entry in fs::read_dir(directory).expect("cases") {
        let path = entry.expect("an entry").path();
        let case: Value = serde_json::from_slice(&fs::read(&path).expect("a case")).expect("JSON");
        let user = User::without_database();
        let mut command = user.command(&["scan", "--print-context"]);
        for (name, value) in case["environment"].as_object().expect("variables") {
            command.env(name, value.as_str().expect("a text"));
        }
        if case["event"].is_object() {
            let event = user.home.path().join("event.json");
            fs::write(&event, case["event"].to_string()).expect("written");
            command.env("GITHUB_EVENT_PATH", event);
        }
        let output = servers::output(&mut command);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
        let record: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(record, case["expect"], "{}", path.display());
        assert!(case.to_string().contains(SECRET), "{}: each case has a secret", path.display());
        assert!(!text.contains(SECRET), "{}", path.display());
        count += 1;
    }
    assert!(count >= 5, "only {count} cases");
}

#[test]
fn reports_are_found_by_the_commit_of_their_build() {
    let (user, runtime) = (User::new(), runtime());
    let registry = runtime
        .block_on(Registry::start(Synthetic::new(Plan::demo()), Options::default()))
        .expect("a registry");
    let (_, listed) = user.json(&["sweep", registry.host().as_str()]);
    let reference = listed["images"][0]["references"][0].as_str().expect("a reference").to_owned();
    let commit = "6909610f00000000000000000000000000000001";
    let mut command = user.command(&["scan", &reference]);
    command.env("STRATA_SOURCE_COMMIT", commit);
    assert!(servers::output(&mut command).status.success());
    for (asked, code, says) in [
        ("6909610", 0, "1 report"),
        (commit, 0, "1 report"),
        ("6909610F", 0, "1 report"),
        ("7909610", 0, "0 reports"),
        ("690961", 2, "at least seven digits"),
        ("main-branch", 2, "neither a commit"),
    ] {
        user.run(&["report", "search", "--commit", asked]).expect(code, &[says]);
    }
}

#[test]
fn flags_come_before_the_environment() {
    let user = User::without_database();
    let commit = "6909610f00000000000000000000000000000001";
    let mut command = user.command(&[
        "scan",
        "--print-context",
        "--source-repo",
        "https://user:s3cr3t@github.com/acme/app.git",
        "--source-commit",
        commit,
        "--ci-build-id",
        "77",
    ]);
    command.env("STRATA_SOURCE_COMMIT", "abcdef0123").env("STRATA_SOURCE_BRANCH", "main");
    let output = servers::output(&mut command);
    let record: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let expected = serde_json::json!({
        "system": "generic", "repository": "https://github.com/acme/app", "commit": commit, "branch": "main", "build_id": "77",
    });
    assert_eq!(record, expected);
    user.run(&["scan", "--print-context", "--source-commit", "main"]).expect(2, &["no commit"]);
}
