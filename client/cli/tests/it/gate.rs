//! What fails a scan: flags and policies, on images whose findings are known.

use std::fs;

use serde_json::{Value, json};
use strata_analysis::database::{build::Builder, lifecycle::Lifecycles};
use strata_cli::command::build;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::Registry,
};

use crate::{
    cluster::runtime,
    fixture,
    strata::{User, images},
};

/// One flaw of an npm package: before 2.0.0, or for ever.
fn advisory(id: &str, package: &str, rating: &str, fixed: bool, modified: &str) -> (String, String) {
    let mut events = vec![json!({"introduced": "0"})];
    if fixed {
        events.push(json!({"fixed": "2.0.0"}));
    }
    let text = json!({
        "id": id, "modified": modified, "summary": "a flaw", "database_specific": {"severity": rating},
        "affected": [{"package": {"ecosystem": "npm", "name": package}, "ranges": [{"type": "SEMVER", "events": events}]}],
    });
    (format!("npm/{id}.json"), text.to_string())
}

/// A user whose database knows three flaws, and a registry with an image of each package.
fn with_images() -> (User, Registry, tokio::runtime::Runtime) {
    let user = User::without_database();
    let texts = [
        advisory("GHSA-aaaa-aaaa-aaaa", "medium", "MODERATE", true, "2026-11-12T00:00:00Z"),
        advisory("GHSA-bbbb-bbbb-bbbb", "high", "HIGH", true, "2026-11-12T00:00:00Z"),
        advisory("GHSA-cccc-cccc-cccc", "unfixed", "HIGH", false, "2026-08-24T00:00:00Z"),
    ];
    let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    build::write(&build::compile_texts(&texts).expect("sound"), &user.database()).expect("a database");
    let mut fixed = Fixed::new();
    for package in ["medium", "high", "unfixed", "clean"] {
        let manifest = json!({"name": package, "version": "1.0.0"}).to_string();
        let path = format!("app/node_modules/{package}/package.json");
        let files = [(path.as_str(), manifest.as_bytes())];
        fixture::image(&mut fixed, &format!("acme/{package}"), &files, false);
    }
    let runtime = runtime();
    let registry = fixture::serve(&runtime, fixed);
    (user, registry, runtime)
}

#[test]
fn flags_decide_what_is_shown_and_what_fails() {
    let (user, registry, _runtime) = with_images();
    for (image, flags, code, shown) in [
        ("medium", &["--exit-code", "1", "--severity", "HIGH,CRITICAL"][..], 0, 0),
        ("medium", &["--severity", "medium"], 0, 1),
        ("medium", &["--exit-code", "7"], 7, 1),
        ("medium", &["--exit-code", "0"], 0, 1),
        ("medium", &["--fail-on", "HIGH"], 0, 1),
        ("medium", &["--fail-on", "medium"], 1, 1),
        ("high", &["--exit-code", "1", "--severity", "HIGH,CRITICAL"], 1, 1),
        ("high", &["--fail-on", "HIGH"], 1, 1),
        ("high", &["--fail-on", "HIGH", "--exit-code", "7"], 7, 1),
        ("high", &["--fail-on", "HIGH", "--severity", "LOW"], 0, 0),
        ("high", &["--fail-on", "HIGH", "--ignore-unfixed"], 1, 1),
        ("unfixed", &["--fail-on", "HIGH", "--ignore-unfixed"], 0, 0),
        ("unfixed", &["--fail-on", "HIGH"], 1, 1),
        ("unfixed", &["--exit-on-eol", "9"], 0, 1),
        ("clean", &["--exit-code", "1"], 0, 0),
    ] {
        let reference = format!("{}/acme/{image}:1", registry.host());
        let file = user.home.path().join("report.json");
        let file_name = file.display().to_string();
        let args = [&["scan", &reference, "--format", "json", "--output", &file_name], flags].concat();
        let run = user.run(&args);
        run.expect(code, &[]);
        let document: Value =
            serde_json::from_slice(&fs::read(&file).expect("written")).expect("complete JSON");
        let findings = images(&document)[0]["findings"].as_array().expect("findings").len();
        assert_eq!(findings, shown, "{image} {flags:?}");
        let hidden = document["hidden_findings"].as_u64().unwrap_or_default();
        let all = usize::from(image != "clean");
        assert_eq!(hidden, (all - shown) as u64, "{image} {flags:?}: what is left out is said");
        assert_eq!(run.err.contains("are not shown"), hidden > 0, "{}", run.err);
    }
    let high = format!("{}/acme/high:1", registry.host());
    user.run(&["scan", &high, "--severity", "hihg"]).expect(2, &["`hihg` is not a severity"]);
    user.run(&["scan", &high, "--exit-on-eol", "0"]).expect(2, &["exit-on-eol"]);
    fs::write(user.database(), "no database").expect("written");
    for flags in [&[][..], &["--exit-code", "0"], &["--exit-code", "1", "--severity", "LOW"]] {
        // A broken database is never a pass, and no failed policy.
        user.run(&[&["scan", high.as_str()], flags].concat()).expect(3, &["advisories.strata"]);
    }
    fs::remove_file(user.database()).expect("it was there");
    user.run(&["scan", &high, "--exit-code", "0"]).expect(2, &["strata db update"]);
}

