//! Two small images, and what a comparison says of them.

use serde_json::{Value, json};
use strata_proto::v1::{Finding, Layer, Package, Problem, Report, Severity};

use super::{Diff, Form, Image, write};
use crate::format::tests::schema;

/// Packages as `ecosystem name version path`, findings as `package-index id SEVERITY aliases…`, layers as letters with
/// their sizes.
fn image(layers: &[(char, u64)], packages: &[&str], findings: &[&str]) -> Image {
    let package = |text: &&str| {
        let mut words = text.split(' ').map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        Package { ecosystem: next(), name: next(), version: next(), file: next(), ..Package::default() }
    };
    let finding = |text: &&str| {
        let mut words = text.split(' ');
        let mut next = || words.next().expect("a word");
        let (package, id) = (next().parse().expect("an index"), next().to_owned());
        let severity = Severity::parse(next()).expect("a severity").into();
        let aliases = words.map(str::to_owned).collect();
        Finding { package, id, severity, aliases, ..Finding::default() }
    };
    let layer = |(name, size): &(char, u64)| Layer {
        digest: format!("sha256:{name}"),
        diff_id: name.to_string(),
        size: *size,
        uncompressed_size: size * 3,
        ..Layer::default()
    };
    let report = Report {
        layers: layers.iter().map(layer).collect(),
        packages: packages.iter().map(package).collect(),
        findings: findings.iter().map(finding).collect(),
        ..Report::default()
    };
    Image { name: "r.example/app:1".to_owned(), report_id: String::new(), report }
}

fn pair() -> (Image, Image) {
    let before = image(
        &[('a', 100), ('b', 20)],
        &[
            "dpkg openssl 1.1.1k-1 var/lib/dpkg/status",
            "dpkg bash 5.2-1 var/lib/dpkg/status",
            "npm lodash 4.17.4 app/node_modules/lodash/package.json",
            "npm lodash 3.0.0 old/node_modules/lodash/package.json",
            "dpkg gone 1 var/lib/dpkg/status",
            "dpkg back 2.0 var/lib/dpkg/status",
            "nonsense odd 1 x",
        ],
        &["0 CVE-1 HIGH", "0 CVE-2 LOW", "2 GHSA-a CRITICAL", "3 GHSA-a CRITICAL", "4 CVE-9 MEDIUM"],
    );
    let after = image(
        &[('a', 100), ('c', 5)],
        &[
            "dpkg openssl 1.1.1n-1 var/lib/dpkg/status.d/openssl",
            "dpkg bash 5.2-1 var/lib/dpkg/status.d/bash",
            "npm lodash 4.17.4 srv/node_modules/lodash/package.json",
            "dpkg new 1 var/lib/dpkg/status.d/new",
            "dpkg back 1.9~rc1 var/lib/dpkg/status.d/back",
            "nonsense odd 2 x",
        ],
        &["0 CVE-2 LOW", "0 CVE-3 HIGH", "2 CVE-8 CRITICAL GHSA-a"],
    );
    (before, after)
}

fn shown(diff: &Diff, form: Form) -> String {
    let mut out = Vec::new();
    write(diff, form, &mut out).expect("it is written");
    String::from_utf8(out).expect("text")
}

fn json(diff: &Diff) -> Value {
    serde_json::from_str(&shown(diff, Form::Json)).expect("JSON")
}

