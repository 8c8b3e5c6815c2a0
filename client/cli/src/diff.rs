//! What changed from one image to another: sizes, layers, packages and findings. Findings are told apart as a sweep tells
//! them apart: by package and flaw, whatever the tag, the path or the package's version.

mod findings;
mod layers;
mod packages;
pub(crate) mod show;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use strata_proto::v1::{Report, Severity, SeverityCounts};

use crate::row;

pub use self::{
    findings::{Findings, Found},
    layers::{Layers, Sizes},
    packages::Packages,
    show::{Form, write},
};

/// Version of the JSON document.
const SCHEMA: u32 = 1;

/// One of the two images.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// What it was asked for by: a reference, an archive, a report's id, a file.
    pub name: String,
    /// Id of its report; empty where it has none.
    pub report_id: String,
    /// The report.
    pub report: Report,
}

/// What changed.
#[derive(Debug, Serialize)]
pub struct Diff {
    schema: u32,
    /// The first image.
    pub before: Side,
    /// The second one.
    pub after: Side,
    /// Bytes of both.
    pub sizes: Sizes,
    /// Which layers they share.
    pub layers: Layers,
    /// Packages by what became of them.
    pub packages: Packages,
    /// Findings by what became of them.
    pub findings: Findings,
    /// What limits the comparison, one sentence each.
    pub notes: Vec<String>,
}

/// An image in short.
#[derive(Debug, Serialize)]
pub struct Side {
    /// What it was asked for by.
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    report: String,
    digest: String,
    platform: String,
    /// `debian 12`; null when not known.
    pub distribution: Option<String>,
    /// Layers of it.
    pub layers: usize,
    /// Packages in it, each place of a package counted.
    pub packages: usize,
    /// Findings by severity, suppressed ones left out, each as a package and a flaw.
    pub findings: BTreeMap<&'static str, u64>,
    /// Findings that a statement suppresses.
    pub suppressed: usize,
    /// What could not be known, by code.
    pub problems: BTreeMap<String, usize>,
    database: String,
}

impl Diff {
    /// Compares two images.
    #[must_use]
    pub fn new(before: &Image, after: &Image) -> Self {
        Self {
            schema: SCHEMA,
            before: Side::of(before),
            after: Side::of(after),
            sizes: Sizes::new(&before.report, &after.report),
            layers: Layers::new(&before.report, &after.report),
            packages: Packages::new(&before.report, &after.report),
            findings: Findings::new(&before.report, &after.report),
            notes: notes(before, after),
        }
    }

    /// Whether the second image has a finding that the first has not, of this severity or worse.
    #[must_use]
    pub fn introduces(&self, limit: Severity) -> bool {
        self.findings.introduced.iter().any(|found| found.severity as i32 >= limit as i32)
    }
}

impl Side {
    pub(crate) fn of(image: &Image) -> Self {
        let report = &image.report;
        let mut problems = BTreeMap::new();
        for problem in &report.problems {
            *problems.entry(problem.code.clone()).or_insert(0) += 1;
        }
        Self {
            name: image.name.clone(),
            report: image.report_id.clone(),
            digest: report.image_digest.clone(),
            platform: row::platform(report),
            distribution: Some(row::system(report)).filter(|name| !name.is_empty()),
            layers: report.layers.len(),
            packages: report.packages.len(),
            findings: by_severity(&findings::counts(&findings::all(report))),
            suppressed: report.findings.iter().filter(|found| !found.suppressed.is_empty()).count(),
            problems,
            database: report.database_digest.clone(),
        }
    }

    /// All findings.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.findings.values().sum()
    }
}

/// Every severity with its count, the worst first where the order of keys is kept.
fn by_severity(counts: &SeverityCounts) -> BTreeMap<&'static str, u64> {
    Severity::WORST_FIRST.into_iter().map(|severity| (severity.name(), counts.get(severity))).collect()
}

/// What somebody must know who reads the numbers.
fn notes(before: &Image, after: &Image) -> Vec<String> {
    let (old, new) = (&before.report, &after.report);
    let mut notes = Vec::new();
    for (word, report) in [("first", old), ("second", new)] {
        let codes: BTreeSet<&str> = report.problems.iter().map(|problem| problem.code.as_str()).collect();
        if !codes.is_empty() {
            let codes = codes.into_iter().collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "not all is known of the {word} image ({codes}): it may have more than is told here"
            ));
        }
    }
    if old.database_digest != new.database_digest {
        notes.push(
            "the reports were made with different advisory databases: a finding may be new or gone for that alone"
                .to_owned(),
        );
    }
    if old.fingerprint != new.fingerprint {
        notes.push("the reports were made by different versions of the analysis".to_owned());
    }
    if old.platform != new.platform && (old.platform.is_some() && new.platform.is_some()) {
        notes.push("the images are for different platforms".to_owned());
    }
    notes
}
