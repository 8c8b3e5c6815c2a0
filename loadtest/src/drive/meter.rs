//! Events of a scan → a measurement. Pure: time comes with the events.

use std::time::Duration;

use serde::Serialize;
use strata_client::v1::{self, Event, LedgerLine, ScanState, event::Kind};
use strata_loadtest::registry::Counts;

/// What a sweep did and how long it took.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Measured {
    pub(crate) scan_id: String,
    /// `completed`, `completed-with-failures`, `cancelled`, `timed-out`.
    pub(crate) state: String,
    pub(crate) seconds: f64,
    /// `None` when there was no report.
    pub(crate) seconds_to_first_report: Option<f64>,
    pub(crate) references: u64,
    pub(crate) reported: u64,
    pub(crate) unchanged: u64,
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
    pub(crate) listings_failed: u64,
    pub(crate) images: u64,
    pub(crate) images_per_second: f64,
    pub(crate) distinct_layers: u64,
    pub(crate) layers_analysed: u64,
    /// 1 for a cold sweep that reads every layer once, 0 when all were known.
    pub(crate) analysed_per_distinct_layer: Option<f64>,
    pub(crate) bytes_read: u64,
    pub(crate) packages: u64,
    pub(crate) findings: u64,
    pub(crate) reports_with_problems: u64,
    /// First failures, one sentence each.
    pub(crate) failures: Vec<String>,
    /// What the registry counted, when it ran in this process.
    pub(crate) registry: Option<Counts>,
    /// The most downloads of one layer.
    pub(crate) most_downloads: Option<u64>,
    /// What the plan says.
    pub(crate) check: Option<Check>,
    /// Reports that say something else than the plan, one sentence each, when they were looked at.
    pub(crate) wrong_reports: Option<Vec<String>>,
}

/// The same numbers, from the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) references: u64,
    pub(crate) skipped: u64,
    pub(crate) images: u64,
    pub(crate) distinct_layers: u64,
    pub(crate) packages: u64,
}

/// How many failures are kept for people.
const FAILURES: usize = 10;

/// Reads a scan's events.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    first_report: Option<Duration>,
    failures: Vec<String>,
    /// The newest account, from a hint or from the end.
    summary: v1::Summary,
    state: Option<ScanState>,
}

impl Meter {
    /// Takes an event that came this long after the submission.
    pub(crate) fn take(&mut self, event: &Event, elapsed: Duration) {
        match &event.kind {
            Some(Kind::Reported(_)) => {
                self.first_report.get_or_insert(elapsed);
            }
            Some(Kind::Failed(failed)) => {
                let reference = failed.references.first().map_or("an image", String::as_str);
                self.note(format!("{reference}: {}: {}", failed.code, failed.message));
            }
            Some(Kind::ListingFailed(failed)) => {
                self.note(format!("{}: {}: {}", failed.target, failed.code, failed.message));
            }
            Some(Kind::Progress(progress)) => self.summary = progress.summary.clone().unwrap_or_default(),
            Some(Kind::Finished(finished)) => {
                self.summary = finished.summary.clone().unwrap_or_default();
                self.state = Some(finished.state());
            }
            Some(Kind::Started(_) | Kind::Skipped(_)) | None => {}
        }
    }

    fn note(&mut self, failure: String) {
        if self.failures.len() < FAILURES {
            self.failures.push(failure);
        }
    }

    /// The measurement of a sweep that took this long.
    pub(crate) fn finish(self, scan_id: String, elapsed: Duration) -> Measured {
        let summary = self.summary;
        let ledger = summary.ledger.unwrap_or_default();
        let findings = summary.findings.unwrap_or_default();
        let seconds = elapsed.as_secs_f64();
        let state = match self.state {
            Some(ScanState::Completed) => "completed",
            Some(ScanState::CompletedWithFailures) => "completed-with-failures",
            Some(ScanState::Cancelled) => "cancelled",
            Some(ScanState::Unspecified | ScanState::Running) => "unknown",
            None => "timed-out",
        };
        Measured {
            scan_id,
            state: state.to_owned(),
            seconds,
            seconds_to_first_report: self.first_report.map(|elapsed| elapsed.as_secs_f64()),
            references: ledger.enumerated,
            reported: ledger.reported,
            unchanged: ledger.unchanged,
            skipped: total(&ledger.skipped),
            failed: total(&ledger.failed),
            listings_failed: total(&ledger.listing_failed),
            images: summary.images,
            images_per_second: ratio(summary.images, seconds).unwrap_or_default(),
            distinct_layers: summary.distinct_layers,
            layers_analysed: summary.layers_analysed,
            #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
            analysed_per_distinct_layer: ratio(summary.layers_analysed, summary.distinct_layers as f64),
            bytes_read: summary.bytes_read,
            packages: summary.packages,
            findings: findings.critical
                + findings.high
                + findings.medium
                + findings.low
                + findings.negligible
                + findings.unknown,
            reports_with_problems: summary.reports_with_problems,
            failures: self.failures,
            ..Measured::default()
        }
    }
}

