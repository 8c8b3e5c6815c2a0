//! How far a scan is: counts, rates, an estimate. Pure: moments are arguments, lines are what comes out.

use std::{collections::VecDeque, time::Duration};

use strata_proto::v1::{LedgerLine, Progress, SeverityCounts, Summary};

use super::bytes;

/// Over which time rates are told.
const WINDOW: Duration = Duration::from_secs(15);
/// Before this, and before so many references, an estimate would be a guess.
const LEAST: (Duration, u64) = (Duration::from_secs(3), 3);
/// Length of the bar, in characters.
const BAR: u64 = 24;

/// Takes progress in, tells it in lines.
#[derive(Debug, Default)]
pub(super) struct Meter {
    now: Progress,
    samples: VecDeque<Sample>,
    first: Option<Sample>,
    /// When a reference that was not known before was last counted: until the listing ends, the end is not in sight.
    grew: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    bytes: u64,
    done: u64,
}

impl Meter {
    /// What the scan says, at a moment after its start.
    pub(super) fn take(&mut self, progress: &Progress, at: Duration) {
        let before = all(self.now.summary.as_ref());
        self.now = progress.clone();
        if all(self.now.summary.as_ref()) > before {
            self.grew = at;
        }
        let (done, bytes) = (self.done(), self.summary().bytes_read);
        let sample = Sample { at, bytes, done };
        self.first.get_or_insert(sample);
        self.samples.push_back(sample);
        while self.samples.len() > 2
            && self.samples.get(1).is_some_and(|old| at.saturating_sub(old.at) >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// The lines of the live area.
    pub(super) fn live(&self) -> String {
        let (done, all) = (self.done(), all(self.now.summary.as_ref()).max(self.done()));
        let summary = self.summary();
        if all == 0 {
            return format!("images    none listed yet{}", self.failed());
        }
        let filled = (BAR * done).checked_div(all).unwrap_or(0);
        let bar: String = (0..BAR).map(|at| if at < filled { '#' } else { '.' }).collect();
        let percent = (100 * done).checked_div(all).unwrap_or(0);
        format!(
            "images    {done} of {all}  [{bar}] {percent} %{}\n  layers    {}, {}\n  findings  {}",
            self.failed(),
            layers(&summary, self.now.layers_pending),
            self.read(&summary),
            found(&summary.findings.unwrap_or_default()),
        )
    }

    /// `, about 4:10 left`, or nothing where that is not known.
    pub(super) fn left(&self, at: Duration) -> String {
        self.estimate(at).map_or_else(String::new, |left| format!(", about {} left", clock(left)))
    }

    /// All of it in one line.
    pub(super) fn plain(&self, at: Duration) -> String {
        let summary = self.summary();
        format!(
            "{} of {} references done{}, {}, {}, {}{}",
            self.done(),
            all(self.now.summary.as_ref()),
            self.failed(),
            layers(&summary, self.now.layers_pending),
            self.read(&summary),
            found(&summary.findings.unwrap_or_default()),
            self.left(at)
        )
    }

    fn summary(&self) -> Summary {
        self.now.summary.clone().unwrap_or_default()
    }

    fn done(&self) -> u64 {
        let ledger = self.summary().ledger.unwrap_or_default();
        ledger.reported
            + ledger.unchanged
            + sum(&ledger.skipped)
            + sum(&ledger.unsupported)
            + sum(&ledger.failed)
    }

    fn failed(&self) -> String {
        let ledger = self.summary().ledger.unwrap_or_default();
        match sum(&ledger.failed) + sum(&ledger.listing_failed) {
            0 => String::new(),
            failed => format!(", {failed} FAILED"),
        }
    }

    fn read(&self, summary: &Summary) -> String {
        let rate = self.rate().filter(|rate| *rate > 0);
        let rate = rate.map_or_else(String::new, |rate| format!(" at {}/s", bytes(rate)));
        format!("{} read{rate}", bytes(summary.bytes_read))
    }

    /// Bytes a second over the window.
    fn rate(&self) -> Option<u64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let milliseconds = u64::try_from(last.at.saturating_sub(first.at).as_millis()).ok()?;
        let bytes = last.bytes.saturating_sub(first.bytes);
        bytes.saturating_mul(1000).checked_div(milliseconds)
    }

    /// What is left at the pace since the start; not while the registry is still being listed.
    fn estimate(&self, at: Duration) -> Option<Duration> {
        let first = self.first?;
        let (spent, done) = (at.saturating_sub(first.at), self.done().saturating_sub(first.done));
        let pending = all(self.now.summary.as_ref()).saturating_sub(self.done());
        let listing = at.saturating_sub(self.grew) < LEAST.0;
        if spent < LEAST.0 || done < LEAST.1 || pending == 0 || listing {
            return None;
        }
        let seconds = spent.as_secs().max(1).saturating_mul(pending).checked_div(done)?;
        Some(Duration::from_secs(seconds))
    }
}

fn all(summary: Option<&Summary>) -> u64 {
    summary.and_then(|summary| summary.ledger.as_ref()).map_or(0, |ledger| ledger.enumerated)
}

fn sum(lines: &[LedgerLine]) -> u64 {
    lines.iter().map(|line| line.count).sum()
}

fn layers(summary: &Summary, pending: u64) -> String {
    format!("{} layers analysed, {} reused, {pending} to do", summary.layers_analysed, summary.layers_reused)
}

fn found(counts: &SeverityCounts) -> String {
    let total = counts.total();
    if counts.critical + counts.high == 0 {
        return format!("{total} findings");
    }
    format!("{total} findings ({} critical, {} high)", counts.critical, counts.high)
}

/// `0:07`, `12:30`, `2:05:00`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::Ledger;

