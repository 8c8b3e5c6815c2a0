//! What a job's failures allow: another attempt and when, or none. Pure: a budget in, a verdict out.
//!
//! | failure | counts as an attempt | the next one |
//! |---|---|---|
//! | for good | | none |
//! | `busy`: the registry was not asked at all; `cancelled`: given up by one who did not know that it is wanted again; `apart`, `bundle-died`: its bundle was not carried out | no | after what it names, or the pause |
//! | `other-analysis`: the worker that had it is not one of those that it is for (`pin.rs`) | no | soon |
//! | the other side asked to wait (`rate-limited`, or a `Retry-After`) | no, until the patience is used up | then, or later |
//! | any other that may pass | yes | after a pause that doubles |

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use strata_proto::{
    subject::{APART, BUNDLE_DIED},
    v1::{Failure, Retry},
};

use super::PlanConfig;

/// What a job has used up so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Budget {
    /// Attempts that failed.
    pub(super) attempts: u32,
    /// Times that it was asked to wait, and the milliseconds that it did.
    waits: u32,
    waited_ms: u64,
}

/// What comes of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Another attempt after that many milliseconds.
    Again(u64),
    /// No attempt is left.
    GiveUp,
}

/// How a failure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Never,
    /// Nothing was tried: its turn did not come.
    Turn,
    /// The other side asked for time.
    Asked,
    Later,
}

impl Class {
    pub(super) fn of(failure: &Failure) -> Self {
        match failure.code.as_str() {
            _ if failure.retry() == Retry::Never => Self::Never,
            "busy" | "cancelled" | APART | BUNDLE_DIED => Self::Turn,
            "rate-limited" => Self::Asked,
            _ if failure.retry_after_ms > 0 => Self::Asked,
            _ => Self::Later,
        }
    }
}

impl Budget {
    /// What has used up the more of each.
    pub(super) fn worse(self, other: Self) -> Self {
        Self {
            attempts: self.attempts.max(other.attempts),
            waits: self.waits.max(other.waits),
            waited_ms: self.waited_ms.max(other.waited_ms),
        }
    }

    /// Counts a failure. `seed` spreads jobs that failed together; `attempts` is how many there may be.
    pub(super) fn spend(
        &mut self,
        failure: &Failure,
        seed: &str,
        attempts: u32,
        config: &PlanConfig,
    ) -> Verdict {
        let most = config.backoff_most_ms.saturating_mul(10);
        let asked = failure.retry_after_ms.min(most);
        match Class::of(failure) {
            Class::Never => Verdict::GiveUp,
            Class::Turn => Verdict::Again(asked.saturating_add(pause(seed, 1, config))),
            Class::Asked => {
                self.waits = self.waits.saturating_add(1);
                // Not all at the very moment that the other side named.
                let spread = hash(seed, self.waits) % (asked / 4).clamp(1, 15_000);
                let wait = pause(seed, self.waits, config).max(asked + spread);
                self.waited_ms = self.waited_ms.saturating_add(wait);
                if self.waited_ms > config.patience_ms { Verdict::GiveUp } else { Verdict::Again(wait) }
            }
            Class::Later => {
                self.attempts = self.attempts.saturating_add(1);
                if self.attempts >= attempts {
                    return Verdict::GiveUp;
                }
                Verdict::Again(pause(seed, self.attempts, config))
            }
        }
    }
}

/// How long to wait before the next attempt, in milliseconds: doubled each time, and spread over its upper half by a hash,
/// so that jobs which failed together do not come back together.
fn pause(seed: &str, times: u32, config: &PlanConfig) -> u64 {
    let doubled = config.backoff_first_ms.saturating_mul(1 << times.saturating_sub(1).min(30));
    spread(seed, times, doubled.min(config.backoff_most_ms))
}

/// Somewhere in the upper half of so many milliseconds.
pub(super) fn spread(seed: &str, times: u32, most: u64) -> u64 {
    most / 2 + hash(seed, times) % (most / 2 + 1)
}

