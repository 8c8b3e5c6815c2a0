//! `json`: Strata's own document, versioned by `schema`. Names and meanings are those of `report.proto`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;
use strata_proto::v1::{self, ScanState};

use super::{
    Format,
    since::{self, JsonSince},
};
use crate::{
    age::Moment,
    results::{Failed, Image, Results},
    row,
};

/// The row.
pub(super) const FORMAT: Format =
    Format { name: "json", about: "Strata's own document, for programs", streams: false, write };

const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document {
    schema: u32,
    state: &'static str,
    images: Vec<JsonImage>,
    /// Ids of the reports that are older than the scan: an image's own part is the same whenever it is printed.
    unchanged: Vec<String>,
    /// What policies and accepted risks say, where there is something to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<crate::gate::Judged>,
    /// Findings that were asked not to be here.
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden_findings: Option<u64>,
    failures: Vec<JsonFailure>,
    skipped: Vec<JsonFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<JsonSummary>,
    /// What changed since the sweep before, where somebody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<JsonSince>,
}

#[derive(Serialize)]
struct JsonImage {
    references: Vec<String>,
    report: String,
    digest: String,
    config: String,
    platform: String,
    distribution: Option<JsonDistribution>,
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<JsonRun>,
    layers: Vec<JsonLayer>,
    packages: Vec<JsonPackage>,
    findings: Vec<JsonFinding>,
    problems: Vec<JsonProblem>,
    fingerprint: String,
    database: JsonDatabase,
    /// Attached VEX documents that were applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vex: Vec<JsonAttached>,
    /// Not there where the cluster, or this machine, made the report itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    submitted_by: String,
}

/// How the image is run: of its variables the names.
#[derive(Serialize)]
struct JsonRun {
    user: String,
    environment: Vec<String>,
}

#[derive(Serialize)]
struct JsonDatabase {
    digest: String,
    modified: String,
    /// Whole days at the moment of writing; not there when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_days: Option<i64>,
}

#[derive(Serialize)]
struct JsonAttached {
    digest: String,
    manifest: String,
    statements: u64,
}

