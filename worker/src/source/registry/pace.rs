//! How fast one registry is asked: a pure controller, to which time is passed as an argument.
//!
//! Concurrent requests start few and double until the registry first complains; then they rise by one for each round of
//! good answers and are halved by a bad one (additive increase, multiplicative decrease). The rate is free until the
//! registry complains; then it is half of what was seen and rises by a tenth of that a second. Whatever complaints come
//! from requests that began before the last halving are about the old pace, and count once.

use std::time::Duration;

/// Bounds of the pace towards one registry, for each worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceConfig {
    /// Requests at once, at most. A quarter of them (at least one, where there are two) is kept from downloads of layers.
    pub concurrency: u32,
    /// Requests a second, at most; `None` is as many as the registry takes without complaint.
    pub rate: Option<u32>,
    /// How long a request may wait for its turn: longer waits are the planner's, where they hold no slot of the worker.
    pub patience: Duration,
}

impl Default for PaceConfig {
    fn default() -> Self {
        Self { concurrency: 32, rate: None, patience: Duration::from_secs(5) }
    }
}

/// Requests at once before anything is known of a registry.
const FIRST: u32 = 4;
/// The slowest rate, in thousandths of a request a second. Longer pauses are those that the registry names, and those that
/// double while it goes on complaining.
const SLOWEST: u64 = 2_000;
/// Above this rate (thousandths a second) there is no limit any more.
const FREE: u64 = 2_000_000;
/// Rounds of failures in a row after which the registry is left alone for a while.
const STRIKES: u32 = 3;
/// The first and the longest of those whiles.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The first and the longest pause after a complaint that names none.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The longest pause that a registry is granted.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// What came of a request, as far as the pace is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feedback {
    /// An answer, whatever it says.
    Good,
    /// 429 or 503: the registry asks to slow down, perhaps for a time.
    Busy(Option<Duration>),
    /// Another 5xx, a timeout, a broken connection.
    Fault,
    /// It says nothing about the registry: given up, refused by a rule of ours.
    Nothing,
}

/// Whether a request may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may, and is counted.
    Go,
    /// Once another one is done.
    Full,
    /// After this time, to keep the rate.
    Wait(Duration),
    /// After this time: the registry asked for it.
    Paused(Duration),
    /// After this time: the registry failed that many rounds in a row.
    Resting(Duration, u32),
}

/// The pace towards one registry.
#[derive(Debug)]
pub(super) struct Pace {
    most: u32,
    limit: u32,
    /// Good answers since the limit last rose.
    credit: u32,
    /// No complaint yet.
    fresh: bool,
    running: u32,
    downloads: u32,
    /// The most that the rate may be, thousandths a second.
    ceiling: Option<u64>,
    /// Thousandths of a request a second.
    rate: Option<u64>,
    /// The rate at the last complaint: a tenth of it is the step upwards.
    peak: u64,
    raised_at: Duration,
    /// Millionths of a request that may go at once.
    tokens: u64,
    filled_at: Duration,
    /// Requests that went since `window`, and the rate of the time before it.
    window: Duration,
    counted: u64,
    seen: u64,
    paused_until: Duration,
    resting_until: Duration,
    lowered_at: Option<Duration>,
    complaints: u32,
    strikes: u32,
}

impl Pace {
    pub(super) fn new(config: &PaceConfig) -> Self {
        let most = config.concurrency.max(1);
        let ceiling = config.rate.map(|rate| u64::from(rate.max(1)) * 1_000);
        Self {
            most,
            limit: FIRST.min(most),
            credit: 0,
            fresh: true,
            running: 0,
            downloads: 0,
            ceiling,
            rate: ceiling,
            peak: 0,
            raised_at: Duration::ZERO,
            tokens: 1_000_000,
            filled_at: Duration::ZERO,
            window: Duration::ZERO,
            counted: 0,
            seen: 0,
            paused_until: Duration::ZERO,
            resting_until: Duration::ZERO,
            lowered_at: None,
            complaints: 0,
            strikes: 0,
        }
    }

    /// Asks for a request's turn; [`Admission::Go`] must be followed by [`Self::done`].
    pub(super) fn admit(&mut self, now: Duration, download: bool) -> Admission {
        if now < self.paused_until {
            return Admission::Paused(self.paused_until - now);
        }
        if now < self.resting_until {
            return Admission::Resting(self.resting_until - now, self.strikes);
        }
        if self.running >= self.limit || (download && self.downloads >= self.for_downloads()) {
            return Admission::Full;
        }
        if let Some(wait) = self.until_token(now) {
            return Admission::Wait(wait);
        }
        self.running += 1;
        self.downloads += u32::from(download);
        self.count(now);
        Admission::Go
    }

