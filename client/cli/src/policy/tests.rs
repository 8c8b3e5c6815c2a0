//! Cases as files, in the format that users write tests in; errors by their place; and that stricter is never laxer.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use strata_proto::v1::{Finding, FixState, Layer, Package, Report, Severity};

use super::{Facts, Stage, Status, accepted, file, in_scope};
use crate::{age::Moment, document, gate};

fn directory(name: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/policy").join(name);
    let entries =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "yaml")).collect();
    files.sort();
    files
}

#[test]
fn every_case_says_what_its_file_expects() {
    let mut count = 0;
    for path in directory("cases") {
        let file = gate::read_policies(&path).expect("a policy");
        for trial in &file.trials {
            let text = std::fs::read_to_string(gate::beside(&path, &trial.report)).expect("a fixture");
            let (report, references) = document::read(&text).expect("a fixture");
            let wrong = trial.run(&file, report, references);
            assert!(wrong.is_empty(), "{}: {}: {wrong:?}", path.display(), trial.name);
            count += 1;
        }
    }
    assert!(count >= 14, "only {count} cases");
}

#[test]
fn errors_name_line_and_column() {
    let files = directory("bad");
    assert!(files.len() >= 14, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a file");
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("an expectation");
        let error = file::parse(&text).err().unwrap_or_else(|| panic!("{} is accepted", path.display()));
        assert!(error.to_string().starts_with(expected), "{}: {error}", path.display());
    }
}

/// Types as reports and package URLs name them, and the two groups.
#[test]
fn a_type_is_known_by_each_of_its_names() {
    let package = |ecosystem: &str, purl: &str| Package {
        ecosystem: ecosystem.to_owned(),
        purl: purl.to_owned(),
        ..Package::default()
    };
    let report = Report {
        packages: vec![package("dpkg", "pkg:deb/debian/bash@1"), package("python", "pkg:pypi/flask@1")],
        findings: (0..2)
            .map(|package| Finding { package, id: "CVE-1".to_owned(), ..Finding::default() })
            .collect(),
        ..Report::default()
    };
    let now = Moment::parse("2026-11-22").expect("a day");
    for (names, expected) in [
        ("dpkg", 1),
        ("deb", 1),
        ("os", 1),
        ("pypi", 1),
        ("python", 1),
        ("library", 1),
        ("os, library", 2),
        ("npm", 0),
        ("", 2),
    ] {
        let text = format!(
            "apiVersion: strata/v1\npolicies:\n- name: p\n  rules:\n  - id: v\n    vuln: {{ package_types: [{names}], kev: any, epss_at_least: null }}\n"
        );
        let file = file::parse(&text).unwrap_or_else(|error| panic!("{names}: {error}"));
        let verdict =
            file.policies[0].judge(&Facts { report: &report, references: &[], now, stage: Stage::Pipeline });
        assert_eq!(verdict.rules[0].failures.len(), expected, "{names}");
    }
}

/// An archive is in the repository that it names, or is meant by its file; one that names none is in none.
#[test]
fn scopes_know_archives_and_stages() {
    for (pattern, reference, expected) in [
        ("acme/*", "r.example/acme/app:1", true),
        ("acme/*", "docker-archive:/build/acme/app.tar:r.example/acme/app:1", true),
        ("r.example/acme/*", "docker-archive:/build/app.tar:r.example/acme/app:1", true),
        ("acme/**", "docker-archive:/acme/app.tar", false),
        ("docker-archive:/build/*.tar", "docker-archive:/build/app.tar", true),
        ("docker-archive:/build/*.tar", "docker-archive:/build/app.tar@0", true),
        ("docker-archive:/build/*.tar", "docker-archive:/build/x/app.tar", false),
        ("oci:/build/**", "oci:/build/layout:v1", true),
        ("acme/*", "docker-daemon:acme/app:1", true),
        ("library/*", "docker-archive:app.tar", false),
        ("**", "docker-archive:/build/app.tar", true),
    ] {
        let patterns = [pattern.to_owned()];
        let found = in_scope(&patterns, &[reference.to_owned()], true);
        assert_eq!(found, expected, "{pattern} {reference}");
    }
    let text = "apiVersion: strata/v1\npolicies:\n- name: p\n  scope: { stages: [pipeline, registry] }\n  rules:\n  - id: v\n    vuln: { kev: any }\n";
    let file = file::parse(text).expect("a policy");
    let (report, now) = (Report::default(), Moment::parse("2026-11-22").expect("a day"));
    for (stage, applies) in [(Stage::Pipeline, true), (Stage::Registry, true), (Stage::Runtime, false)] {
        let verdict = file.policies[0].judge(&Facts { report: &report, references: &[], now, stage });
        assert_eq!(verdict.applies, applies, "{stage:?}");
    }
}

