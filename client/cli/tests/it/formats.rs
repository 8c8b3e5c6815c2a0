//! One scan, many outputs: each in its file, written whole, and what cannot be written is refused before any work.

use std::{fs, path::Path};

use serde_json::Value;
use strata_loadtest::registry::Options;

use crate::{
    black_box::{serve, vulnerable},
    strata::User,
};

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON")
}

#[test]
fn one_scan_writes_every_format_that_was_asked_for() {
    let beside = serve(vulnerable(), Options::default());
    let (user, reference) = (User::new(), format!("{}/app:1", beside.registry.host()));
    let place = |format: &strata_cli::format::Format| user.home.path().join(format!("out.{}", format.name));
    let mut arguments = vec!["scan".to_owned(), reference.clone()];
    for format in strata_cli::format::TABLE {
        arguments.extend(["-o".to_owned(), format!("{}={}", format.name, place(format).display())]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    user.run(&arguments).expect(0, &["lodash", "4.17.4"]);
    let downloads = beside.registry.blob_downloads();
    assert!(!downloads.is_empty() && downloads.values().all(|times| *times == 1), "one scan: {downloads:?}");

    let at = |name: &str| user.home.path().join(format!("out.{name}"));
    let findings = read(&at("json"))["images"][0]["findings"].as_array().expect("findings").len();
    assert!(findings > 0);
    let groups = read(&at("trivy"))["Results"].as_array().expect("targets").clone();
    let trivy: usize =
        groups.iter().filter_map(|group| group["Vulnerabilities"].as_array()).map(Vec::len).sum();
    let sarif = read(&at("sarif"))["runs"][0]["results"].as_array().expect("results").len();
    let gitlab = read(&at("gitlab"))["vulnerabilities"].as_array().expect("vulnerabilities").len();
    assert_eq!((trivy, sarif, gitlab), (findings, findings, findings));
    for format in strata_cli::format::TABLE {
        let text = fs::read_to_string(place(format)).expect(format.name);
        assert!(text.contains("lodash"), "{}: {text}", format.name);
    }
    let page = fs::read_to_string(at("html")).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));

    // Again, with what is kept: the same findings, no layer.
    beside.registry.reset_counts();
    let (_, again) = user.json(&["scan", &reference]);
    assert_eq!(again["images"][0]["findings"].as_array().map(Vec::len), Some(findings));
    assert_eq!(again["summary"]["layers_analysed"], 0, "{again}");
    assert_eq!(again["summary"]["bytes_read"], 0, "{again}");
}

#[test]
fn what_cannot_be_written_is_refused_before_the_scan() {
    let beside = serve(vulnerable(), Options::default());
    let (user, reference) = (User::new(), format!("{}/app:1", beside.registry.host()));
    let missing = user.home.path().join("missing/report.json").display().to_string();
    let directory = user.home.path().display().to_string();
    for (arguments, says) in [
        (["-o", "pdf=report.pdf"], "`pdf` is not an output format"),
        (["-f", "pdf"], "formats: table, json, trivy, sarif"),
        (["-o", missing.as_str()], "missing/report.json"),
        (["-o", directory.as_str()], "directory"),
    ] {
        user.run(&[&["scan", &reference][..], &arguments].concat()).expect(2, &[says]);
    }
    assert!(beside.registry.blob_downloads().is_empty(), "nothing was read");
}

#[test]
fn the_help_names_every_format() {
    let run = User::without_database().run(&["scan", "--help"]);
    for format in strata_cli::format::TABLE {
        run.expect(0, &[format.name, format.about]);
    }
}