#[test]
fn a_distribution_without_support_fails_where_that_is_asked_for() {
    let user = User::without_database();
    let mut builder = Builder::new();
    builder.add_lifecycles(Lifecycles::built_in().expect("the table is sound"));
    let (path, text) = advisory("GHSA-aaaa-aaaa-aaaa", "high", "HIGH", true, "2026-11-12T00:00:00Z");
    builder.add(&path, text.as_bytes());
    build::write(&builder.finish().expect("sound"), &user.database()).expect("a database");
    let mut fixed = Fixed::new();
    for (tag, release) in [("old", "3.10.2"), ("new", "3.99.0")] {
        let release = format!("ID=alpine\nVERSION_ID={release}\n");
        let npm = br#"{"name":"high","version":"1.0.0"}"#;
        let files: [(&str, &[u8]); 3] = [
            ("etc/os-release", release.as_bytes()),
            ("lib/apk/db/installed", b"P:musl\nV:1.1.22-r3\nA:x86_64\n\n"),
            ("app/node_modules/high/package.json", npm),
        ];
        let layers = [Blob::of_files(&files, Compression::Gzip).expect("a layer")];
        fixed.image(&FixedImage { repository: "os", tag, layers: &layers, arch: Arch::Amd64, docker: false });
    }
    let runtime = runtime();
    let registry = fixture::serve(&runtime, fixed);
    for (tag, flags, code) in [
        ("old", &["--exit-on-eol", "9"][..], 9),
        ("old", &[], 0),
        ("old", &["--exit-on-eol", "9", "--fail-on", "HIGH"], 9),
        ("new", &["--exit-on-eol", "9"], 0),
        ("new", &["--exit-on-eol", "9", "--fail-on", "HIGH"], 1),
    ] {
        let image = format!("{}/os:{tag}", registry.host());
        let run = user.run(&[&["scan", image.as_str()], flags].concat());
        run.expect(code, &[]);
        assert_eq!(run.err.contains("END OF LIFE"), code == 9, "{tag} {flags:?}: {}", run.err);
    }
}

const POLICY: &str = "apiVersion: strata/v1
policies:
- name: strict
  rules:
  - id: no-high
    vuln: { severity_at_least: high }
- name: aged
  rules:
  - id: old-fixes
    vuln: { severity_at_least: high, fix_age_days: 60 }
  - id: root
    image: { user_not_root: warn }
";

#[test]
fn policies_fail_by_name_and_accepted_risks_expire() {
    let (user, registry, _runtime) = with_images();
    let reference = format!("{}/acme/high:1", registry.host());
    let write = |name: &str, text: &str| {
        let path = user.home.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let policy = write("policy.yaml", POLICY);
    let (strict, aged) = (format!("{policy}:strict"), format!("{policy}:aged"));
    let scan = |more: &[&str]| user.run(&[&["scan", reference.as_str()], more].concat());
    scan(&["--policy", &policy])
        .expect(1, &["FAIL strict/no-high", "GHSA-bbbb-bbbb-bbbb in high 1.0.0", "fixed in 2.0.0"]);
    scan(&["--policy", &strict, "--policy", &aged, "--exit-code", "8"]).expect(8, &["policy: FAILED"]);
    // The fix is ten days old, then seventy.
    scan(&["--policy", &aged, "--now", "2026-11-22"])
        .expect(0, &["WARN aged/root", "names no user", "with warnings"]);
    scan(&["--policy", &aged, "--now", "2027-01-22"]).expect(1, &["FAIL aged/old-fixes"]);
    scan(&["--policy", &format!("{policy}:none")]).expect(2, &["there is no policy `none`", "strict, aged"]);
    let bad = write("bad.yaml", &POLICY.replace("severity_at_least: high }", "severity: high }"));
    scan(&["--policy", &bad]).expect(2, &["bad.yaml:6:13: `severity` is not a part"]);

    let risks = write(
        "risks.yaml",
        "apiVersion: strata/v1\naccepted_risks:\n- { vuln: GHSA-bbbb-bbbb-bbbb, scope: { repos: [\"acme/*\"] }, reason: RiskMitigated, \
         expires: 2026-12-31, by: alice }\n",
    );
    let accepted = ["--policy", &strict, "--policy", &risks, "--now"];
    let run = scan(&[&accepted[..], &["2026-12-31", "--format", "json"]].concat());
    run.expect(0, &["1 findings are accepted risks"]);
    let document: Value = serde_json::from_str(&run.out).expect("JSON");
    let finding = &images(&document)[0]["findings"][0];
    assert_eq!(
        finding["suppressed"], "accepted: RiskMitigated by alice until 2026-12-31",
        "shown, not dropped"
    );
    assert_eq!(document["policies"][0]["accepted"], 1);
    scan(&[&accepted[..], &["2027-01-01"]].concat()).expect(1, &["EXPIRED", "FAIL strict/no-high"]);

    // The written report is a fixture for a test of the policy.
    let fixture = user.home.path().join("fixture.json").display().to_string();
    scan(&["--format", "json", "--output", &fixture]).expect(0, &[]);
    let test = |expected: &str| {
        let text = format!(
            "{POLICY}tests:\n- {{ name: seventy days, policy: aged, report: fixture.json, now: 2027-01-22, expect: {{ old-fixes: {expected} }} }}\n"
        );
        user.run(&["policy", "test", &write("tested.yaml", &text)])
    };
    test("fail").expect(0, &["ok", "1 passed, 0 failed"]);
    test("pass").expect(1, &["FAILED", "rule old-fixes: fail, expected pass"]);
    user.run(&["policy", "test", &policy]).expect(2, &["there are no tests"]);
}
