//! What the bills of materials say, read back by Strata's own reader: nothing on which findings rest is lost.

use strata_analysis::{bill, limits::Limits, squash::squash};

use super::*;

/// `row name version source source-version file`, sorted.
fn packages(format: &str, report: &Report) -> Vec<String> {
    let text = write(format, &results(&[("registry.example/acme/app:1", report.clone())], false));
    let inventory = bill::index(&mut text.as_bytes(), &Limits::default()).expect("a bill of materials");
    let contents = squash(&[&inventory]);
    let codes: Vec<_> = contents.problems.iter().map(|(problem, _)| problem.code.to_string()).collect();
    assert_eq!(codes, Vec::<String>::new(), "{format}");
    assert_eq!(contents.distribution.map(|found| found.id), Some("debian".to_owned()));
    let mut all: Vec<String> = contents
        .packages
        .iter()
        .map(|found| {
            let package = &found.package;
            let source = format!("{}|{}", package.source_name, package.source_version);
            format!("{}|{}|{}|{source}|{}", found.ecosystem, package.name, package.version, found.file)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn sources_names_and_places_come_back() {
    let system = |purl: &str, name: &str, version: &str, source_name: &str, source_version: &str| Package {
        purl: purl.to_owned(),
        source_name: source_name.to_owned(),
        source_version: source_version.to_owned(),
        ..package(name, version, "dpkg", "var/lib/dpkg/status", 0)
    };
    let language = |purl: &str, name: &str, file: &str| Package {
        purl: purl.to_owned(),
        ..package(name, "1.0", "python", file, 1)
    };
    let mut report = report();
    report.findings.clear();
    report.problems.clear();
    report.packages = vec![
        system("pkg:deb/debian/bash@5.2?arch=amd64", "bash", "5.2", "", ""),
        system("pkg:deb/debian/libc6@2.36?arch=amd64", "libc6", "2.36", "glibc", ""),
        system("pkg:deb/debian/libgcc-s1@12.2-14?arch=amd64", "libgcc-s1", "12.2-14", "gcc-12", "2:12.2+x~1"),
        system("pkg:deb/debian/same@1?arch=amd64", "same", "1", "", "0.9"),
        language("pkg:pypi/flask@1.0", "Flask", "usr/lib/Flask-1.0.dist-info/METADATA"),
        language("pkg:pypi/flask@1.0", "Flask", "opt/venv/Flask-1.0.dist-info/METADATA"),
        language("pkg:npm/%40scope/a@1.0", "@scope/a", "app/node_modules/@scope/a/package.json"),
        language("pkg:maven/org.x/core@1.0", "org.x:core", "app/all.jar!/core.jar"),
    ];
    let expected = [
        "dpkg|bash|5.2|||sbom",
        "dpkg|libc6|2.36|glibc||sbom",
        "dpkg|libgcc-s1|12.2-14|gcc-12|2:12.2+x~1|sbom",
        "dpkg|same|1||0.9|sbom",
        "sbom-maven|org.x:core|1.0|||app/all.jar!/core.jar",
        "sbom-npm|@scope/a|1.0|||app/node_modules/@scope/a/package.json",
        "sbom-pypi|Flask|1.0|||opt/venv/Flask-1.0.dist-info/METADATA",
        "sbom-pypi|Flask|1.0|||usr/lib/Flask-1.0.dist-info/METADATA",
    ];
    for format in ["cyclonedx", "spdx"] {
        assert_eq!(packages(format, &report), expected, "{format}");
    }
}
