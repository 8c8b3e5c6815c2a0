//! Risks that the users of a server share: accepted by an administrator, applied to whoever scans with that server.

use serde_json::Value;

use crate::{
    access::run_with,
    servers::skipped,
    strata::User,
    submit::{build, server, submitted},
};

/// The finding of the image that the tests scan, and those that are the same flaw's.
fn marks(document: &Value) -> Vec<String> {
    let findings = document["images"][0]["findings"].as_array().expect("findings");
    findings.iter().filter_map(|finding| finding["suppressed"].as_str()).map(str::to_owned).collect()
}

#[test]
fn a_risk_that_a_server_keeps_counts_for_all_until_it_ends() {
    if skipped("a server that keeps accepted risks") {
        return;
    }
    let (ci, cluster, place) = (User::new(), User::new(), tempfile::tempdir().expect("a directory"));
    let archive = build(place.path(), &["4.17.4"]).remove(0);
    let (_server, url) = server(&cluster);
    let token = |name: &str, scope: &str| {
        let made = cluster.run(&["token", "create", "--name", name, "--scope", scope]);
        made.expect(0, &[]);
        made.out.trim().to_owned()
    };
    let (admin, scanner) = (token("security", "admin,read"), token("ci", "scan"));
    let with = |token: &str, args: &[&str]| {
        run_with(&ci, &[args, &["--server", &url]].concat(), &[("STRATA_TOKEN", token)])
    };
    let scan = ["scan", &archive, "--fail-on", "low", "-f", "json"];
    let before = with(&scanner, &scan);
    before.expect(1, &["submitted report"]);
    let document: Value = serde_json::from_str(&before.out).expect("JSON");
    assert_eq!(marks(&document), [""; 0]);
    let mut flaws: Vec<String> = document["images"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| finding["id"].as_str().expect("an id").to_owned())
        .collect();
    flaws.dedup();
    assert!(!flaws.is_empty());
    let accept = |flaw: &str, more: &[&str]| {
        let args = ["risk", "accept", flaw, "--package", "lod*", "--reason", "RiskMitigated"];
        [&args[..], &["--expires", "2030-12-31"], more].concat().iter().map(|&text| text.to_owned()).collect()
    };
    let plain: Vec<String> = accept(&flaws[0], &["--note", "no user's input gets there"]);
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    with(&scanner, &plain).expect(2, &["needs the scope admin"]);
    // Of other images it says nothing.
    for flaw in &flaws {
        let scoped: Vec<String> = accept(flaw, &["--repo", "elsewhere/*"]);
        let scoped: Vec<&str> = scoped.iter().map(String::as_str).collect();
        with(&admin, &scoped).expect(0, &["accepted", "until 2030-12-31"]);
    }
    with(&scanner, &scan).expect(1, &[]);
    let mut ids = Vec::new();
    for flaw in &flaws {
        let args: Vec<String> = accept(flaw, &["--by", "security@acme.example"]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let made = with(&admin, &args);
        ids.push(made.expect(0, &[]).out.trim().rsplit(' ').next().expect("an id").to_owned());
    }
    // Shown, not dropped, and counted apart.
    let after = with(&scanner, &scan);
    after.expect(0, &["findings are accepted risks"]);
    let document: Value = serde_json::from_str(&after.out).expect("JSON");
    let marks = marks(&document);
    assert_eq!(marks.len(), document["images"][0]["findings"].as_array().map_or(0, Vec::len));
    let mark = "accepted: RiskMitigated by security@acme.example until 2030-12-31";
    assert!(marks.iter().all(|text| text.starts_with(mark)), "{marks:?}");
    let shown = with(&admin, &["report", "show", &submitted(&after), "--fail-on", "low"]);
    shown.expect(0, &["findings are accepted risks"]);
    let left = with(&scanner, &[&scan[..], &["--exclude-accepted"]].concat());
    left.expect(0, &["are not shown", "--exclude-accepted"]);
    let document: Value = serde_json::from_str(&left.out).expect("JSON");
    assert_eq!(document["images"][0]["findings"], serde_json::json!([]));
    // The day after its last it counts again.
    with(&scanner, &[&scan[..], &["--now", "2031-01-01"]].concat())
        .expect(1, &["accepted risk EXPIRED, it counts again"]);
    // And once it is ended.
    with(&scanner, &["risk", "expire", &ids[0]]).expect(2, &["needs the scope admin"]);
    for id in &ids {
        with(&admin, &["risk", "expire", id]).expect(0, &["is ended"]);
        with(&admin, &["risk", "expire", id]).expect(0, &["is ended"]);
    }
    with(&scanner, &scan).expect(1, &[]);
    with(&admin, &["risk", "expire", "none"]).expect(2, &["no accepted risk `none`", "hint"]);
    // Who did what stays.
    let listed = with(&scanner, &["risk", "list", "--all", "-f", "json"]);
    let listed: Vec<Value> = serde_json::from_str(&listed.out).expect("a list");
    assert_eq!(listed.len(), 2 * flaws.len());
    let row = listed.iter().find(|row| row["id"] == ids[0].as_str()).expect("it is there");
    assert!(row["created_by"].as_str().is_some_and(|by| by.starts_with("security (token:")), "{row}");
    assert!(row["ended_by"].as_str().is_some_and(|by| by.starts_with("security (token:")), "{row}");
    assert_eq!((&row["state"], &row["by"]), (&"ended".into(), &"security@acme.example".into()));
    with(&scanner, &["risk", "list"]).expect(0, &["elsewhere/*", "counts", "accepted risks"]);
}