#[test]
fn every_change_has_its_place() {
    let (before, after) = pair();
    let diff = Diff::new(&before, &after);
    let document = json(&diff);
    assert_eq!(
        document["sizes"],
        json!({"compressed": {"before": 120, "after": 105}, "uncompressed": {"before": 360, "after": 315}})
    );
    let layers = |list: &str| {
        let list = document["layers"][list].as_array().expect("layers");
        list.iter().map(|layer| layer["diff_id"].as_str().expect("a digest").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (layers("shared"), layers("removed"), layers("added")),
        (vec!["a".into()], vec!["b".into()], vec!["c".into()])
    );
    let packages = |list: &str| {
        let list = document["packages"][list].as_array().expect("packages").iter();
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
        list.map(|one| {
            format!(
                "{} {}{}>{}",
                text(one, "name"),
                text(one, "version"),
                text(one, "before"),
                text(one, "after")
            )
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(packages("added"), ["new 1>"]);
    assert_eq!(packages("removed"), ["gone 1>", "lodash 3.0.0>"], "a version of several is one that went");
    assert_eq!(packages("upgraded"), ["openssl 1.1.1k-1>1.1.1n-1"]);
    assert_eq!(packages("downgraded"), ["back 2.0>1.9~rc1"]);
    assert_eq!(packages("changed"), ["odd 1>2"], "no order, no claim");
    let findings = |list: &str| {
        let list = document["findings"][list].as_array().expect("findings").iter();
        list.map(|one| one["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(findings("introduced"), ["CVE-3"]);
    assert_eq!(findings("fixed"), ["CVE-1", "CVE-9"], "the worst first");
    assert_eq!(
        findings("unchanged"),
        ["CVE-8", "CVE-2"],
        "another path, another version, another name of the flaw"
    );
    assert_eq!(document["findings"]["summary"]["fixed"]["HIGH"], 1);
    assert!(diff.introduces(Severity::High) && diff.introduces(Severity::Unspecified));
    assert!(!diff.introduces(Severity::Critical));
}

#[test]
fn an_image_does_not_differ_from_itself() {
    let (before, _) = pair();
    let diff = Diff::new(&before, &before);
    assert!(diff.packages.is_empty() && diff.notes.is_empty());
    assert!(diff.findings.introduced.is_empty() && diff.findings.fixed.is_empty());
    assert!(diff.layers.removed.is_empty() && diff.layers.added.is_empty());
    assert!(!diff.introduces(Severity::Unspecified));
}

#[test]
fn what_is_not_known_is_said() {
    let (before, mut after) = pair();
    after.report.problems.push(Problem { code: "unknown-distribution".to_owned(), ..Problem::default() });
    after.report.database_digest = "sha256:other".to_owned();
    after.report.layers[1].size = 0;
    let diff = Diff::new(&before, &after);
    assert!(diff.notes.iter().any(|note| note.contains("unknown-distribution")), "{:?}", diff.notes);
    assert!(diff.notes.iter().any(|note| note.contains("databases")), "{:?}", diff.notes);
    assert_eq!(json(&diff)["sizes"]["compressed"], json!({"before": 120, "after": null}));
    assert!(shown(&diff, Form::Table).contains("unknown-distribution"));
    assert!(shown(&diff, Form::Markdown).contains("Note"));
}

#[test]
fn the_document_keeps_to_its_schema() {
    let schema_text = include_str!("../../schema/diff-1.schema.json");
    let schema: Value = serde_json::from_str(schema_text).expect("the schema is JSON");
    let (before, after) = pair();
    for diff in [Diff::new(&before, &after), Diff::new(&Image::default(), &after)] {
        assert_eq!(schema::against(&schema, &json(&diff)), Vec::<String>::new());
    }
    let mut bad = json(&Diff::new(&before, &after));
    bad["findings"]["introduced"][0]["severity"] = json!("BAD");
    bad["surprise"] = json!(1);
    assert_eq!(schema::against(&schema, &bad).len(), 2);
}

#[test]
fn hostile_names_stay_in_their_cells() {
    let name = "a|b<script>\n[x](http://y)\u{202e}";
    let mut after = image(&[], &[], &[]);
    after.report.packages.push(Package {
        name: name.to_owned(),
        version: name.to_owned(),
        ..Package::default()
    });
    after.report.findings.push(Finding { id: name.to_owned(), ..Finding::default() });
    let diff = Diff::new(&Image::default(), &after);
    let page = shown(&diff, Form::Markdown);
    assert!(!page.contains("a|b") && !page.contains("<script>") && !page.contains("[x]"), "{page}");
    let table = shown(&diff, Form::Table);
    assert!(!table.contains('\u{202e}') && !table.contains("<script>\n"), "{table}");
}
