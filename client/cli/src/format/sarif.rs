//! `sarif`: SARIF 2.1.0 (OASIS), within the limits of GitHub's code scanning: 25,000 results, 20 tags, stable rule names and
//! places. Neither tag nor commit of an image is in a result's address or fingerprint, so that an alert stays the same one
//! from build to build.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    io::{self, Write},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use strata_proto::v1::Severity;

use super::Format;
use crate::{
    results::{Image, Results},
    row::{self, Row},
    text,
};

/// The row.
pub(super) const FORMAT: Format =
    Format { name: "sarif", about: "SARIF 2.1.0, for GitHub code scanning and IDEs", streams: false, write };

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// GitHub refuses a file with more.
const MAX_RESULTS: usize = 25_000;

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let images = results.images();
    let mut found: Vec<(&Image, Row<'_>)> = images
        .iter()
        .flat_map(|image| row::rows(&image.report).into_iter().map(move |row| (image, row)))
        .collect();
    let total = found.len();
    if total > MAX_RESULTS {
        let weight = |row: &Row<'_>| {
            (row.finding.severity() as i32, row.finding.risk_millionths, row.finding.cvss_tenths)
        };
        found.sort_by_key(|(_, row)| (row.is_suppressed(), Reverse(weight(row))));
        found.truncate(MAX_RESULTS);
    }
    let rules = rules(&found);
    let index: HashMap<&str, usize> = rules.keys().enumerate().map(|(at, id)| (*id, at)).collect();
    let mut seen = HashMap::new();
    let list: Vec<Value> = found.iter().map(|(image, row)| result(image, row, &index, &mut seen)).collect();
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Strata",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.values().map(|rule| rule.shown()).collect::<Vec<_>>(),
            }},
            "automationDetails": {"id": "strata/"},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": results.failed.is_empty(),
                "toolExecutionNotifications": notifications(results, &images, total),
            }],
            "results": list,
        }],
    });
    serde_json::to_writer(&mut *out, &document)?;
    writeln!(out)
}

/// A flaw, over all of its results.
struct Rule<'a> {
    row: Row<'a>,
    worst: Severity,
    cvss: Option<f64>,
}

fn rules<'a>(found: &[(&Image, Row<'a>)]) -> BTreeMap<&'a str, Rule<'a>> {
    let mut rules: BTreeMap<&str, Rule<'_>> = BTreeMap::new();
    for (_, row) in found {
        let rule = rules.entry(row.finding.id.as_str()).or_insert_with(|| Rule {
            row: *row,
            worst: row.finding.severity(),
            cvss: row.cvss(),
        });
        if row.finding.severity() as i32 > rule.worst as i32 {
            rule.worst = row.finding.severity();
        }
        rule.cvss = rule.cvss.into_iter().chain(row.cvss()).reduce(f64::max);
    }
    rules
}

impl Rule<'_> {
    fn shown(&self) -> Value {
        let finding = self.row.finding;
        let mut tags = vec!["security".to_owned(), "vulnerability".to_owned(), self.worst.name().to_owned()];
        if finding.known_exploited {
            tags.push("known-exploited".to_owned());
        }
        let mut properties = json!({"tags": tags, "precision": "very-high"});
        if let (Some(score), Some(fields)) = (score(self.worst, self.cvss), properties.as_object_mut()) {
            fields.insert("security-severity".to_owned(), json!(format!("{score:.1}")));
        }
        let title = if finding.title.is_empty() { finding.id.clone() } else { text::plain(&finding.title) };
        let others = self.row.other_ids().join(", ");
        let also = if others.is_empty() { String::new() } else { format!(" Also known as {others}.") };
        let mut rule = json!({
            "id": finding.id,
            "name": "VulnerablePackage",
            "shortDescription": {"text": text::cut(&title, 200)},
            "fullDescription": {"text": text::cut(&format!("{title}.{also}"), 1000)},
            "help": {"text": format!("{}: {title}.{also}", finding.id)},
            "defaultConfiguration": {"level": level(self.worst)},
            "properties": properties,
        });
        if let (Some(url), Some(fields)) = (row::url(&finding.id), rule.as_object_mut()) {
            fields.insert("helpUri".to_owned(), json!(url));
        }
        rule
    }
}

