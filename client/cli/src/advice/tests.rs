//! What becomes of a prediction: the lists, the order, the documents.

use std::collections::BTreeSet;

use serde_json::Value;
use strata_proto::v1::{Finding, Layer, Package, Problem, Report, Severity};
use strata_worker::job::advise::Predicted;

use super::*;
use crate::format::tests::schema;

/// Packages as `layer name`, findings as `package-index id SEVERITY`.
fn report(layers: u64, packages: &[(u32, &str)], findings: &[(u32, &str, Severity)]) -> Report {
    let package = |(layer, name): &(u32, &str)| Package {
        name: (*name).to_owned(),
        version: "1".to_owned(),
        ecosystem: "dpkg".to_owned(),
        layer: *layer,
        ..Package::default()
    };
    let finding = |(package, id, severity): &(u32, &str, Severity)| Finding {
        package: *package,
        id: (*id).to_owned(),
        severity: (*severity).into(),
        ..Finding::default()
    };
    let layer = |number| Layer { diff_id: format!("{number}"), size: 10, ..Layer::default() };
    Report {
        layers: (0..layers).map(layer).collect(),
        packages: packages.iter().map(package).collect(),
        findings: findings.iter().map(finding).collect(),
        ..Report::default()
    }
}

fn image(name: &str, report: Report) -> Image {
    Image { name: name.to_owned(), report, ..Image::default() }
}

fn advice() -> Advice {
    let now = report(
        2,
        &[(0, "openssl"), (1, "lodash")],
        &[(0, "CVE-1", Severity::High), (1, "CVE-2", Severity::Low)],
    );
    let now = image("r.example/app:1", now);
    let predicted = |report: Report, foreign: &[&str]| Predicted {
        report,
        foreign: foreign.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>(),
    };
    let lodash = (1, "CVE-2", Severity::Low);
    let packages = [(0, "openssl"), (1, "lodash")];
    let candidate = |name: &str, prediction: Predicted| {
        Candidate::new(&now, &image(name, report(1, &[], &[])), prediction)
    };
    let mut unknown = report(2, &packages, &[]);
    unknown.problems.push(Problem { code: "unknown-distribution".to_owned(), ..Problem::default() });
    let worse = report(2, &packages, &[(0, "CVE-9", Severity::Critical), lodash]);
    let candidates = vec![
        candidate("unknown", predicted(unknown, &[])),
        candidate("foreign", predicted(report(2, &packages, &[]), &["apk"])),
        candidate("worse", predicted(worse, &[])),
        candidate("same", predicted(now.report.clone(), &[])),
        candidate("better", predicted(report(2, &packages, &[lodash]), &[])),
    ];
    Advice::new(&now, Base { layers: 1, known_by: "it is debian:1".to_owned() }, candidates)
}

fn shown(form: Form) -> String {
    let mut out = Vec::new();
    advice().write(form, &mut out).expect("it is written");
    String::from_utf8(out).expect("text")
}

#[test]
fn what_leaves_least_is_first_and_what_is_not_known_last() {
    let advice = advice();
    let names: Vec<&str> = advice.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
    assert_eq!(names, ["better", "same", "worse", "unknown", "foreign"]);
    let best = &advice.candidates[0];
    assert_eq!(best.fixed.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["CVE-1"]);
    assert_eq!(
        best.remains.iter().map(|one| (one.found.id.as_str(), one.origin)).collect::<Vec<_>>(),
        [("CVE-2", "application")]
    );
    assert!(best.introduced.is_empty() && best.notes.is_empty());
    let same = &advice.candidates[1];
    assert_eq!(same.remains.iter().map(|one| one.origin).collect::<Vec<_>>(), ["base", "application"]);
    let notes = |place: usize| advice.candidates[place].notes.join("\n");
    assert!(notes(4).contains("apk") && notes(3).contains("unknown-distribution"), "{}", notes(4));
}

#[test]
fn every_form_tells_it() {
    for (form, says) in [
        (Form::Table, ["1. better", "FIXED    HIGH       CVE-1 openssl", "NOTE"]),
        (Form::Markdown, ["<code>better</code>", "<code>CVE-1</code>", "**Note**"]),
        (Form::Json, ["\"introduced\"", "\"origin\": \"application\"", "\"known_by\""]),
    ] {
        let text = shown(form);
        for words in says {
            assert!(text.contains(words), "{words} is not in {text}");
        }
    }
}

#[test]
fn the_document_keeps_to_its_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../schema/advise-1.schema.json")).expect("JSON");
    let document: Value = serde_json::from_str(&shown(Form::Json)).expect("JSON");
    assert_eq!(schema::against(&schema, &document), Vec::<String>::new());
    let mut bad = document;
    bad["candidates"][0]["remains"][0]["origin"] = "elsewhere".into();
    assert_eq!(schema::against(&schema, &bad).len(), 1);
}
