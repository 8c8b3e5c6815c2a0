//! How often something is tried again, and how long is waited in between.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

use tonic::Status;

/// How often, and after which waits, a broken stream or a failed call is tried again. The waits double, and each is drawn at
/// random from the upper half of its length, so that clients that lost one server do not come back at one moment.
///
/// ```
/// use std::time::Duration;
/// use strata_client::RetryPolicy;
///
/// let patient = RetryPolicy { attempts: 10, longest: Duration::from_secs(30), ..RetryPolicy::calls() };
/// assert_eq!(patient.shortest, RetryPolicy::calls().shortest);
/// assert_eq!(RetryPolicy::never().attempts, 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in a row after the first, without a success in between; 0 gives up at the first failure.
    pub attempts: u32,
    /// Wait before the first further attempt; doubles up to `longest`.
    pub shortest: Duration,
    /// Longest wait between two attempts.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::streams()
    }
}

impl RetryPolicy {
    /// For streams: some two minutes, in which a coordinator is replaced.
    #[must_use]
    pub const fn streams() -> Self {
        Self { attempts: 30, shortest: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }

    /// For calls: a second or so, for what passes at once.
    #[must_use]
    pub const fn calls() -> Self {
        Self { attempts: 3, shortest: Duration::from_millis(100), longest: Duration::from_secs(2) }
    }

    /// Nothing is tried again.
    #[must_use]
    pub const fn never() -> Self {
        Self { attempts: 0, ..Self::calls() }
    }

    /// The wait before the further attempt of that number, the first being 0.
    pub(crate) fn wait(&self, attempt: u32) -> Duration {
        let whole = self.shortest.saturating_mul(1 << attempt.min(16)).min(self.longest);
        let half = whole / 2;
        half + half.mul_f64(f64::from(u16::try_from(random() & 0xffff).unwrap_or(0)) / f64::from(u16::MAX))
    }
}

/// What a server says about coming back: `grpc-retry-pushback-ms`, as gRPC's retry design names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushback {
    /// Nothing.
    Silent,
    /// After this, not before.
    After(Duration),
    /// Not at all.
    Never,
}

impl Pushback {
    pub(crate) fn of(status: &Status) -> Self {
        let Some(value) = status.metadata().get("grpc-retry-pushback-ms") else { return Self::Silent };
        // What is negative or no number means: do not.
        let milliseconds = value.to_str().ok().and_then(|text| text.trim().parse::<u32>().ok());
        milliseconds.map_or(Self::Never, |wait| Self::After(Duration::from_millis(u64::from(wait))))
    }
}

/// 64 bits of the operating system's randomness.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_bounds_and_differ() {
        let policy = RetryPolicy {
            attempts: 9,
            shortest: Duration::from_millis(100),
            longest: Duration::from_millis(1000),
        };
        for (attempt, whole) in
            [(0, 100), (1, 200), (2, 400), (3, 800), (4, 1000), (5, 1000), (u32::MAX, 1000)]
        {
            let waits: Vec<_> = (0..50).map(|_| policy.wait(attempt)).collect();
            let (least, most) = (Duration::from_millis(whole / 2), Duration::from_millis(whole));
            assert!(waits.iter().all(|wait| (least..=most).contains(wait)), "{attempt}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{attempt}: no two clients wait alike");
        }
    }

    #[test]
    fn a_server_may_say_when() {
        for (value, expected) in [
            (None, Pushback::Silent),
            (Some("250"), Pushback::After(Duration::from_millis(250))),
            (Some("-1"), Pushback::Never),
            (Some("soon"), Pushback::Never),
            (Some("99999999999999999999"), Pushback::Never),
        ] {
            let mut status = Status::unavailable("busy");
            if let Some(value) = value {
                status.metadata_mut().insert("grpc-retry-pushback-ms", value.parse().expect("a value"));
            }
            assert_eq!(Pushback::of(&status), expected, "{value:?}");
        }
    }
}
