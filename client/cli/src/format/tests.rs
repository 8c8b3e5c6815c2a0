//! Each format on the same small results, byte for byte, and on names that were made to break it. `STRATA_BLESS=1` writes
//! the golden files anew.

use std::{fs, path::Path};

use serde_json::Value;
use strata_proto::v1::{
    Distribution, Event, Finding, FixState, ImageFailed, ImageReported, Layer, Ledger, Package, Platform,
    Problem, Property, Report, ScanFinished, ScanState, Severity, Summary, event::Kind,
};

use super::{TABLE, by_name};
use crate::{age::Moment, results::Results};

mod bill;
mod platforms;
pub(crate) mod schema;

#[test]
fn gitlab_learns_the_image_of_the_default_branch_where_that_is_clear() {
    let locations = |name: &str, results: &mut Results| {
        results.default_branch_image = Some(name.to_owned());
        let document = json("gitlab", results);
        let list = document["vulnerabilities"].as_array().expect("a list").clone();
        list.into_iter().map(|one| one["location"]["default_branch_image"].clone()).collect::<Vec<_>>()
    };
    let name = "registry.example:5000/acme/app:main";
    let told = locations(name, &mut one());
    assert!(!told.is_empty() && told.iter().all(|found| found == name), "{told:?}");
    for name in ["registry.example:5000/acme/app", "a b", "", "registry.example/app@sha256:00"] {
        assert!(locations(name, &mut one()).iter().all(Value::is_null), "{name}");
    }
    let mut two = results(&[("r.example/a:1", report()), ("r.example/b:1", Report::default())], false);
    assert!(
        locations(name, &mut two).iter().all(Value::is_null),
        "which of two images it stands for is not known"
    );
}

fn package(name: &str, version: &str, ecosystem: &str, file: &str, layer: u32) -> Package {
    Package {
        name: name.to_owned(),
        version: version.to_owned(),
        purl: format!("pkg:{ecosystem}/{name}@{version}"),
        ecosystem: ecosystem.to_owned(),
        file: file.to_owned(),
        layer,
        ..Package::default()
    }
}

fn finding(package: u32, id: &str, severity: Severity, cvss: u32, fixed: &str) -> Finding {
    let state = if fixed.is_empty() { FixState::NotFixed } else { FixState::Fixed };
    Finding {
        package,
        id: id.to_owned(),
        advisory: format!("DEBIAN-{id}"),
        severity: severity.into(),
        severity_source: "cvss-v3".to_owned(),
        cvss_tenths: cvss,
        fix_state: state.into(),
        fixed_version: fixed.to_owned(),
        risk_millionths: cvss * 1_000,
        title: format!("title of {id}"),
        ..Finding::default()
    }
}

fn layer(letter: &str) -> Layer {
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    Layer { digest: digest(letter), diff_id: digest("f"), size: 1_000, ..Layer::default() }
}

fn report() -> Report {
    let exploited = Finding {
        known_exploited: true,
        epss_millionths: 944_360,
        aliases: vec!["GHSA-35jh-r3h4-6jhm".to_owned()],
        ..finding(2, "CVE-2021-23337", Severity::High, 72, "4.17.21")
    };
    let suppressed = Finding {
        suppressed: "not_affected: vulnerable_code_not_present".to_owned(),
        ..finding(1, "CVE-2024-3094", Severity::Critical, 100, "5.6.1+really5.4.5-1")
    };
    Report {
        image_digest: format!("sha256:{}", "1".repeat(64)),
        config_digest: format!("sha256:{}", "2".repeat(64)),
        platform: Some(Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: String::new(),
        }),
        distribution: Some(Distribution {
            id: "debian".to_owned(),
            version: "12".to_owned(),
            title: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            end_of_life: "2026-06-10".to_owned(),
            ..Distribution::default()
        }),
        layers: vec![layer("a"), layer("b")],
        packages: vec![
            package("bash", "5.2.15-2+b7", "dpkg", "var/lib/dpkg/status", 0),
            package("liblzma5", "5.6.0-0.2", "dpkg", "var/lib/dpkg/status", 0),
            package("lodash", "4.17.4", "npm", "app/node_modules/lodash/package.json", 1),
        ],
        findings: vec![
            finding(0, "CVE-2022-3715", Severity::Medium, 78, ""),
            suppressed,
            exploited,
            Finding { cvss_tenths: 0, ..finding(2, "TEST-1", Severity::Unspecified, 0, "") },
        ],
        problems: vec![Problem {
            code: "malformed".to_owned(),
            message: "a package has no version".to_owned(),
            file: "opt/x/package.json".to_owned(),
            layer: format!("sha256:{}", "b".repeat(64)),
        }],
        fingerprint: "sha256:fe".to_owned(),
        database_digest: "sha256:db".to_owned(),
        database_modified: "2026-11-20T00:00:00Z".to_owned(),
        labels: vec![Property { key: "org.opencontainers.image.title".to_owned(), value: "app".to_owned() }],
        ..Report::default()
    }
}

