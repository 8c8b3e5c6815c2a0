//! `strata diff`: an image on a large base against one on a small base, by reference, report, file and commit.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use strata_cli::command::build;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::Options,
};

use crate::{
    black_box::{Beside, serve},
    servers,
    strata::User,
};

const DEBIAN: &[u8] = b"ID=debian\nVERSION_ID=\"12\"\n";
/// Packages of the large image, those of the small one, and of how many the database knows a flaw.
const ALL: usize = 120;
const FEW: usize = 12;
const FLAWED: usize = 40;

fn stanza(number: usize, status: &str) -> String {
    format!("Package: lib{number:03}\n{status}Architecture: amd64\nVersion: 1.{number}-1\n\n")
}

/// Every third package has a flaw, of four severities in turn, until there are enough of them.
fn flawed(number: usize) -> bool {
    number.is_multiple_of(3) && number / 3 < FLAWED
}

fn advisories() -> Vec<(String, String)> {
    let ratings = ["CRITICAL", "HIGH", "MODERATE", "LOW"];
    (0..ALL)
        .filter(|number| flawed(*number))
        .map(|number| {
            let id = format!("TEST-{number:04}");
            let text = json!({
                "id": id, "modified": "2026-11-01T00:00:00Z",
                "database_specific": {"severity": ratings[number / 3 % 4]},
                "affected": [{"package": {"ecosystem": "Debian:12", "name": format!("lib{number:03}")},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]}],
            });
            (format!("Debian/{id}.json"), text.to_string())
        })
        .collect()
}

/// `app:full`, `app:small` (its packages in `status.d`, as distroless has them) and `app:worse`, which has more than `full`.
fn with_images() -> (User, Beside, Vec<u64>) {
    let user = User::without_database();
    let texts = advisories();
    let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    build::write(&build::compile_texts(&texts).expect("sound"), &user.database()).expect("a database");
    let installed = "Status: install ok installed\n";
    let full: String = (1..ALL).map(|number| stanza(number, installed)).collect();
    let worse: String = (0..ALL).map(|number| stanza(number, installed)).collect();
    let small: Vec<(String, String)> = (1..=FEW)
        .map(|number| (format!("var/lib/dpkg/status.d/lib{number:03}"), stanza(number, "")))
        .collect();
    let small: Vec<(&str, &[u8])> =
        small.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
    let status = |text: &'static str| ("var/lib/dpkg/status", text.as_bytes());
    let base = Blob::of_files(&[("etc/os-release", DEBIAN)], Compression::Gzip).expect("a layer");
    let (mut fixed, mut sizes) = (Fixed::new(), Vec::new());
    let full: &'static str = full.leak();
    let worse: &'static str = worse.leak();
    for (tag, files) in [("full", vec![status(full)]), ("small", small), ("worse", vec![status(worse)])] {
        let top = Blob::of_files(&files, Compression::Gzip).expect("a layer");
        let layers = [base.clone(), top];
        sizes.push(layers.iter().map(|layer| layer.descriptor.size).sum());
        fixed.image(&FixedImage {
            repository: "app",
            tag,
            layers: &layers,
            arch: Arch::Amd64,
            docker: false,
        });
    }
    (user, serve(fixed, Options::default()), sizes)
}