/// The policy that needs no file is sound, and judges what it says.
#[test]
fn the_built_in_policy_is_one() {
    let args =
        crate::args::GateArgs { policy: vec!["default".to_owned()], ..crate::args::GateArgs::default() };
    assert!(gate::Gate::new(&args).is_ok());
    let file = file::parse(include_str!("default.yaml")).expect("a policy");
    let now = Moment::parse("2026-11-22").expect("a day");
    let judge = |finding: Finding| {
        let report =
            Report { packages: vec![Package::default()], findings: vec![finding], ..Report::default() };
        file.policies[0]
            .judge(&Facts { report: &report, references: &[], now, stage: Stage::Pipeline })
            .status
    };
    let high = Finding { severity: Severity::High.into(), ..Finding::default() };
    assert_eq!(judge(high.clone()), Status::Pass);
    assert_eq!(judge(Finding { fix_state: FixState::Fixed.into(), ..high }), Status::Fail);
    assert_eq!(judge(Finding { known_exploited: true, ..Finding::default() }), Status::Fail);
}

#[test]
fn a_test_that_is_wrong_fails() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/policy/cases/severity.yaml");
    let text =
        std::fs::read_to_string(&path).expect("a file").replace("improbable: pass", "improbable: fail");
    let file = file::parse(&text).expect("a policy");
    let fixture = std::fs::read_to_string(gate::beside(&path, "vulnerable.json")).expect("a fixture");
    let (report, references) = document::read(&fixture).expect("a fixture");
    let wrong = file.trials.first().expect("a test").run(&file, report, references);
    assert_eq!(wrong, ["rule improbable: pass, expected fail (nothing is wrong)"]);
}

#[test]
fn accepted_findings_stay_and_are_counted_apart() {
    let text = "apiVersion: strata/v1\naccepted_risks:\n\
        - { vuln: CVE-1, reason: Custom, expires: 2026-12-31, by: a }\n\
        - { vuln: CVE-2, reason: Custom, expires: 2026-11-21, by: a }\n";
    let risks = file::parse(text).expect("a file").accepted;
    let finding = |id: &str| Finding { id: id.to_owned(), ..Finding::default() };
    let mut report = Report {
        packages: vec![Package::default()],
        findings: vec![finding("CVE-1"), finding("CVE-2"), finding("CVE-3")],
        ..Report::default()
    };
    let now = Moment::parse("2026-11-22").expect("a day");
    let tally = accepted::apply(&risks, &mut report, &[], now);
    assert_eq!((tally.accepted, tally.expired.len(), report.findings.len()), (1, 1, 3));
    assert!(report.findings.first().is_some_and(|finding| accepted::is_mark(&finding.suppressed)));
    assert!(report.findings.iter().skip(1).all(|finding| finding.suppressed.is_empty()));
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let dates = prop::sample::select(vec!["", "2026-01-01T00:00:00Z", "2026-11-01T00:00:00Z"]);
    (0..3_u32, 0..6_i32, any::<bool>(), any::<bool>(), 0..4_u32, dates).prop_map(
        |(package, severity, fixed, known_exploited, epss, date)| Finding {
            package,
            id: "CVE-1".to_owned(),
            severity: Severity::try_from(severity).unwrap_or_default().into(),
            fix_state: if fixed { FixState::Fixed } else { FixState::NotFixed }.into(),
            known_exploited,
            epss_millionths: epss * 300_000,
            advisory_modified: date.to_owned(),
            ..Finding::default()
        },
    )
}

