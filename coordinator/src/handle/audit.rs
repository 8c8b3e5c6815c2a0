//! What audits ask for: holds, and whether the archive is sound.

use strata_proto::v1::{
    CheckReportsRequest, CheckReportsResponse, CheckedReport, HoldReportRequest, ReleaseReportRequest,
    ReportHold,
};

use super::{CallError, Handle};
use crate::{drive::now_ms, ports::Checked};

/// Bytes of a hold's reason.
const LONGEST_REASON: usize = 1_000;

impl Handle {
    /// Holds a report for the caller. The hold that is in force, which may be an earlier one.
    ///
    /// # Errors
    /// [`CallError::NotFound`]; [`CallError::Invalid`] for a reason that is none or too long.
    pub async fn hold_report(&self, request: HoldReportRequest) -> Result<ReportHold, CallError> {
        let HoldReportRequest { report_id, reason } = request;
        let reason = check_reason(&reason).map_err(CallError::Invalid)?;
        let hold = ReportHold {
            report_id: report_id.clone(),
            held_by: self.sight.caller(),
            held_unix_ms: now_ms(),
            reason,
            ..ReportHold::default()
        };
        let held = self.archive.hold_report(&hold).await?;
        let held = held.ok_or_else(|| CallError::NotFound(format!("there is no report `{report_id}`")))?;
        tracing::info!(report = held.report_id, by = held.held_by, reason = held.reason, "a report is held");
        Ok(held)
    }

    /// Ends a report's hold.
    ///
    /// # Errors
    /// [`CallError::NotFound`] when none is in force.
    pub async fn release_report(&self, request: ReleaseReportRequest) -> Result<ReportHold, CallError> {
        let (id, by) = (request.report_id, self.sight.caller());
        let released = self.archive.release_report(&id, &by, now_ms()).await?;
        let released = released.ok_or_else(|| CallError::NotFound(format!("no report `{id}` is held")))?;
        tracing::info!(report = released.report_id, by = released.released_by, "a report was released");
        Ok(released)
    }

    /// Recomputes the digests of the next reports.
    ///
    /// # Errors
    /// [`CallError::Unavailable`].
    pub async fn check_reports(
        &self,
        request: CheckReportsRequest,
    ) -> Result<CheckReportsResponse, CallError> {
        let after = i64::try_from(request.after).unwrap_or(i64::MAX);
        let (checked, next) = self.archive.check(after).await?;
        let checked = checked.into_iter().map(|Checked { report_id, known, wrong }| CheckedReport {
            report_id,
            known,
            wrong: wrong.unwrap_or_default(),
        });
        Ok(CheckReportsResponse {
            reports: checked.collect(),
            next: next.and_then(|next| u64::try_from(next).ok()).unwrap_or_default(),
        })
    }
}

/// A reason as it is kept.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_reason(reason: &str) -> Result<String, String> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err("a hold needs a reason".to_owned());
    }
    if reason.len() > LONGEST_REASON || reason.contains('\0') {
        return Err(format!("the reason is longer than {LONGEST_REASON} bytes or has a zero byte"));
    }
    Ok(reason.to_owned())
}