fn ids(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().expect("findings").iter();
    list.map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

/// What the fixtures say, without Strata.
fn expected(numbers: impl Iterator<Item = usize>) -> BTreeSet<String> {
    numbers.filter(|number| flawed(*number)).map(|number| format!("TEST-{number:04}")).collect()
}

#[test]
fn a_smaller_base_is_told_in_numbers_that_the_fixtures_give() {
    let (user, beside, sizes) = with_images();
    let image = |tag: &str| format!("{}/app:{tag}", beside.registry.host());
    let (full, small, worse) = (image("full"), image("small"), image("worse"));
    let page = user.home.path().join("diff.md");
    let markdown = format!("markdown={}", page.display());
    let (run, diff) = user.json(&["diff", &full, &small, "--fail-on-new", "LOW", "-o", &markdown]);
    run.expect(0, &[]);
    assert_eq!((&diff["before"]["packages"], &diff["after"]["packages"]), (&json!(ALL - 1), &json!(FEW)));
    assert_eq!(diff["sizes"]["compressed"], json!({"before": sizes[0], "after": sizes[1]}));
    assert_eq!(ids(&diff["findings"]["fixed"]), expected(FEW + 1..ALL));
    assert_eq!(ids(&diff["findings"]["unchanged"]), expected(1..=FEW));
    assert_eq!(ids(&diff["findings"]["introduced"]), BTreeSet::new());
    assert_eq!(diff["packages"]["removed"].as_array().expect("packages").len(), ALL - 1 - FEW);
    assert_eq!(diff["layers"]["shared"].as_array().expect("layers").len(), 1);
    let page = fs::read_to_string(page).expect("it is written");
    let row = format!("| packages | {} | {FEW} | -{} |", ALL - 1, ALL - 1 - FEW);
    assert!(page.contains(&row) && page.contains("| | Before | After | Change |"), "{page}");
    // Itself: nothing.
    let (run, same) = user.json(&["diff", &full, &full, "--fail-on-new"]);
    run.expect(0, &[]);
    assert_eq!((ids(&same["findings"]["fixed"]), ids(&same["findings"]["introduced"])), Default::default());
    // Only what the second image adds fails, and only if it is bad enough: lib000 is critical.
    for (flags, code) in [
        (&["--fail-on-new", "CRITICAL"][..], 1),
        (&["--fail-on-new"], 1),
        (&["--fail-on-new", "high", "--exit-code", "9"], 9),
        (&[], 0),
    ] {
        user.run(&[&["diff", &full, &worse], flags].concat()).expect(code, &["1 introduced, 0 fixed"]);
    }
    user.run(&["diff", &worse, &full, "--fail-on-new"]).expect(0, &["0 introduced, 1 fixed"]);
    user.run(&["diff", &full, &image("gone"), "--fail-on-new"]).expect(3, &["app:gone"]);
    user.run(&["diff", &full]).expect(2, &[]);
    user.run(&["diff", &full, &small, "--fail-on-new", "bad"]).expect(2, &["`bad` is not a severity"]);
}

#[test]
fn reports_files_and_commits_are_compared_without_a_scan() {
    let (user, beside, _) = with_images();
    let image = |tag: &str| format!("{}/app:{tag}", beside.registry.host());
    let (before, after) =
        ("6909610f00000000000000000000000000000001", "abcdef0123456789abcdef0123456789abcdef01");
    let file = user.home.path().join("full.json").display().to_string();
    let mut reports = Vec::new();
    for (tag, commit, more) in [("full", before, vec!["-o", &file]), ("small", after, vec![])] {
        let reference = image(tag);
        let args = [&["scan", reference.as_str(), "-f", "json"], more.as_slice()].concat();
        let mut command = user.command(&args);
        command.env("STRATA_SOURCE_COMMIT", commit);
        let output = servers::output(&mut command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = if more.is_empty() { output.stdout } else { fs::read(&file).expect("written") };
        let document: Value = serde_json::from_slice(&text).expect("JSON");
        reports.push(document["images"][0]["report"].as_str().expect("an id").to_owned());
    }
    // Neither the database nor the registry is asked.
    fs::remove_file(user.database()).expect("it was there");
    drop(beside);
    let fixed = expected(FEW + 1..ALL);
    for args in [
        vec!["diff", &reports[0], &reports[1]],
        vec!["diff", &file, &reports[1]],
        vec!["diff", "--base", &before[..8], "--head", after],
    ] {
        let (run, diff) = user.json(&args);
        run.expect(0, &[]);
        assert_eq!(ids(&diff["findings"]["fixed"]), fixed, "{args:?}");
        assert_eq!(diff["notes"], json!([]), "{args:?}");
    }
    user.run(&["diff", "--base", "1234567", "--head", after]).expect(2, &["no report", "1234567"]);
    user.run(&["diff", "--base", before]).expect(2, &["--head"]);
    user.run(&["diff", &reports[0], &"0".repeat(64)]).expect(2, &["there is no report"]);
    fs::write(&file, r#"{"schema":1,"images":[],"hidden_findings":1}"#).expect("written");
    user.run(&["diff", &file, &reports[1]]).expect(2, &["full.json", "0 images"]);
}

#[test]
fn a_server_scans_and_keeps_what_is_compared() {
    let (user, beside, _) = with_images();
    let image = |tag: &str| format!("{}/app:{tag}", beside.registry.host());
    let (full, small) = (image("full"), image("small"));
    let cluster = User::without_database();
    fs::copy(user.database(), cluster.database()).expect("copied");
    let port = servers::free_port();
    let listen = format!("127.0.0.1:{port}");
    let _server = cluster.role(&["server", "--listen", &listen], Some(port));
    let (run, here) = user.json(&["diff", &full, &small]);
    run.expect(0, &[]);
    let url = format!("http://{listen}");
    // Without a database of its own: the server does it.
    let ci = User::without_database();
    let at = ["--server", url.as_str()];
    let (run, there) = ci.json(&[&["diff", full.as_str(), &small, "--fail-on-new", "LOW"], &at[..]].concat());
    run.expect(0, &[]);
    for part in ["findings", "packages", "sizes", "layers"] {
        assert_eq!(there[part], here[part], "{part}");
    }
    assert_eq!(ids(&there["findings"]["fixed"]), expected(FEW + 1..ALL));
    // Reports of the server, by their ids.
    let (_, listed) = ci.json(&[&["report", "search", "--reference", "app:"], &at[..]].concat());
    let id = |tag: &str| {
        let all = listed.as_array().expect("a list").iter();
        let one = all.clone().find(|one| one["references"].to_string().contains(tag)).expect("it is there");
        one["report"].as_str().expect("an id").to_owned()
    };
    let (one, other) = (id("app:full"), id("app:small"));
    drop(beside);
    let (run, again) = ci.json(&[&["diff", one.as_str(), &other], &at[..]].concat());
    run.expect(0, &[]);
    assert_eq!(again["findings"], here["findings"]);
    ci.run(&[&["diff", &"0".repeat(64), other.as_str()], &at[..]].concat()).expect(2, &["no report"]);
}
