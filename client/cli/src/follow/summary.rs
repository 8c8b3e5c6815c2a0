//! The closing lines of a scan, for people.

use std::{io::Write as _, time::Instant};

use strata_proto::v1::{ScanState, SeverityCounts, Summary};

use crate::{format, progress, results::Results, settings::Settings};

pub(super) fn print(results: &Results, started: Instant, settings: &Settings) {
    if settings.quiet {
        return;
    }
    let mut stderr = std::io::stderr().lock();
    for line in summary_lines(&results.summary, results.state, started.elapsed().as_secs_f64()) {
        let _ = writeln!(stderr, "{line}");
    }
}

/// The closing lines of a scan.
#[must_use]
pub fn summary_lines(summary: &Summary, state: Option<ScanState>, seconds: f64) -> Vec<String> {
    let head = format!("{} in {seconds:.1} s", state_text(state));
    let Some(ledger) = summary.ledger.clone() else {
        return vec![
            String::new(),
            head,
            "  what came is above; how far the scan is, is not known".to_owned(),
        ];
    };
    let list = |lines: &[strata_proto::v1::LedgerLine]| {
        let parts: Vec<String> = lines.iter().map(|line| format!("{} {}", line.count, line.code)).collect();
        if parts.is_empty() { "0".to_owned() } else { parts.join(", ") }
    };
    let counts: SeverityCounts = summary.findings.unwrap_or_default();
    let sum = |lines: &[strata_proto::v1::LedgerLine]| lines.iter().map(|line| line.count).sum::<u64>();
    let without = sum(&ledger.skipped) + sum(&ledger.unsupported) + sum(&ledger.failed);
    let settled = ledger.reported + ledger.unchanged + without;
    // Only a scan that was stopped leaves any.
    let unfinished = match ledger.enumerated.saturating_sub(settled) {
        0 => String::new(),
        rest => format!(" + {rest} not finished"),
    };
    let unsupported = match ledger.unsupported.as_slice() {
        [] => String::new(),
        some => format!(" + {} UNSUPPORTED", list(some)),
    };
    let mut lines = vec![
        String::new(),
        head,
        format!(
            "  references  {} enumerated = {} reported + {} unchanged + {} skipped{unsupported} + {} failed{unfinished}",
            ledger.enumerated,
            ledger.reported,
            ledger.unchanged,
            list(&ledger.skipped),
            list(&ledger.failed)
        ),
        format!("  images      {} distinct, {} with problems", summary.images, summary.reports_with_problems),
        format!(
            "  layers      {} distinct: {} analysed ({} read), {} reused",
            summary.distinct_layers,
            summary.layers_analysed,
            progress::bytes(summary.bytes_read),
            summary.layers_reused
        ),
        format!("  packages    {}", summary.packages),
        format!("  findings    {}", format::counts(&counts)),
    ];
    if !ledger.listing_failed.is_empty() {
        lines.push(format!("  LISTINGS FAILED: {}: their images are unknown", list(&ledger.listing_failed)));
    }
    let ended = matches!(state, Some(ScanState::Completed | ScanState::CompletedWithFailures));
    if ledger.enumerated == 0 && ledger.listing_failed.is_empty() && ended {
        lines.push(
            "  nothing was enumerated: is the prefix right, and may this login list the registry?".to_owned(),
        );
    }
    lines
}

const fn state_text(state: Option<ScanState>) -> &'static str {
    match state {
        Some(ScanState::Completed) => "completed",
        Some(ScanState::CompletedWithFailures) => "COMPLETED WITH FAILURES",
        Some(ScanState::Cancelled) => "CANCELLED",
        Some(ScanState::Running) => "still running",
        Some(ScanState::Unspecified) | None => "LEFT before the end",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_is_not_known_is_not_told_as_nothing() {
        let left = summary_lines(&Summary::default(), None, 1.0).join("\n");
        assert!(left.contains("LEFT before the end") && left.contains("is not known"), "{left}");
        assert!(!left.contains("0 enumerated"), "{left}");
        let ledger = Some(strata_proto::v1::Ledger { enumerated: 3, reported: 1, ..Default::default() });
        let some = summary_lines(&Summary { ledger, ..Summary::default() }, None, 1.0).join("\n");
        assert!(some.contains("3 enumerated = 1 reported") && some.contains("2 not finished"), "{some}");
        // An empty sweep that ended says what may be wrong; one that was left says nothing of that.
        let empty = Summary { ledger: Some(Default::default()), ..Summary::default() };
        let ended = summary_lines(&empty, Some(ScanState::Completed), 1.0).join("\n");
        assert!(ended.contains("nothing was enumerated"), "{ended}");
        for state in [None, Some(ScanState::Cancelled), Some(ScanState::Running)] {
            let left = summary_lines(&empty, state, 1.0).join("\n");
            assert!(!left.contains("nothing was enumerated"), "{state:?}: {left}");
        }
    }
}
