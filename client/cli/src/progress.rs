//! Progress on stderr: one live line on a terminal, a plain line now and then elsewhere, nothing with `--quiet`.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use strata_proto::v1::{Progress, Summary};

use crate::settings::Settings;

/// How often a plain line is written where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Where progress goes.
pub struct Display {
    bar: Option<ProgressBar>,
    plain: bool,
    last: Instant,
    hint: String,
}

impl Display {
    /// For these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let bar = (settings.live && !settings.quiet).then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let style =
                ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} images  {msg}  {elapsed}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, plain: !settings.live && !settings.quiet, last: Instant::now(), hint: String::new() }
    }

    /// Shows how far a scan is.
    pub fn update(&mut self, progress: &Progress) {
        let summary = progress.summary.clone().unwrap_or_default();
        let (done, all) = counts(&summary);
        if self.hint != progress.hint {
            self.hint.clone_from(&progress.hint);
            if !self.hint.is_empty() {
                self.note(&self.hint);
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_length(all.max(done));
            bar.set_position(done);
            bar.set_message(describe(&summary, progress.layers_pending));
        } else if self.plain && self.last.elapsed() >= PLAIN_EVERY {
            self.last = Instant::now();
            self.note(&format!(
                "{done} of {all} references done, {}",
                describe(&summary, progress.layers_pending)
            ));
        }
    }

    /// A line for people on stderr, above the bar.
    pub fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None if self.plain => {
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            None => {}
        }
    }

    /// Runs something that writes to the terminal without the bar in its way.
    pub fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn counts(summary: &Summary) -> (u64, u64) {
    let ledger = summary.ledger.clone().unwrap_or_default();
    let sum = |lines: &[strata_proto::v1::LedgerLine]| lines.iter().map(|line| line.count).sum::<u64>();
    (ledger.reported + ledger.unchanged + sum(&ledger.skipped) + sum(&ledger.failed), ledger.enumerated)
}

fn describe(summary: &Summary, layers_pending: u64) -> String {
    let findings = summary.findings.unwrap_or_default().total();
    format!(
        "{} layers analysed, {} reused, {layers_pending} to do, {} read, {findings} findings",
        summary.layers_analysed,
        summary.layers_reused,
        bytes(summary.bytes_read)
    )
}

/// Bytes for people: `51.1 MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    units.iter().find(|(unit, _)| count >= *unit).map_or_else(
        || format!("{count} B"),
        |(unit, name)| format!("{}.{} {name}", count / unit, count % unit / (unit / 10)),
    )
}