/// Results of a finished scan of these reports, at a moment that is always the same.
fn results(reports: &[(&str, Report)], failed: bool) -> Results {
    let now = Moment::at("2026-11-22T12:00:00Z");
    let mut results = Results::new(None);
    results.now = now;
    let mut take = |kind| results.take(Event { kind: Some(kind), ..Event::default() });
    for (at, (reference, report)) in reports.iter().enumerate() {
        take(Kind::Reported(ImageReported {
            references: vec![(*reference).to_owned()],
            report_id: format!("report-{at}"),
            report: Some(report.clone()),
            ..ImageReported::default()
        }));
    }
    if failed {
        take(Kind::Failed(ImageFailed {
            references: vec!["registry.example/acme/gone:1".to_owned()],
            code: "not-found".to_owned(),
            message: "failed to read registry.example/acme/gone:1: there is no such manifest".to_owned(),
            ..ImageFailed::default()
        }));
    }
    let ledger = Ledger { enumerated: 2, reported: 1, ..Ledger::default() };
    let summary = Summary { ledger: Some(ledger), images: 1, packages: 3, ..Summary::default() };
    let state = if failed { ScanState::CompletedWithFailures } else { ScanState::Completed };
    take(Kind::Finished(ScanFinished { state: state.into(), summary: Some(summary) }));
    results.ended = Some(now);
    results
}

fn one() -> Results {
    results(&[("registry.example/acme/app:1.2", report())], true)
}

fn write(format: &str, results: &Results) -> String {
    let mut bytes = Vec::new();
    (by_name(format).expect("a format").write)(results, &mut bytes).expect("memory");
    String::from_utf8(bytes).expect("text")
}

fn json(format: &str, results: &Results) -> Value {
    serde_json::from_str(&write(format, results)).expect("JSON")
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

#[test]
fn every_format_writes_what_it_wrote_before() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/format");
    for format in TABLE {
        let file = place.join(format!("one.{}", format.name));
        let text = write(format.name, &one());
        assert_eq!(text, write(format.name, &one()), "{}: the same results, the same bytes", format.name);
        if std::env::var_os("STRATA_BLESS").is_some() {
            fs::write(&file, &text).expect("testdata");
        }
        let golden = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(text, golden, "{}: look at the difference, then STRATA_BLESS=1", file.display());
    }
}

