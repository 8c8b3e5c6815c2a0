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
    Reported(Kept),
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

/// A report as it is kept once an event has told of it, for further references to its image. That event has the layers too.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    report_id: ReportId,
    packages: u32,
    /// From critical to unknown.
    findings: [u32; 6],
    problems: u32,
    database_modified: Arc<str>,
    unchanged: bool,
}

/// Nearly always the digits of a digest.
#[derive(Debug, Clone, PartialEq)]
enum ReportId {
    Digest(Digest),
    Text(Box<str>),
}

impl Kept {
    pub(super) fn of(report: &Reported) -> Self {
        let SeverityCounts { critical, high, medium, low, negligible, unknown } = report.findings;
        Self {
            report_id: Digest::from_hex(&report.report_id)
                .map_or_else(|| ReportId::Text(report.report_id.clone()), ReportId::Digest),
            packages: few(report.packages),
            findings: [critical, high, medium, low, negligible, unknown].map(few),
            problems: few(report.problems),
            database_modified: Arc::clone(&report.database_modified),
            unchanged: report.unchanged,
        }
    }

    pub(super) fn report(&self) -> Reported {
        let [critical, high, medium, low, negligible, unknown] = self.findings.map(u64::from);
        Reported {
            report_id: match &self.report_id {
                ReportId::Digest(digest) => digest.hex().into(),
                ReportId::Text(text) => text.clone(),
            },
            packages: u64::from(self.packages),
            findings: SeverityCounts { critical, high, medium, low, negligible, unknown },
            problems: u64::from(self.problems),
            database_modified: Arc::clone(&self.database_modified),
            unchanged: self.unchanged,
            layers: Arc::default(),
        }
    }
}

/// No message has room for four billion of anything.
fn few(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(super) fn prefixes(layers: impl Iterator<Item = Digest>) -> Arc<[u64]> {
    let distinct: BTreeSet<u64> = layers.map(|layer| layer.prefix()).collect();
    distinct.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// All but the layers, of which the first event tells.
        #[test]
        fn what_is_kept_says_the_same(
            id in prop_oneof!["[0-9a-f]{64}", "[0-9a-f]{63}", "[0-9A-F]{64}", "\\PC{0,80}"],
            counts in proptest::array::uniform8(0_u32..),
            unchanged: bool,
        ) {
            let [packages, problems, critical, high, medium, low, negligible, unknown] = counts.map(u64::from);
            let report = Reported {
                report_id: id.into(),
                packages,
                findings: SeverityCounts { critical, high, medium, low, negligible, unknown },
                problems,
                database_modified: "2026-11-01T00:00:00Z".into(),
                unchanged,
                layers: [].into(),
            };
            prop_assert_eq!(Kept::of(&report).report(), report);
        }
    }

    #[test]
    fn what_a_million_images_keep_is_small() {
        assert!(size_of::<Done>() <= 96, "{}", size_of::<Done>());
    }
}
