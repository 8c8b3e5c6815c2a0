//! What audits need of an archive.

use async_trait::async_trait;
use strata_proto::v1::ReportHold;

use super::PortError;

/// What a look at one stored report came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The report.
    pub report_id: String,
    /// Whether a digest was kept with it: reports of earlier versions have none, and can only be read.
    pub known: bool,
    /// What is wrong with it.
    pub wrong: Option<String>,
}

/// Whether what is stored is still what was stored.
#[async_trait]
pub trait Check: Send + Sync {
    /// Recomputes the digests of some stored reports after a number (0 at first), with the number to go on after; `None`
    /// behind the last.
    async fn check(&self, after: i64) -> Result<(Vec<Checked>, Option<i64>), PortError>;
}

/// Reports that are kept whatever their age, and the scans that name them.
#[async_trait]
pub trait Holds: Send + Sync {
    /// Holds a report. The hold that is in force, which may be an earlier one; `None` when there is no such report.
    async fn hold_report(&self, hold: &ReportHold) -> Result<Option<ReportHold>, PortError>;
    /// Ends the hold of a report; `None` when none is in force.
    async fn release_report(
        &self,
        report_id: &str,
        released_by: &str,
        at_unix_ms: i64,
    ) -> Result<Option<ReportHold>, PortError>;
}