    /// A request that went at `began` is done.
    pub(super) fn done(&mut self, now: Duration, began: Duration, download: bool, feedback: Feedback) {
        self.running = self.running.saturating_sub(1);
        self.downloads = self.downloads.saturating_sub(u32::from(download));
        match feedback {
            Feedback::Good => self.raise(now),
            Feedback::Busy(asked) => {
                if self.is_news(began) {
                    let pause = doubled(PAUSE, self.complaints);
                    self.complaints = self.complaints.saturating_add(1);
                    self.lower(now);
                    self.lower_rate(now);
                    self.paused_until =
                        self.paused_until.max(now + asked.unwrap_or(pause).min(LONGEST_PAUSE));
                } else if let Some(asked) = asked {
                    self.paused_until = self.paused_until.max(now + asked.min(LONGEST_PAUSE));
                }
            }
            Feedback::Fault => self.blame(now, began),
            Feedback::Nothing => {}
        }
    }

    /// A request that went at `began` failed, perhaps long after its turn: a download that broke.
    pub(super) fn blame(&mut self, now: Duration, began: Duration) {
        if !self.is_news(began) {
            return;
        }
        self.strikes = self.strikes.saturating_add(1);
        self.lower(now);
        if self.strikes > 1 {
            self.lower_rate(now);
        }
        if let Some(rounds) = self.strikes.checked_sub(STRIKES) {
            self.resting_until = now + doubled(REST, rounds);
        }
    }

    /// Requests that may run at once now.
    pub(super) const fn limit(&self) -> u32 {
        self.limit
    }

    const fn for_downloads(&self) -> u32 {
        let kept = self.limit / 4;
        self.limit - if kept == 0 && self.limit > 1 { 1 } else { kept }
    }

    fn is_news(&self, began: Duration) -> bool {
        self.lowered_at.is_none_or(|lowered| began >= lowered)
    }

    fn lower(&mut self, now: Duration) {
        self.fresh = false;
        self.credit = 0;
        self.limit = (self.limit / 2).max(1);
        self.lowered_at = Some(now);
    }

    fn lower_rate(&mut self, now: Duration) {
        let slowest = self.ceiling.map_or(SLOWEST, |ceiling| ceiling.min(SLOWEST));
        let current = self.rate.unwrap_or(u64::MAX).min(self.observed(now).max(slowest));
        self.peak = current;
        self.rate = Some((current / 2).max(slowest));
        self.raised_at = now;
        self.tokens = self.tokens.min(1_000_000);
        self.filled_at = now;
    }

    fn raise(&mut self, now: Duration) {
        self.complaints = 0;
        self.strikes = 0;
        self.credit += 1;
        if self.limit < self.most && (self.fresh || self.credit >= self.limit) {
            self.limit += 1;
            self.credit = 0;
        }
        let Some(rate) = self.rate else { return };
        // Time in which nothing was asked proves nothing.
        let since = millis(now.saturating_sub(self.raised_at)).min(1_000);
        let step = (self.peak / 10).max(1_000).saturating_mul(since) / 1_000;
        if step == 0 {
            return;
        }
        self.raised_at = now;
        let rate = rate.saturating_add(step);
        self.rate = match self.ceiling {
            Some(ceiling) => Some(rate.min(ceiling)),
            None if rate >= FREE => None,
            None => Some(rate),
        };
    }

    /// How long until the rate allows a request; `None` when it does, and the request is taken off.
    fn until_token(&mut self, now: Duration) -> Option<Duration> {
        const ONE: u64 = 1_000_000;
        let rate = self.rate?;
        let elapsed = micros(now.saturating_sub(self.filled_at));
        self.filled_at = self.filled_at.max(now);
        // What a quarter of a second gives may go at once.
        let burst = rate.saturating_mul(250).max(ONE);
        self.tokens = self.tokens.saturating_add(elapsed.saturating_mul(rate) / 1_000).min(burst);
        if let Some(left) = self.tokens.checked_sub(ONE) {
            self.tokens = left;
            return None;
        }
        let missing = ONE - self.tokens;
        Some(Duration::from_micros((missing.saturating_mul(1_000)).div_ceil(rate.max(1)).max(1)))
    }

    fn count(&mut self, now: Duration) {
        let elapsed = millis(now.saturating_sub(self.window));
        if elapsed >= 1_000 {
            self.seen = self.counted.saturating_mul(1_000_000) / elapsed;
            self.window = now;
            self.counted = 0;
        }
        self.counted += 1;
    }

    /// Requests a second of late, in thousandths.
    fn observed(&self, now: Duration) -> u64 {
        let elapsed = millis(now.saturating_sub(self.window)).max(1_000);
        self.seen.max(self.counted.saturating_mul(1_000_000) / elapsed)
    }
}

fn doubled((first, most): (Duration, Duration), times: u32) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(most)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