fn any_report() -> impl Strategy<Value = Report> {
    (prop::collection::vec(any_finding(), 0..6), any::<bool>()).prop_map(|(findings, base)| Report {
        layers: vec![Layer { base, ..Layer::default() }, Layer::default()],
        packages: (0..3)
            .map(|layer: u32| Package {
                layer: layer.min(1),
                ecosystem: if layer == 0 { "dpkg" } else { "npm" }.to_owned(),
                ..Package::default()
            })
            .collect(),
        findings,
        ..Report::default()
    })
}

/// Parts of a rule, each from the strictest to the laxest.
const PARTS: [&[&str]; 7] = [
    &["", "severity_at_least: low", "severity_at_least: high", "severity_at_least: critical"],
    &["", "epss_at_least: 0.2", "epss_at_least: 0.7"],
    &["fix_age_days: 0", "fix_age_days: 30", "fix_age_days: 400"],
    &["", "kev: true"],
    &["", "package_types: [npm, dpkg]", "package_types: [npm]"],
    &["", "in_base: true"],
    &["unknown: count", "unknown: pass"],
];

fn status(parts: &[usize], most: u64, report: &Report) -> Status {
    let chosen = PARTS.iter().zip(parts).filter_map(|(part, index)| part.get(*index % part.len()));
    let filled: Vec<&str> = chosen.copied().filter(|part| !part.is_empty()).collect();
    let text = format!(
        "apiVersion: strata/v1\npolicies:\n- name: p\n  rules:\n  - id: v\n    vuln: {{ {} }}\n  - id: c\n    count: {{ high: {most} }}\n",
        filled.join(", ")
    );
    let file = file::parse(&text).expect("a policy");
    let now = Moment::parse("2026-11-22").expect("a day");
    let policy = file.policies.first().expect("a policy");
    policy.judge(&Facts { report, references: &[], now, stage: Stage::Pipeline }).status
}

proptest! {
    #[test]
    fn a_stricter_policy_never_passes_what_a_laxer_one_fails(
        report in any_report(),
        strict in prop::collection::vec(0..4_usize, 7),
        more in prop::collection::vec(0..3_usize, 7),
        most in 0..3_u64,
        room in 0..3_u64,
    ) {
        let strict: Vec<usize> = strict.iter().zip(PARTS).map(|(index, part)| index % part.len()).collect();
        let lax: Vec<usize> =
            strict.iter().zip(&more).zip(PARTS).map(|((index, more), part)| (index + more).min(part.len() - 1)).collect();
        prop_assert!(status(&strict, most, &report) >= status(&lax, most + room, &report));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ \\n:{}\\[\\],&*!a-z'\"-]{0,80}") {
        let _ = file::parse(&text);
        let _ = file::parse(&format!("apiVersion: strata/v1\npolicies:\n{text}"));
    }
}

/// One rule may fail by one of its parts and only warn by another: each says so for itself, what fails first.
#[test]
fn parts_of_a_rule_have_their_own_actions() {
    let text = "apiVersion: strata/v1\npolicies:\n- name: p\n  rules:\n  - id: i\n    image: { user_not_root: warn, required_labels: [a] }\n";
    let file = file::parse(text).expect("a policy");
    let report = Report { run: Some(strata_proto::v1::RunSettings::default()), ..Report::default() };
    let now = Moment::parse("2026-11-22").expect("a day");
    let facts = Facts { report: &report, references: &[], now, stage: Stage::Pipeline };
    let verdict = file.policies[0].judge(&facts);
    let said: Vec<_> =
        verdict.rules[0].failures.iter().map(|hit| (hit.action, hit.message.as_str())).collect();
    assert_eq!(
        said,
        [
            (Some(Status::Fail), "the label a is missing"),
            (Some(Status::Warn), "the image runs as root: it names no user")
        ]
    );
    assert_eq!((verdict.status, verdict.rules[0].status), (Status::Fail, Status::Fail));
}
