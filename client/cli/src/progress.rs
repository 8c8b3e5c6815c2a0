//! Progress on stderr: one live area on a terminal, a plain line now and then elsewhere, nothing with `--quiet`.

mod meter;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use strata_proto::v1::Progress;

use self::meter::Meter;
use crate::settings::Settings;

/// How often a plain line is written where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// How often the live area is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(120);

/// Where progress goes.
pub struct Display {
    area: Option<ProgressBar>,
    plain: bool,
    started: Instant,
    last: Instant,
    hint: String,
    meter: Meter,
}

impl Display {
    /// For these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let area = (settings.live && !settings.quiet).then(|| {
            let area = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}\n  time      {elapsed}{prefix}")
            {
                area.set_style(style);
            }
            area.set_message("images    none known yet");
            area.enable_steady_tick(DRAWN_EVERY);
            area
        });
        Self {
            area,
            plain: !settings.live && !settings.quiet,
            started: Instant::now(),
            last: Instant::now(),
            hint: String::new(),
            meter: Meter::default(),
        }
    }

    /// Shows how far a scan is.
    pub fn update(&mut self, progress: &Progress) {
        if self.hint != progress.hint {
            self.hint.clone_from(&progress.hint);
            if !self.hint.is_empty() {
                self.note(&self.hint);
            }
        }
        let at = self.started.elapsed();
        self.meter.take(progress, at);
        if let Some(area) = &self.area {
            area.set_message(self.meter.live());
            area.set_prefix(self.meter.left(at));
        } else if self.plain && self.last.elapsed() >= PLAIN_EVERY {
            self.last = Instant::now();
            self.note(&self.meter.plain(at));
        }
    }

    /// A line for people on stderr, above the live area.
    pub fn note(&self, line: &str) {
        match &self.area {
            Some(area) => area.println(line),
            None if self.plain => {
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            None => {}
        }
    }

    /// Runs something that writes to the terminal without the live area in its way.
    pub fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.area {
            Some(area) => area.suspend(work),
            None => work(),
        }
    }

    /// Takes the live area away.
    pub fn finish(&self) {
        if let Some(area) = &self.area {
            area.finish_and_clear();
        }
    }
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