/// The number by which GitHub sorts: the CVSS score, kept within the band that GitHub gives the severity's word. None for a
/// flaw of which neither is known.
fn score(worst: Severity, cvss: Option<f64>) -> Option<f64> {
    let (least, most, usual) = match worst {
        Severity::Unspecified => return cvss,
        Severity::Negligible => (0.1, 3.9, 0.1),
        Severity::Low => (0.1, 3.9, 2.0),
        Severity::Medium => (4.0, 6.9, 5.5),
        Severity::High => (7.0, 8.9, 8.0),
        Severity::Critical => (9.0, 10.0, 9.5),
    };
    Some(cvss.unwrap_or(usual).clamp(least, most))
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium | Severity::Unspecified => "warning",
        Severity::Low | Severity::Negligible => "note",
    }
}

fn result<'a>(
    image: &Image,
    row: &Row<'a>,
    rules: &HashMap<&'a str, usize>,
    seen: &mut HashMap<String, usize>,
) -> Value {
    let Row { finding, package, .. } = row;
    let repository = row::repository(image);
    let place = if package.file.is_empty() { "image" } else { &package.file };
    let uri = text::uri_path(&format!("{repository}/{place}"));
    let names = [&finding.id, &repository, &package.ecosystem, &package.name, &package.file];
    let mut key = fingerprint(&names.map(String::as_str));
    // The same flaw of the same package twice in one file: told apart by their order, which versions give.
    let times = seen.entry(key.clone()).or_default();
    *times += 1;
    if *times > 1 {
        key = fingerprint(&[&key, &times.to_string()]);
    }
    let mut result = json!({
        "ruleId": finding.id,
        "ruleIndex": rules.get(finding.id.as_str()),
        "level": level(finding.severity()),
        "message": {"text": format!(
            "{} {} in {} is affected by {} ({}). {}",
            text::plain(&package.name), text::plain(&package.version), text::plain(row::name(image)), finding.id,
            finding.severity().name(), text::plain(&row.advice()),
        )},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri},
                "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1},
            },
            "logicalLocations": [{"kind": "package", "fullyQualifiedName": package.purl}],
        }],
        "partialFingerprints": {"primaryLocationLineHash": format!("{key}:1"), "strata/v1": key},
        "properties": {
            "severity": finding.severity().name(), "cvss": row.cvss(), "epss": row.epss(), "risk": row.risk(),
            "knownExploited": finding.known_exploited, "installedVersion": package.version,
            "fixedVersion": finding.fixed_version, "layer": row.layer.map(|layer| layer.digest.as_str()),
        },
    });
    if row.is_suppressed()
        && let Some(fields) = result.as_object_mut()
    {
        let why = json!([{"kind": "external", "status": "accepted", "justification": finding.suppressed}]);
        fields.insert("suppressions".to_owned(), why);
    }
    result
}

fn fingerprint(names: &[&str]) -> String {
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What is missing: images without a report, problems, results that were left out.
fn notifications(results: &Results, images: &[Image], total: usize) -> Vec<Value> {
    let mut list = Vec::new();
    let mut note = |level: &str, code: &str, text: String| {
        list.push(
            json!({"level": level, "descriptor": {"id": code}, "message": {"text": text::plain(&text)}}),
        );
    };
    if total > MAX_RESULTS {
        let text = format!(
            "{total} findings, of which the {MAX_RESULTS} worst are in this file: GitHub takes no more. \
             The other formats have all of them."
        );
        note("warning", "results-cut", text);
    }
    for failed in &results.failed {
        note("error", &failed.code, format!("{}: {}", failed.references.join(", "), failed.message));
    }
    for image in images {
        for problem in &image.report.problems {
            note("warning", &problem.code, format!("{}: {}", row::name(image), row::said(problem)));
        }
    }
    list
}