/// What every program that reads the formats counts on: the numbers agree.
#[test]
fn the_formats_tell_of_the_same_findings() {
    let results = one();
    let vulnerabilities = |value: &Value| {
        list(value, "/Results")
            .iter()
            .filter_map(|group| group["Vulnerabilities"].as_array())
            .map(Vec::len)
            .sum()
    };
    let trivy: usize = vulnerabilities(&json("trivy", &results));
    assert_eq!(trivy, 3);
    assert!(write("table", &results).contains(": 3 packages, 3 findings"));
    assert_eq!(list(&json("gitlab", &results), "/vulnerabilities").len(), 3);
    let sarif = json("sarif", &results);
    let (hidden, shown): (Vec<_>, Vec<_>) =
        list(&sarif, "/runs/0/results").iter().partition(|result| result.get("suppressions").is_some());
    assert_eq!((hidden.len(), shown.len()), (1, 3));
    assert_eq!(list(&json("cyclonedx", &results), "/vulnerabilities").len(), 4);
    assert_eq!(list(&json("openvex", &results), "/statements").len(), 4);
    assert_eq!(write("csv", &results).lines().filter(|line| line.starts_with("finding,")).count(), 4);
    assert!(write("junit", &results).contains(r#"tests="6" failures="3" errors="2" skipped="1""#));
    for format in ["cyclonedx", "spdx"] {
        let text = write(format, &results);
        for purl in ["pkg:dpkg/bash@", "pkg:dpkg/liblzma5@", "pkg:npm/lodash@"] {
            assert!(text.contains(purl), "{format} has no {purl}");
        }
    }
}

/// An image that failed never vanishes from a format that can say so.
#[test]
fn what_failed_is_told() {
    let lost = ["openvex"];
    for format in TABLE.iter().filter(|format| !lost.contains(&format.name)) {
        let text = write(format.name, &one());
        let plain = text.replace("&#58;", ":").replace("&#47;", "/");
        assert!(plain.contains("registry.example/acme/gone:1"), "{} hides a failure", format.name);
    }
    assert_eq!(json("gitlab", &one()).pointer("/scan/status"), Some(&Value::from("failure")));
    let invocation = json("sarif", &one());
    assert_eq!(invocation.pointer("/runs/0/invocations/0/executionSuccessful"), Some(&Value::from(false)));
}

#[test]
fn builds_that_differ_by_tag_alone_give_the_same_alerts() {
    let other = Report { image_digest: format!("sha256:{}", "9".repeat(64)), ..report() };
    let first = results(&[("registry.example/acme/app:1.2", report())], false);
    let second = results(&[("registry.example/acme/app:abc123", other)], false);
    let alerts = |results: &Results| -> Vec<String> {
        let shown = |result: &Value| {
            let uri = result.pointer("/locations/0/physicalLocation/artifactLocation/uri");
            format!("{} {uri:?} {}", result["ruleId"], result["partialFingerprints"])
        };
        list(&json("sarif", results), "/runs/0/results").iter().map(shown).collect()
    };
    assert_eq!(alerts(&first), alerts(&second));
    let ids = |results: &Results| -> Vec<Value> {
        list(&json("gitlab", results), "/vulnerabilities").iter().map(|found| found["id"].clone()).collect()
    };
    assert_eq!(ids(&first), ids(&second));
    // Both at once: still no identifier twice.
    let both = results(&[("a.example/app:1", report()), ("a.example/app:2", report())], false);
    let mut both = ids(&both).iter().map(ToString::to_string).collect::<Vec<_>>();
    let count = both.len();
    both.sort();
    both.dedup();
    assert_eq!((both.len(), count), (6, 6));
}

#[test]
fn sarif_keeps_to_the_limits_of_code_scanning() {
    let mut many = report();
    many.findings = (0..30_000)
        .map(|at| {
            let severity = if at % 3 == 0 { Severity::Low } else { Severity::High };
            finding(at % 3, &format!("CVE-2020-{at}"), severity, 50, "")
        })
        .collect();
    let text = write("sarif", &results(&[("a.example/app:1", many)], false));
    let sarif: Value = serde_json::from_str(&text).expect("JSON");
    let found = list(&sarif, "/runs/0/results");
    assert_eq!(found.len(), 25_000);
    let low = found.iter().filter(|result| result["level"] == "note").count();
    assert_eq!(low, 5_000, "only the least are left out");
    let notes = list(&sarif, "/runs/0/invocations/0/toolExecutionNotifications");
    assert!(notes.iter().any(|note| note["descriptor"]["id"] == "results-cut"), "{notes:?}");
    for rule in list(&sarif, "/runs/0/tool/driver/rules") {
        assert!(list(rule, "/properties/tags").len() <= 10);
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, text.as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory").len();
    assert!(packed < 10_000_000, "{packed} bytes");
}

/// The export says what Strata's own reader of VEX takes back.
#[test]
fn openvex_comes_back() {
    let statements =
        strata_analysis::vex::parse(write("openvex", &one()).as_bytes()).expect("a VEX document");
    let not_affected: Vec<_> = statements
        .iter()
        .filter(|statement| statement.status == strata_analysis::vex::Status::NotAffected)
        .map(|statement| (statement.ids.first().cloned(), statement.products.len()))
        .collect();
    assert_eq!(not_affected, [(Some("CVE-2024-3094".to_owned()), 1)]);
    assert_eq!(statements.len(), 4);
}

/// Names as somebody who wants to break a reader makes them.
fn hostile() -> Results {
    let mut report = report();
    let names = [
        "<script>alert(1)</script>",
        "a\"b'c&d]]>-->",
        "line\nbreak\r\n\t\u{0}\u{1b}[31m\u{7f}",
        "🦀\u{202e}gnp\u{feff}\u{ffff}",
        "=cmd|' /C calc'!A0",
        "@everyone |`x` [a](javascript:1) ![](x) #1 $(x)",
        "",
    ];
    report.packages = names.iter().map(|name| package(name, name, "npm", name, 0)).collect();
    report.findings = (0_u32..)
        .zip(names)
        .map(|(at, name)| Finding {
            title: name.to_owned(),
            suppressed: if at == 0 { name.to_owned() } else { String::new() },
            aliases: vec![name.to_owned()],
            ..finding(at, &format!("CVE-{name}"), Severity::High, 70, name)
        })
        .collect();
    report.problems = names
        .iter()
        .map(|name| Problem {
            code: (*name).to_owned(),
            message: (*name).to_owned(),
            file: (*name).to_owned(),
            layer: (*name).to_owned(),
        })
        .collect();
    report.findings.push(finding(4_000_000_000, "CVE-2020-1", Severity::Low, 10, ""));
    results(&[("a.example/<b>:\n1", report)], true)
}

#[test]
fn hostile_names_stay_names() {
    let results = hostile();
    for format in TABLE {
        let text = write(format.name, &results);
        // JSON escapes those below the space and may hold the others.
        let control = |c: char| match text.starts_with('{') {
            true => c < ' ' && c != '\n',
            false => c.is_control() && c != '\n' && !(format.name == "csv" && c == '\r'),
        };
        assert!(!text.contains(control), "{} lets control characters through", format.name);
        match format.name {
            "html" | "junit" | "markdown" => {
                assert!(!text.contains("<script>alert"), "{}", format.name);
                assert!(!text.contains("\u{202e}"), "{}", format.name);
                assert!(!text.contains("\u{ffff}"), "{}", format.name);
            }
            "table" | "csv" => {}
            _ => assert!(serde_json::from_str::<Value>(&text).is_ok(), "{}", format.name),
        }
    }
    let markdown = write("markdown", &results);
    assert!(!markdown.contains(['@', '`', '\u{1b}']), "{markdown}");
    let csv = write("csv", &results);
    assert_eq!(csv.matches("\r\n").count(), csv.matches('\n').count(), "a line is a row");
    let formula =
        |line: &str| line.split(',').any(|cell| cell.trim_matches('"').starts_with(['=', '+', '@']));
    assert!(!csv.lines().any(formula), "{csv}");
    assert!(csv.contains(r#""'=cmd|' /C calc'!A0""#), "{csv}");
}

#[test]
fn a_page_needs_nothing_from_anywhere() {
    let page = write("html", &one());
    for fetched in ["http://", "https://", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(!page.contains(" style=") && !page.contains(" onclick="), "the policy would refuse it");
}

/// A scan of nothing and an image without a finding are documents as well.
#[test]
fn nothing_is_a_document_too() {
    let clean = Report { packages: Vec::new(), findings: Vec::new(), problems: Vec::new(), ..report() };
    for results in [results(&[], false), results(&[("a.example/scratch:1", clean)], false)] {
        for format in TABLE {
            let text = write(format.name, &results);
            if text.starts_with('{') {
                serde_json::from_str::<Value>(&text).expect("JSON");
            }
        }
        assert_eq!(list(&json("gitlab", &results), "/vulnerabilities").len(), 0);
    }
}
