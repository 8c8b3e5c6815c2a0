//! Reports that were found, as a table or for programs.

use std::collections::BTreeMap;

use serde::Serialize;
use strata_proto::v1::{ReportOrigin, ReportSummary, Severity, SourceContext};

use super::presence::Presence;
use crate::{
    command::{self, sweeps::when},
    exit::Failure,
    format,
    screen::Screen,
    text::plain,
};

/// Digits of a commit that are shown.
const DIGITS: usize = 12;

pub(super) fn table(
    reports: &[ReportSummary],
    present: &BTreeMap<String, Presence>,
    screen: Screen,
) -> Result<(), Failure> {
    let mut titles = vec![
        "Report",
        "References",
        "Pushed as",
        "Commit",
        "Origin",
        "Verdict",
        "Created",
        "Findings",
        "Problems",
    ];
    if !present.is_empty() {
        titles.push("Image");
    }
    let row = |report: &ReportSummary| {
        let mut cells = vec![
            report.report_id.clone(),
            plain_lines(&report.references),
            plain_lines(&report.bound_digests),
            lines(report, |origin| origin.source.as_ref().map(commit).unwrap_or_default()),
            origin(report),
            lines(report, |origin| {
                origin.verdict.as_ref().map(|verdict| verdict.status.clone()).unwrap_or_default()
            }),
            when(report.created_unix_ms),
            format::counts(&report.findings.unwrap_or_default()),
            report.problems.to_string(),
        ];
        cells.extend(present.get(&report.report_id).map(Presence::told));
        cells
    };
    let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
    let count = format::plural(u64::try_from(reports.len()).unwrap_or(u64::MAX), "report");
    command::say(&format!("{}\n{count}", screen.rows(&titles, &rows)))
}

fn origin(report: &ReportSummary) -> String {
    let from = match report.submitted_by.as_str() {
        "" => "scanned".to_owned(),
        by => format!("submitted by {}", plain(by)),
    };
    match &report.hold {
        None => from,
        Some(hold) => format!("{from}\nheld by {}", plain(&hold.held_by)),
    }
}

fn commit(source: &SourceContext) -> String {
    let commit: String = source.commit.chars().take(DIGITS).collect();
    let branch = [&source.branch, &source.tag].into_iter().find(|name| !name.is_empty());
    branch.map_or(commit.clone(), |name| format!("{commit} {name}"))
}

/// One line for each origin, where it says something that the one before did not.
fn lines(report: &ReportSummary, of: impl Fn(&ReportOrigin) -> String) -> String {
    let mut lines: Vec<String> = report.origins.iter().map(|origin| plain(&of(origin))).collect();
    lines.retain(|line| !line.trim().is_empty());
    lines.dedup();
    lines.join("\n")
}

fn plain_lines(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| plain(text)).collect();
    texts.join("\n")
}

#[derive(Serialize)]
struct Found<'a> {
    report: &'a str,
    digest: &'a str,
    image_id: &'a str,
    references: &'a [String],
    pushed_as: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    indexes: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    submitted_by: &'a str,
    origins: Vec<Origin<'a>>,
    created: String,
    packages: u64,
    findings: serde_json::Map<String, serde_json::Value>,
    problems: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Hold<'a>>,
    database: &'a str,
    database_modified: &'a str,
    /// Whether its registries still have it, where they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a Presence>,
}

#[derive(Serialize)]
struct Hold<'a> {
    by: &'a str,
    since: String,
    reason: &'a str,
}

#[derive(Serialize)]
struct Origin<'a> {
    scan: &'a str,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict<'a>>,
    /// Told by `strata tag`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    declared: bool,
}

#[derive(Serialize)]
struct Verdict<'a> {
    status: &'a str,
    exit_code: u32,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    reasons: &'a [String],
}

/// A list of objects, one for each report.
pub(crate) fn document(reports: &[ReportSummary]) -> serde_json::Value {
    let found: Vec<Found<'_>> = reports.iter().map(found).collect();
    serde_json::to_value(found).unwrap_or_default()
}

pub(super) fn json(reports: &[ReportSummary], present: &BTreeMap<String, Presence>) -> Result<(), Failure> {
    let mut found: Vec<Found<'_>> = reports.iter().map(found).collect();
    for one in &mut found {
        one.image = present.get(one.report);
    }
    command::say(&format!("{:#}", serde_json::to_value(found).unwrap_or_default()))
}

fn found(report: &ReportSummary) -> Found<'_> {
    let counts = report.findings.unwrap_or_default();
    Found {
        report: &report.report_id,
        digest: &report.image_digest,
        image_id: &report.config_digest,
        references: &report.references,
        pushed_as: &report.bound_digests,
        indexes: &report.index_digests,
        submitted_by: &report.submitted_by,
        origins: report.origins.iter().map(told).collect(),
        created: when(report.created_unix_ms),
        packages: report.packages,
        findings: Severity::WORST_FIRST
            .into_iter()
            .map(|severity| (severity.name().to_owned(), counts.get(severity).into()))
            .collect(),
        problems: report.problems,
        hold: report.hold.as_ref().map(|hold| Hold {
            by: &hold.held_by,
            since: when(hold.held_unix_ms),
            reason: &hold.reason,
        }),
        database: &report.database_digest,
        database_modified: &report.database_modified,
        image: None,
    }
}

fn told(origin: &ReportOrigin) -> Origin<'_> {
    Origin {
        scan: &origin.scan_id,
        created: when(origin.created_unix_ms),
        source: origin.source.as_ref().map(|source| crate::command::source_document(Some(source))),
        verdict: origin.verdict.as_ref().map(|verdict| Verdict {
            status: &verdict.status,
            exit_code: verdict.exit_code,
            reasons: &verdict.reasons,
        }),
        declared: origin.declared,
    }
}