fn hash(seed: &str, times: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, times).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failure(code: &str, retry: Retry, asked: u64) -> Failure {
        let mut failure = Failure { code: code.to_owned(), retry_after_ms: asked, ..Failure::default() };
        failure.set_retry(retry);
        failure
    }

    #[test]
    fn failures_and_what_comes_of_them() {
        let config = PlanConfig::default();
        // Code, retry, what was asked for, attempts before; then whether it counts, and the bounds of the wait.
        for (code, retry, asked, before, counts, wait) in [
            ("not-found", Retry::Never, 0, 0, 0, None),
            ("unauthorized", Retry::Never, 5_000, 0, 0, None),
            ("digest-mismatch", Retry::Never, 0, 0, 0, None),
            ("malformed", Retry::Never, 0, 0, 0, None),
            ("limit", Retry::Never, 0, 0, 0, None),
            ("network", Retry::Later, 0, 0, 1, Some((500, 1_000))),
            ("network", Retry::Later, 0, 1, 1, Some((1_000, 2_000))),
            ("network", Retry::Later, 0, 3, 1, Some((4_000, 8_000))),
            ("network", Retry::Later, 0, 4, 1, None),
            ("cache", Retry::Later, 0, 0, 1, Some((500, 1_000))),
            ("network", Retry::Later, 7_000, 4, 0, Some((7_000, 8_750))),
            ("rate-limited", Retry::Later, 0, 4, 0, Some((500, 1_000))),
            ("rate-limited", Retry::Later, 60_000, 4, 0, Some((60_000, 75_000))),
            ("rate-limited", Retry::Later, u64::MAX, 0, 0, Some((600_000, 615_000))),
            ("busy", Retry::Later, 2_000, 4, 0, Some((2_500, 3_000))),
            (APART, Retry::Later, 0, 4, 0, Some((500, 1_000))),
            (BUNDLE_DIED, Retry::Later, 0, 4, 0, Some((500, 1_000))),
            ("", Retry::Unspecified, 0, 0, 1, Some((500, 1_000))),
        ] {
            let mut budget = Budget { attempts: before, ..Budget::default() };
            let verdict = budget.spend(&failure(code, retry, asked), "key", config.attempts, &config);
            assert_eq!(budget.attempts, before + counts, "{code} {asked} {before}");
            match (verdict, wait) {
                (Verdict::GiveUp, None) => {}
                (Verdict::Again(ms), Some((least, most))) => {
                    assert!((least..=most).contains(&ms), "{code} {asked} {before}: {ms}");
                }
                _ => panic!("{code} {asked} {before}: {verdict:?}, not {wait:?}"),
            }
        }
    }

    #[test]
    fn patience_with_one_who_always_asks_for_time_ends() {
        let config = PlanConfig::default();
        for asked in [0, 1_000, 3_600_000] {
            let mut budget = Budget::default();
            let mut waited = 0;
            while let Verdict::Again(ms) =
                budget.spend(&failure("rate-limited", Retry::Later, asked), "key", 5, &config)
            {
                waited += ms;
                assert!(waited <= config.patience_ms);
            }
            assert!(waited >= config.patience_ms / 2, "{asked}: {waited}");
        }
    }

    proptest! {
        #[test]
        fn jobs_that_failed_together_come_back_apart_and_within_bounds(
            seeds in proptest::collection::hash_set("[a-z]{8}", 20..40),
            times in 0_u32..12,
        ) {
            let config = PlanConfig::default();
            let mut waits = std::collections::BTreeSet::new();
            for seed in &seeds {
                let mut budget = Budget { attempts: times, ..Budget::default() };
                match budget.spend(&failure("network", Retry::Later, 0), seed, 100, &config) {
                    Verdict::Again(ms) => {
                        prop_assert!(ms <= config.backoff_most_ms);
                        waits.insert(ms);
                    }
                    Verdict::GiveUp => prop_assert!(false),
                }
            }
            prop_assert!(waits.len() > seeds.len() / 2);
        }
    }
}