impl Measured {
    /// Whether every reference has its report or was skipped for a reason.
    pub(crate) fn is_complete(&self) -> bool {
        self.state == "completed"
            && self.listings_failed == 0
            && self.references == self.reported + self.unchanged + self.skipped
            && self.reported + self.unchanged > 0
    }

    /// Where the account is not what the plan says, one sentence each.
    pub(crate) fn disagreements(&self) -> Vec<String> {
        let Some(check) = &self.check else { return Vec::new() };
        let rows = [
            ("references", self.references, check.references),
            ("skipped", self.skipped, check.skipped),
            ("images", self.images, check.images),
            ("distinct layers", self.distinct_layers, check.distinct_layers),
            ("packages", self.packages, check.packages),
        ];
        let differ = rows.iter().filter(|(_, found, planned)| found != planned);
        let differ = differ.map(|(what, found, planned)| format!("{found} {what}, the plan has {planned}"));
        differ.chain(self.wrong_reports.iter().flatten().cloned()).collect()
    }
}

fn total(lines: &[LedgerLine]) -> u64 {
    lines.iter().map(|line| line.count).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(of: u64, to: f64) -> Option<f64> {
    (to > 0.0).then(|| of as f64 / to)
}

#[cfg(test)]
mod tests {
    use strata_client::v1::{
        ImageFailed, ImageReported, Ledger, Progress, ScanFinished, SeverityCounts, Summary,
    };

    use super::*;

    fn event(kind: Kind) -> Event {
        Event { kind: Some(kind), ..Event::default() }
    }

    fn summary() -> Summary {
        let line = |code: &str, count| LedgerLine { code: code.to_owned(), count };
        Summary {
            ledger: Some(Ledger {
                enumerated: 12,
                reported: 9,
                skipped: vec![line("signature", 2), line("filtered", 1)],
                ..Ledger::default()
            }),
            images: 8,
            distinct_layers: 20,
            layers_analysed: 20,
            layers_reused: 0,
            bytes_read: 5_000,
            packages: 300,
            findings: Some(SeverityCounts { critical: 1, high: 2, unknown: 3, ..SeverityCounts::default() }),
            reports_with_problems: 0,
        }
    }

    fn finished(state: ScanState, summary: Summary) -> Event {
        event(Kind::Finished(ScanFinished { state: state.into(), summary: Some(summary) }))
    }

    #[test]
    fn a_complete_sweep() {
        let mut meter = Meter::default();
        meter.take(&event(Kind::Reported(ImageReported::default())), Duration::from_millis(300));
        meter.take(&event(Kind::Reported(ImageReported::default())), Duration::from_millis(900));
        meter.take(&finished(ScanState::Completed, summary()), Duration::from_secs(2));
        let mut measured = meter.finish("s1".to_owned(), Duration::from_secs(2));
        assert_eq!((measured.state.as_str(), measured.seconds_to_first_report), ("completed", Some(0.3)));
        assert_eq!((measured.skipped, measured.failed, measured.findings), (3, 0, 6));
        assert_eq!((measured.images_per_second, measured.analysed_per_distinct_layer), (4.0, Some(1.0)));
        assert!(measured.is_complete());
        let check = Check { references: 12, skipped: 3, images: 8, distinct_layers: 20, packages: 300 };
        measured.check = Some(check.clone());
        assert_eq!(measured.disagreements(), Vec::<String>::new());
        measured.check = Some(Check { packages: 301, ..check });
        assert_eq!(measured.disagreements(), ["300 packages, the plan has 301"]);
    }

    #[test]
    fn a_sweep_is_not_complete_while_something_is_unaccounted_for() {
        let mut lost = summary();
        lost.ledger.as_mut().unwrap().reported = 8;
        let mut unlisted = summary();
        unlisted.ledger.as_mut().unwrap().listing_failed =
            vec![LedgerLine { code: "network".to_owned(), count: 1 }];
        for (state, summary) in [
            (ScanState::Completed, lost),
            (ScanState::Completed, unlisted),
            (ScanState::Completed, Summary::default()),
            (ScanState::CompletedWithFailures, summary()),
            (ScanState::Cancelled, summary()),
        ] {
            let mut meter = Meter::default();
            meter.take(&finished(state, summary), Duration::from_secs(1));
            assert!(!meter.finish(String::new(), Duration::from_secs(1)).is_complete(), "{state:?}");
        }
    }

    #[test]
    fn without_an_end_the_last_hint_counts() {
        let mut meter = Meter::default();
        let failed = ImageFailed {
            references: vec!["h/a:1".to_owned()],
            code: "not-found".to_owned(),
            message: "there is no such manifest".to_owned(),
            ..ImageFailed::default()
        };
        for _ in 0..20 {
            meter.take(&event(Kind::Failed(failed.clone())), Duration::ZERO);
        }
        let hint = Progress { summary: Some(summary()), ..Progress::default() };
        meter.take(&event(Kind::Progress(hint)), Duration::from_secs(1));
        let measured = meter.finish(String::new(), Duration::from_secs(1));
        assert_eq!((measured.state.as_str(), measured.images), ("timed-out", 8));
        assert_eq!(measured.failures.len(), FAILURES);
        assert_eq!(measured.failures[0], "h/a:1: not-found: there is no such manifest");
        assert!(!measured.is_complete());
    }
}