    use super::*;

    fn progress(done: u64, all: u64, failed: u64, bytes_read: u64) -> Progress {
        let failed = (failed > 0).then(|| LedgerLine { code: "network".to_owned(), count: failed });
        let ledger = Ledger {
            enumerated: all,
            reported: done,
            failed: failed.into_iter().collect(),
            ..Ledger::default()
        };
        let findings = SeverityCounts { critical: 2, high: 11, low: 40, ..SeverityCounts::default() };
        let summary = Summary {
            ledger: Some(ledger),
            layers_analysed: 34,
            layers_reused: 12,
            bytes_read,
            findings: Some(findings),
            ..Summary::default()
        };
        Progress { summary: Some(summary), layers_pending: 9, ..Progress::default() }
    }

    /// After progress at these seconds: done, all, failed, megabytes.
    fn after(steps: &[(u64, u64, u64, u64, u64)]) -> (Meter, Duration) {
        let mut meter = Meter::default();
        for (at, done, all, failed, megabytes) in steps {
            let at = Duration::from_secs(*at);
            meter.take(&progress(*done, *all, *failed, megabytes * 1_000_000), at);
        }
        (meter, Duration::from_secs(steps.last().expect("a step").0))
    }

    #[test]
    fn everything_stands_in_the_live_area() {
        let (meter, at) = after(&[(0, 0, 40, 0, 0), (10, 11, 40, 1, 50)]);
        assert_eq!(
            format!("{}{}", meter.live(), meter.left(at)),
            "images    12 of 40  [#######.................] 30 %, 1 FAILED\n  \
             layers    34 layers analysed, 12 reused, 9 to do, 50.0 MB read at 5.0 MB/s\n  \
             findings  53 findings (2 critical, 11 high), about 0:23 left"
        );
        assert_eq!(
            meter.plain(at),
            "12 of 40 references done, 1 FAILED, 34 layers analysed, 12 reused, 9 to do, 50.0 MB read at 5.0 MB/s, \
             53 findings (2 critical, 11 high), about 0:23 left"
        );
        assert!(meter.live().lines().all(|line| line.chars().count() < 80));
    }

    #[test]
    fn an_estimate_is_told_when_there_is_ground_for_it() {
        for (steps, left) in [
            // Nothing yet, too early, too few.
            (&[(0, 0, 0, 0, 0)][..], ""),
            (&[(0, 0, 100, 0, 0), (2, 50, 100, 0, 0)], ""),
            (&[(0, 0, 100, 0, 0), (60, 2, 100, 0, 0)], ""),
            // The registry is still being listed.
            (&[(0, 0, 100, 0, 0), (60, 50, 200, 0, 0)], ""),
            // Half in a minute; a tenth in two hours; over.
            (&[(0, 0, 100, 0, 0), (60, 50, 100, 0, 0)], ", about 1:00 left"),
            (&[(0, 0, 100, 0, 0), (7200, 10, 100, 0, 0)], ", about 18:00:00 left"),
            (&[(0, 0, 100, 0, 0), (60, 100, 100, 0, 0)], ""),
            // What was done before this looked says nothing of the pace.
            (&[(0, 900, 1000, 0, 0), (10, 950, 1000, 0, 0)], ", about 0:10 left"),
        ] {
            let (meter, at) = after(steps);
            assert_eq!(meter.left(at), left, "{steps:?}");
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let (meter, _) =
            after(&[(0, 0, 9, 0, 0), (10, 1, 9, 0, 1000), (30, 1, 9, 0, 1000), (40, 2, 9, 0, 1020)]);
        assert!(meter.live().contains("1.0 GB read at 666.6 kB/s"), "{}", meter.live());
        let (meter, _) = after(&[(0, 0, 9, 0, 5), (20, 0, 9, 0, 5)]);
        assert!(meter.live().contains("5.0 MB read\n"), "nothing comes: {}", meter.live());
        let (meter, _) = after(&[(5, 0, 9, 0, 5)]);
        assert!(meter.live().contains("5.0 MB read\n"), "one moment is no rate: {}", meter.live());
    }
}
