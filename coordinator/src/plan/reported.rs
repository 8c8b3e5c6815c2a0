//! What events say of a report, and how an image ended in one scan.

use std::{collections::BTreeSet, sync::Arc};

use strata_proto::{
    digest::Digest,
    v1::{Assessed, ImageReported, ReportSummary, SeverityCounts},
};

use super::image::ImageKey;

/// How an image ended in one scan.
#[derive(Debug, Clone)]
pub(super) enum Done {
    Reported(Box<Reported>),
    Failed(Box<(String, String)>),
}

/// What events say of a report.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reported {
    pub(super) report_id: Box<str>,
    pub(super) packages: u64,
    pub(super) findings: SeverityCounts,
    pub(super) problems: u64,
    pub(super) database_modified: Arc<str>,
    /// Older than the scan.
    pub(super) unchanged: bool,
    /// The beginnings of its layers' digests.
    pub(super) layers: Arc<[u64]>,
}

impl Reported {
    /// A report that was just made.
    pub(super) fn fresh(
        assessed: Assessed,
        database_modified: Arc<str>,
        layers: impl Iterator<Item = Digest>,
    ) -> Self {
        Self {
            report_id: assessed.report_id.into(),
            packages: assessed.packages,
            findings: assessed.findings.unwrap_or_default(),
            problems: assessed.problems,
            database_modified,
            unchanged: false,
            layers: prefixes(layers),
        }
    }

    /// A report of the archive, for a scan that was submitted then. What was made meanwhile (for another scan, or for this
    /// one before a restart) counts as made for it.
    pub(super) fn known(
        summary: &ReportSummary,
        database_modified: Arc<str>,
        submitted_ms: i64,
        layers: impl Iterator<Item = Digest>,
    ) -> Self {
        // A copy is as old as what it was copied from.
        let assessed_ms = match summary.assessed_unix_ms {
            0 => summary.created_unix_ms,
            assessed => assessed,
        };
        Self {
            report_id: summary.report_id.as_str().into(),
            packages: summary.packages,
            findings: summary.findings.unwrap_or_default(),
            problems: summary.problems,
            database_modified,
            unchanged: assessed_ms < submitted_ms,
            layers: prefixes(layers),
        }
    }

    /// What an event of this scan said before a restart.
    pub(super) fn recorded(event: &ImageReported, database_modified: Arc<str>) -> Self {
        Self {
            report_id: event.report_id.as_str().into(),
            packages: event.packages,
            findings: event.findings.unwrap_or_default(),
            problems: event.problems,
            database_modified,
            unchanged: event.unchanged,
            layers: event.layers.as_slice().into(),
        }
    }

    /// With those of its layers that no event told yet to have been analysed.
    pub(super) fn event(
        &self,
        key: &ImageKey,
        references: Vec<Box<str>>,
        layers_analysed: Vec<u64>,
    ) -> ImageReported {
        ImageReported {
            references: references.into_iter().map(Into::into).collect(),
            image_digest: key.digest.to_string(),
            report_id: self.report_id.to_string(),
            packages: self.packages,
            findings: Some(self.findings),
            problems: self.problems,
            report: None,
            platform: key.platform.to_string(),
            database_modified: self.database_modified.to_string(),
            unchanged: self.unchanged,
            layers: self.layers.to_vec(),
            layers_analysed,
        }
    }
}

pub(super) fn prefixes(layers: impl Iterator<Item = Digest>) -> Arc<[u64]> {
    let distinct: BTreeSet<u64> = layers.map(|layer| layer.prefix()).collect();
    distinct.into_iter().collect()
}