#[derive(Serialize)]
struct JsonDistribution {
    id: String,
    version: String,
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    end_of_life: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    extended_support: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

#[derive(Serialize)]
struct JsonLayer {
    digest: String,
    diff_id: String,
    created_by: String,
    size: u64,
    /// Not there when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    uncompressed_size: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    base: bool,
}

#[derive(Serialize)]
struct JsonPackage {
    name: String,
    version: String,
    purl: String,
    ecosystem: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    source_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    source_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    architecture: String,
    file: String,
    layer: u32,
    layer_digest: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    properties: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct JsonFinding {
    id: String,
    advisory: String,
    aliases: Vec<String>,
    severity: &'static str,
    severity_source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cvss: Option<f64>,
    package: String,
    installed_version: String,
    fix_state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    fixed_version: String,
    purl: String,
    file: String,
    layer: u32,
    layer_digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    epss: Option<f64>,
    known_exploited: bool,
    ransomware: bool,
    risk: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    suppressed: String,
    /// A fix is at least as old as this.
    #[serde(skip_serializing_if = "String::is_empty")]
    advisory_modified: String,
    title: String,
}

#[derive(Serialize)]
struct JsonProblem {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    file: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    layer_digest: String,
}

#[derive(Serialize)]
struct JsonFailure {
    references: Vec<String>,
    code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

#[derive(Serialize)]
struct JsonSummary {
    enumerated: u64,
    reported: u64,
    unchanged: u64,
    skipped: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
    unsupported: BTreeMap<String, u64>,
    listing_failed: BTreeMap<String, u64>,
    images: u64,
    distinct_layers: u64,
    layers_analysed: u64,
    layers_reused: u64,
    bytes_read: u64,
    packages: u64,
    findings: BTreeMap<&'static str, u64>,
    reports_with_problems: u64,
}

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let images = results.images();
    let unchanged =
        images.iter().filter(|image| image.unchanged).map(|image| image.report_id.clone()).collect();
    let document = Document {
        schema: SCHEMA,
        state: results.state.map_or("report", state),
        images: images.into_iter().map(|found| image(found, results.now)).collect(),
        unchanged,
        policies: results.seen.judged.clone(),
        hidden_findings: Some(results.seen.hidden).filter(|hidden| *hidden > 0),
        failures: results.failed.iter().map(failure).collect(),
        skipped: results.skipped.iter().map(failure).collect(),
        summary: results.state.map(|_| summary(&results.summary)),
        since: results.since.as_ref().map(since::json),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

const fn state(state: ScanState) -> &'static str {
    match state {
        ScanState::Unspecified => "unknown",
        ScanState::Running => "running",
        ScanState::Completed => "completed",
        ScanState::CompletedWithFailures => "completed-with-failures",
        ScanState::Cancelled => "cancelled",
    }
}

fn failure(failed: &Failed) -> JsonFailure {
    JsonFailure {
        references: failed.references.clone(),
        code: failed.code.clone(),
        message: failed.message.clone(),
    }
}

fn properties(list: Vec<v1::Property>) -> BTreeMap<String, String> {
    list.into_iter().map(|property| (property.key, property.value)).collect()
}

fn distribution(found: v1::Distribution) -> JsonDistribution {
    JsonDistribution {
        id: found.id,
        version: found.version,
        title: found.title,
        end_of_life: found.end_of_life,
        extended_support: found.extended_support,
        ended: found.ended,
    }
}

fn image(image: Image, now: Moment) -> JsonImage {
    let Image { references, report_id, report, .. } = image;
    let layer_digest = |index: u32| {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        report.layers.get(index).map(|layer| layer.digest.clone()).unwrap_or_default()
    };
    let findings = report.findings.iter().map(|found| finding(found, &report, &layer_digest)).collect();
    let packages = report.packages.iter().map(|package| json_package(package, &layer_digest)).collect();
    let platform = row::platform(&report);
    let submitted_by = report.submitted_by.clone();
    JsonImage {
        references,
        report: report_id,
        digest: report.image_digest,
        config: report.config_digest,
        platform,
        distribution: report.distribution.map(distribution),
        labels: properties(report.labels),
        run: report.run.map(|run| JsonRun { user: run.user, environment: run.environment }),
        layers: report
            .layers
            .into_iter()
            .map(|layer| JsonLayer {
                digest: layer.digest,
                diff_id: layer.diff_id,
                created_by: layer.created_by,
                size: layer.size,
                uncompressed_size: Some(layer.uncompressed_size).filter(|size| *size > 0),
                base: layer.base,
            })
            .collect(),
        packages,
        findings,
        problems: report
            .problems
            .into_iter()
            .map(|problem| JsonProblem {
                code: problem.code,
                message: problem.message,
                file: problem.file,
                layer_digest: problem.layer,
            })
            .collect(),
        fingerprint: report.fingerprint,
        database: JsonDatabase {
            age_days: now.since(&report.database_modified).map(|age| age.whole_days()),
            digest: report.database_digest,
            modified: report.database_modified,
        },
        vex: report
            .vex
            .into_iter()
            .map(|found| JsonAttached {
                digest: found.digest,
                manifest: found.manifest,
                statements: found.statements,
            })
            .collect(),
        submitted_by,
    }
}

fn json_package(package: &v1::Package, layer_digest: &dyn Fn(u32) -> String) -> JsonPackage {
    JsonPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        purl: package.purl.clone(),
        ecosystem: package.ecosystem.clone(),
        source_name: package.source_name.clone(),
        source_version: package.source_version.clone(),
        architecture: package.architecture.clone(),
        file: package.file.clone(),
        layer: package.layer,
        layer_digest: layer_digest(package.layer),
        properties: properties(package.properties.clone()),
    }
}

fn finding(found: &v1::Finding, report: &v1::Report, layer_digest: &dyn Fn(u32) -> String) -> JsonFinding {
    let index = usize::try_from(found.package).unwrap_or(usize::MAX);
    let package = report.packages.get(index).cloned().unwrap_or_default();
    JsonFinding {
        id: found.id.clone(),
        advisory: found.advisory.clone(),
        aliases: found.aliases.clone(),
        severity: found.severity().name(),
        severity_source: found.severity_source.clone(),
        cvss: (found.cvss_tenths > 0).then(|| f64::from(found.cvss_tenths) / 10.0),
        package: package.name,
        installed_version: package.version,
        fix_state: row::fix_state(found.fix_state()),
        fixed_version: found.fixed_version.clone(),
        purl: package.purl,
        file: package.file,
        layer: package.layer,
        layer_digest: layer_digest(package.layer),
        epss: (found.epss_millionths > 0).then(|| f64::from(found.epss_millionths) / 1_000_000.0),
        known_exploited: found.known_exploited,
        ransomware: found.ransomware,
        // In points of 100.
        risk: f64::from(found.risk_millionths) / 10_000.0,
        suppressed: found.suppressed.clone(),
        advisory_modified: found.advisory_modified.clone(),
        title: found.title.clone(),
    }
}

fn summary(summary: &v1::Summary) -> JsonSummary {
    let ledger = summary.ledger.clone().unwrap_or_default();
    let lines = |lines: Vec<v1::LedgerLine>| lines.into_iter().map(|line| (line.code, line.count)).collect();
    let counts = summary.findings.unwrap_or_default();
    JsonSummary {
        enumerated: ledger.enumerated,
        reported: ledger.reported,
        unchanged: ledger.unchanged,
        skipped: lines(ledger.skipped),
        failed: lines(ledger.failed),
        unsupported: lines(ledger.unsupported),
        listing_failed: lines(ledger.listing_failed),
        images: summary.images,
        distinct_layers: summary.distinct_layers,
        layers_analysed: summary.layers_analysed,
        layers_reused: summary.layers_reused,
        bytes_read: summary.bytes_read,
        packages: summary.packages,
        findings: v1::Severity::WORST_FIRST
            .into_iter()
            .map(|severity| (severity.name(), counts.get(severity)))
            .collect(),
        reports_with_problems: summary.reports_with_problems,
    }
}
