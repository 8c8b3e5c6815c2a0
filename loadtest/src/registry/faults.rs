//! Faults on purpose. Whether the n-th request of a path fails depends on the seed, the path and n alone, so a run can
//! be repeated whatever the order in which its requests arrive.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::random::{mix, mix_text, unit};

/// How many paths are remembered before the count of attempts starts again.
const PATHS: usize = 1_000_000;

/// What a registry does wrong. Probabilities are from 0 to 1 and exclude each other: their sum is the share of requests
/// that fail. The login endpoints and `/v2/` never fail.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Which requests fail follows from it.
    pub seed: u64,
    /// Time before every answer.
    pub latency: Duration,
    /// Bytes a second of each body; `None` is as fast as it goes.
    pub bandwidth: Option<u64>,
    /// 429 with Retry-After.
    pub too_many_requests: f64,
    /// What Retry-After says; whole seconds.
    pub retry_after: Duration,
    /// 500.
    pub server_error: f64,
    /// The connection closes after half of the body.
    pub truncated: f64,
    /// A byte of the body is wrong.
    pub corrupted: f64,
    /// Half of the body, then nothing more for ever.
    pub stalled: f64,
    /// At most this many faults for each path, so that trying again helps in the end; 0 is without end.
    pub per_path: u32,
}

impl Default for Faults {
    /// Nothing goes wrong.
    fn default() -> Self {
        Self {
            seed: 0,
            latency: Duration::ZERO,
            bandwidth: None,
            too_many_requests: 0.0,
            retry_after: Duration::from_secs(1),
            server_error: 0.0,
            truncated: 0.0,
            corrupted: 0.0,
            stalled: 0.0,
            per_path: 0,
        }
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    TooManyRequests,
    ServerError,
    Truncated,
    Corrupted,
    Stalled,
}

/// Decides for each request.
pub(crate) struct Injector {
    state: Mutex<State>,
}

struct State {
    faults: Faults,
    /// Attempts and faults so far, by the hash of the path.
    paths: HashMap<u64, (u64, u32)>,
}

impl Injector {
    pub(crate) fn new(faults: Faults) -> Self {
        Self { state: Mutex::new(State { faults, paths: HashMap::new() }) }
    }

    pub(crate) fn set(&self, faults: Faults) {
        let mut state = self.lock();
        state.faults = faults;
        state.paths.clear();
    }

    pub(crate) fn faults(&self) -> Faults {
        self.lock().faults.clone()
    }

    /// What goes wrong with this request of a path, if anything does.
    pub(crate) fn next(&self, path: &str) -> Option<Fault> {
        let mut state = self.lock();
        let State { faults, paths } = &mut *state;
        let table = table(faults);
        if table.iter().all(|(share, _)| *share <= 0.0) {
            return None;
        }
        if paths.len() > PATHS {
            paths.clear();
        }
        let path = mix_text(faults.seed, path);
        let (attempt, failed) = paths.entry(path).or_default();
        *attempt += 1;
        if faults.per_path > 0 && *failed >= faults.per_path {
            return None;
        }
        let mut left = unit(mix(path, &[*attempt]));
        for (share, fault) in table {
            if left < share {
                *failed += 1;
                return Some(fault);
            }
            left -= share;
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn table(faults: &Faults) -> [(f64, Fault); 5] {
    [
        (faults.too_many_requests, Fault::TooManyRequests),
        (faults.server_error, Fault::ServerError),
        (faults.truncated, Fault::Truncated),
        (faults.corrupted, Fault::Corrupted),
        (faults.stalled, Fault::Stalled),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(faults: &Faults, paths: &[&str]) -> Vec<Option<Fault>> {
        let injector = Injector::new(faults.clone());
        paths.iter().map(|path| injector.next(path)).collect()
    }

    #[test]
    fn the_same_seed_fails_the_same_requests_in_any_order() {
        let faults = Faults { seed: 7, too_many_requests: 0.3, truncated: 0.3, ..Faults::default() };
        let a = run(&faults, &["/a"; 50]);
        assert_eq!(a, run(&faults, &["/a"; 50]));
        let mixed: Vec<_> = std::iter::repeat_n(["/b", "/a"], 50).flatten().collect();
        let alone: Vec<_> = run(&faults, &mixed).into_iter().skip(1).step_by(2).collect();
        assert_eq!(a, alone, "requests of other paths do not matter");
        assert_ne!(a, run(&Faults { seed: 8, ..faults.clone() }, &["/a"; 50]));
        assert!(
            a.contains(&Some(Fault::TooManyRequests))
                && a.contains(&Some(Fault::Truncated))
                && a.contains(&None)
        );
    }

    #[test]
    fn shares_and_bounds() {
        let faults = Faults { server_error: 0.25, ..Faults::default() };
        let failed = run(&faults, &["/a"; 4000]).into_iter().flatten().count();
        assert!((900..1100).contains(&failed), "{failed} of 4000");
        let bounded = Faults { server_error: 1.0, per_path: 2, ..Faults::default() };
        assert_eq!(run(&bounded, &["/a", "/a", "/a", "/b"]).iter().flatten().count(), 3);
        assert_eq!(run(&Faults::default(), &["/a"]), [None]);
    }
}
