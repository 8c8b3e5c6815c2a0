//! Reports from build machines: scanned there, submitted, found by their commit, and bound to what is pushed later.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::{Options, Registry},
};

use crate::{
    access::run_with,
    cluster::runtime,
    servers::{Server, free_port, output, registry, skipped},
    strata::{Run, User},
};

const FIRST: &str = "6909610f00000000000000000000000000000001";
const SECOND: &str = "9d91119100000000000000000000000000000002";

/// Writes images as a build does, one archive for each version of lodash that is in it.
pub(crate) fn build(directory: &Path, versions: &[&str]) -> Vec<String> {
    let runtime = runtime();
    let mut fixed = Fixed::new();
    for version in versions {
        let package = format!(r#"{{"name":"lodash","version":"{version}"}}"#);
        let file = ("app/node_modules/lodash/package.json", package.as_bytes());
        let layers = [Blob::of_files(&[file], Compression::Gzip).expect("a layer")];
        let image =
            FixedImage { repository: "app", tag: version, layers: &layers, arch: Arch::Amd64, docker: true };
        fixed.image(&image);
    }
    let source = runtime.block_on(Registry::start(fixed, Options::default())).expect("a registry");
    let archive = |version: &&str| {
        let file = directory.join(format!("image-{version}.tar")).display().to_string();
        skopeo(&format!("docker://{}/app:{version}", source.host()), &format!("docker-archive:{file}"));
        file
    };
    versions.iter().map(archive).collect()
}

pub(crate) fn skopeo(from: &str, to: &str) {
    let mut command = Command::new("skopeo");
    command.args(["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", from, to]);
    let copied = output(&mut command);
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
}

pub(crate) fn server(user: &User) -> (Server, String) {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    (user.role(&["server", "--listen", &listen], Some(port)), format!("http://{listen}"))
}

/// What a search finds, as a program sees it.
pub(crate) fn search(user: &User, more: &[&str]) -> Vec<Value> {
    let run = user.run(&[&["report", "search", "--format", "json"], more].concat());
    assert_eq!(run.code, 0, "{}", run.err);
    serde_json::from_str(&run.out).expect("a list")
}

/// The id that a submission prints.
pub(crate) fn submitted(run: &Run) -> String {
    let rest = run.err.split_once("submitted report ").expect("an id").1;
    rest.split_whitespace().next().expect("an id").to_owned()
}

#[test]
fn a_build_finds_its_report_by_commit_and_by_the_digest_that_is_pushed_later() {
    if skipped("a push of what was scanned before") {
        return;
    }
    let (ci, cluster, place) = (User::new(), User::new(), tempfile::tempdir().expect("a directory"));
    let archives = build(place.path(), &["4.17.4", "4.17.21"]);
    let (_server, url) = server(&cluster);
    let registry = registry();
    let scan = |archive: &str, commit: &str, more: &[&str]| {
        let args = [&["scan", "--server", &url, "--fail-on", "high", archive], more].concat();
        let environment = [
            ("STRATA_SOURCE_COMMIT", commit),
            ("STRATA_SOURCE_BRANCH", "main"),
            ("STRATA_SOURCE_BUILD_ID", "77/1"),
        ];
        run_with(&ci, &args, &environment)
    };
    let first = scan(&archives[0], FIRST, &[]);
    first.expect(1, &["lodash", "submitted report"]);
    let again = scan(&archives[0], FIRST, &["--require-submit"]);
    again.expect(1, &["the same submission was there before"]);
    assert_eq!(submitted(&first), submitted(&again));
    let at = ["--server", &url];
    let found = search(&ci, &[&at[..], &["--commit", "6909610f"]].concat());
    let [one] = found.as_slice() else { panic!("one report: {found:?}") };
    assert_eq!(one["submitted_by"], "anonymous");
    // The first image of the archive; no directory of the build machine.
    assert_eq!(one["references"][0], "docker-archive:image-4.17.4.tar@0");
    assert_eq!(one["pushed_as"], serde_json::json!([]));
    assert_eq!(one["origins"][0]["verdict"]["status"], "failed");
    assert_eq!(one["origins"][0]["source"]["branch"], "main");
    assert!(one["findings"]["HIGH"].as_u64() > Some(0), "{one}");
    // The other order: pushed and swept before it is scanned where it was built.
    let host = format!("127.0.0.1:{}", registry.port);
    skopeo(&format!("docker-archive:{}", archives[1]), &format!("docker://{host}/team/app:fixed"));
    cluster.run(&["sweep", &host, "--server", &url]).expect(0, &[]);
    scan(&archives[1], SECOND, &[]).expect(0, &["submitted report", "pushed as sha256:"]);
    // And what was scanned before it is pushed, whose layers are compressed anew.
    skopeo(&format!("docker-archive:{}", archives[0]), &format!("docker://{host}/team/app:vulnerable"));
    cluster.run(&["sweep", &host, "--server", &url]).expect(0, &[]);
    for (commit, tag, verdict) in [(FIRST, "vulnerable", "failed"), (SECOND, "fixed", "passed")] {
        let by_commit = search(&ci, &[&at[..], &["--commit", &commit[..8], "--branch", "main"]].concat());
        let [one] = by_commit.as_slice() else { panic!("one report: {by_commit:?}") };
        let digest = one["pushed_as"][0].as_str().expect("a digest");
        assert_ne!(one["digest"], digest);
        let references = one["references"].to_string();
        assert!(references.contains(&format!("{host}/team/app:{tag}")), "{references}");
        // By the digest there are two: the cluster's own, and the build's with its commit.
        let by_digest = search(&ci, &[&at[..], &["--digest", digest]].concat());
        assert_eq!(by_digest.len(), 2, "{by_digest:?}");
        let own = by_digest.iter().filter(|one| one.get("submitted_by").is_none()).count();
        assert_eq!(own, 1);
        let build = by_digest.iter().find(|one| one.get("submitted_by").is_some()).expect("the build's");
        assert_eq!(build["origins"][0]["source"]["commit"], commit);
        assert_eq!(build["origins"][0]["verdict"]["status"], verdict);
    }
    // People see whose it is.
    let shown = ci.run(&["report", "show", &submitted(&first), "--server", &url]);
    shown.expect(0, &["origin: submitted by anonymous", "lodash"]);
}

#[test]
fn a_server_that_is_away_is_a_warning_unless_submission_is_required() {
    let (user, cluster, place) = (User::new(), User::new(), tempfile::tempdir().expect("a directory"));
    let archive = build(place.path(), &["4.17.4"]).remove(0);
    let file = place.path().join("report.json").display().to_string();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let json = format!("json={file}");
    let args = ["scan", "--server", &nobody, "-o", &json, &archive];
    let required = user.run(&[&args[..], &["--require-submit"]].concat());
    required.expect(4, &["error", "submit the report"]);
    let written: Value = serde_json::from_str(&fs::read_to_string(&file).expect("written")).expect("JSON");
    assert_eq!(written["images"].as_array().map(Vec::len), Some(1));
    user.run(&[&args[..], &["--fail-on", "high"]].concat())
        .expect(1, &["warning: the report was not submitted"]);
    // Later, from the file and from this machine's archive: each once, however often.
    let (_server, url) = server(&cluster);
    let id = written["images"][0]["report"].as_str().expect("an id");
    for report in [file.as_str(), id] {
        let submit = ["report", "submit", report, "--server", &url, "--push-ref", "r.example/team/app:1"];
        let first = user.run(&submit);
        first.expect(0, &["submitted report"]);
        let again = user.run(&submit);
        again.expect(0, &["was there before"]);
        assert_eq!(submitted(&first), submitted(&again));
    }
    let found = search(&user, &["--server", &url, "--repo", "r.example/team/app"]);
    assert!((1..=2).contains(&found.len()), "{found:?}");
    // What was left out of a document is not passed over in silence.
    user.run(&["scan", "--severity", "critical", "-o", &json, &archive]).expect(0, &[]);
    user.run(&["report", "submit", &file, "--server", &url]).expect(2, &["were left out of it", "hint"]);
}

#[test]
fn who_submitted_is_told_and_prefixes_hold() {
    let (user, cluster, place) = (User::new(), User::new(), tempfile::tempdir().expect("a directory"));
    let archive = build(place.path(), &["4.17.4"]).remove(0);
    let (_server, url) = server(&cluster);
    let token = |name: &str, scope: &str| {
        let prefix: &[&str] = if scope == "scan" { &["--prefix", "r.example/team"] } else { &[] };
        let made = cluster.run(&[&["token", "create", "--name", name, "--scope", scope], prefix].concat());
        made.expect(0, &[]);
        made.out.trim().to_owned()
    };
    let (ci, reader) = (token("ci", "scan"), token("security", "read"));
    let as_ci = |more: &[&str]| {
        let args = [&["scan", "--server", &url, "--require-submit", &archive], more].concat();
        run_with(&user, &args, &[("STRATA_TOKEN", &ci)])
    };
    as_ci(&["--push-ref", "r.example/other/app:1"]).expect(4, &["beyond this token's repositories"]);
    let run = as_ci(&["--push-ref", "r.example/team/app:1"]);
    run.expect(0, &["submitted report"]);
    let id = submitted(&run);
    // What holds for the repository that it is to be pushed to holds here already.
    let policy = place.path().join("policy.yaml");
    let rule = "rules: [{ id: high, vuln: { severity_at_least: high } }]";
    let text = format!(
        "apiVersion: strata/v1\npolicies:\n- name: team\n  scope: {{ repos: [\"team/**\"] }}\n  {rule}\n"
    );
    std::fs::write(&policy, text).expect("a policy");
    let policy = policy.display().to_string();
    as_ci(&["--policy", &policy]).expect(0, &[]);
    as_ci(&["--policy", &policy, "--push-ref", "r.example/team/app:1"]).expect(1, &["high"]);
    let with = |token: &str, args: &[&str]| run_with(&user, args, &[("STRATA_TOKEN", token)]);
    with(&ci, &["report", "show", &id, "--server", &url]).expect(
        0,
        &["origin: submitted by ci (token:", "warning: the names of the report's image are not known"],
    );
    with(&ci, &["report", "search", "--server", &url]).expect(2, &["needs the scope read"]);
    with(&reader, &["report", "search", "--server", &url])
        .expect(0, &[&id, "submitted by ci (token:", "r.example/team/app:1"]);
    with(&reader, &["report", "submit", &id, "--server", &url]).expect(2, &["there is no report"]);
    let args = ["scan", "--server", &url, "--require-submit", &archive];
    with(&reader, &args).expect(4, &["needs the scope scan"]);
}

#[test]
fn an_offline_run_reaches_no_network_and_says_what_it_lacks() {
    let (user, place) = (User::new(), tempfile::tempdir().expect("a directory"));
    let archive = build(place.path(), &["4.17.4"]).remove(0);
    let (online, offline) = (user.json(&["scan", &archive]), user.json(&["scan", "--offline", &archive]));
    assert_eq!(crate::strata::images(&online.1), crate::strata::images(&offline.1));
    // In a network namespace without any network, where this machine lets us make one.
    let mut alone = Command::new("unshare");
    let args = ["scan", "--offline", "--format", "json", &archive];
    alone.args(["-n", env!("CARGO_BIN_EXE_strata")]).args(args);
    alone.env("STRATA_DATA_DIR", user.home.path()).env("HOME", user.home.path());
    let run = Run::of(output(&mut alone));
    if !run.err.contains("unshare failed") {
        run.expect(0, &[]);
        let document: Value = serde_json::from_str(&run.out).expect("JSON");
        assert_eq!(crate::strata::images(&document), crate::strata::images(&online.1));
    }
    user.run(&["scan", "--offline", "r.example/app:1"])
        .expect(2, &["reaches no registry", "r.example/app:1"]);
    let with_server = ["scan", "--offline", "--server", "http://127.0.0.1:1", &archive];
    user.run(&with_server).expect(2, &["reaches no server"]);
    let nothing = User::without_database();
    nothing.run(&["scan", "--offline", &archive]).expect(2, &["advisory database"]);
    let (db, cache) =
        (user.database().display().to_string(), place.path().join("cache").display().to_string());
    nothing
        .run(&["scan", "--offline", "--db-path", &db, "--cache-path", &cache, &archive])
        .expect(0, &["lodash"]);
}
