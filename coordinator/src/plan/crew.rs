//! How many jobs the workers can do at once, as their outcomes tell. The windows follow it: a job that is published waits behind
//! all that were published before, whoever asked for them, so there should be no more of them than keep the workers busy.

use std::collections::BTreeMap;

use strata_proto::v1::Outcome;

/// A worker that was not heard of for so many milliseconds may be gone.
const GONE_MS: i64 = 5 * 60_000;
/// Workers that are remembered.
const MOST: usize = 10_000;
/// Published jobs for each slot: one that runs, and some on their way.
const EACH: usize = 4;
/// As long as nobody has told, and at least.
const FIRST: usize = 64;
const LEAST: usize = 32;
/// When a worker does not tell its slots.
const UNTOLD: usize = 256;

#[derive(Default)]
pub(super) struct Crew {
    workers: BTreeMap<String, Known>,
    /// The sum of these slots: asked for at every step, and there may be thousands of workers.
    slots: usize,
    /// Workers that did not tell.
    untold: usize,
    /// Workers that do not know bundles.
    plain: usize,
}

/// What a worker told.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    /// When it was heard of last.
    heard_ms: i64,
    slots: u32,
    bundles: bool,
}

impl Crew {
    pub(super) fn heard(&mut self, outcome: &Outcome, now_ms: i64) {
        // A job that the queue itself gave up has an outcome of nobody.
        if outcome.worker.is_empty() {
            return;
        }
        let told = Known { heard_ms: now_ms, slots: outcome.slots, bundles: outcome.bundles };
        let room = self.workers.len() < MOST;
        match self.workers.get_mut(&outcome.worker) {
            Some(known) => {
                let before = std::mem::replace(known, told);
                if (before.slots, before.bundles) != (told.slots, told.bundles) {
                    self.count();
                }
            }
            None if room => {
                self.workers.insert(outcome.worker.clone(), told);
                self.count();
            }
            None => {}
        }
    }

    pub(super) fn tick(&mut self, now_ms: i64) {
        let before = self.workers.len();
        self.workers.retain(|_, known| now_ms.saturating_sub(known.heard_ms) < GONE_MS);
        if self.workers.len() < before {
            self.count();
        }
    }

    fn count(&mut self) {
        let slots = self.workers.values().map(|known| usize::try_from(known.slots).unwrap_or(usize::MAX));
        self.slots = slots.fold(0, usize::saturating_add);
        self.untold = self.workers.values().filter(|known| known.slots == 0).count();
        self.plain = self.workers.values().filter(|known| !known.bundles).count();
    }

    /// Slots of workers all of which know bundles; `None` as long as one is known that does not, or none is.
    pub(super) fn bundling(&self) -> Option<usize> {
        let all = !self.workers.is_empty() && self.plain == 0 && self.untold == 0;
        all.then(|| self.slots.max(1))
    }

    /// Jobs that can be done at once, where at most so many are published; a guess until somebody tells. Never 0.
    pub(super) fn slots(&self, most: usize) -> usize {
        match (self.workers.is_empty(), self.untold) {
            (false, 0) => self.slots.max(1),
            _ => (self.window(most) / EACH).max(1),
        }
    }

    /// Jobs of one lane to be published at a time, at most `most`.
    pub(super) fn window(&self, most: usize) -> usize {
        let told = self.slots.saturating_mul(EACH);
        match (self.workers.is_empty(), self.untold) {
            (true, _) => FIRST.min(most),
            (false, 0) => told.max(LEAST).min(most),
            (false, _) => told.max(UNTOLD).min(most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(worker: &str, slots: u32, bundles: bool) -> Outcome {
        Outcome { worker: worker.to_owned(), slots, bundles, ..Outcome::default() }
    }

    #[test]
    fn jobs_are_bundled_while_every_worker_knows_bundles() {
        for (heard, slots) in [
            (&[][..], None),
            (&[("", 6, true)], None),
            (&[("a", 6, true)], Some(6)),
            (&[("a", 6, true), ("b", 10, true)], Some(16)),
            (&[("a", 6, true), ("old", 6, false)], None),
            (&[("a", 6, true), ("old", 6, false), ("old", 6, true)], Some(12)),
            (&[("a", 6, true), ("a", 6, false)], None),
            (&[("a", 0, true)], None),
        ] {
            let mut crew = Crew::default();
            for (worker, slots, bundles) in heard {
                crew.heard(&told(worker, *slots, *bundles), 0);
            }
            assert_eq!(crew.bundling(), slots, "{heard:?}");
        }
        let mut crew = Crew::default();
        crew.heard(&told("old", 6, false), 0);
        crew.heard(&told("new", 6, true), GONE_MS);
        crew.tick(GONE_MS);
        assert_eq!(crew.bundling(), Some(6), "the other one is gone");
    }

    #[test]
    fn slots_are_what_the_workers_tell_or_a_guess() {
        for (heard, slots) in [
            (&[][..], 16),
            (&[("a", 6)], 6),
            (&[("a", 6), ("b", 10)], 16),
            (&[("a", 6), ("old", 0)], 64),
            (&[("a", 600), ("old", 0)], 600),
        ] {
            let mut crew = Crew::default();
            for (worker, slots) in heard {
                crew.heard(&told(worker, *slots, false), 0);
            }
            assert_eq!(crew.slots(10_000), slots, "{heard:?}");
            assert!(crew.slots(1) > 0, "{heard:?}");
        }
    }

    #[test]
    fn the_window_follows_the_workers() {
        for (heard, now_ms, window) in [
            (&[][..], 0, 64),
            (&[("a", 6, 0)], 1, 32),
            (&[("a", 6, 0), ("b", 10, 0)], 1, 64),
            (&[("a", 6, 0), ("a", 12, 1)], 1, 48),
            (&[("a", 100, 0)], 1, 400),
            (&[("a", 6_000, 0)], 1, 10_000),
            (&[("a", 6, 0), ("old", 0, 0)], 1, 256),
            (&[("a", 6, 0), ("old", 0, 0), ("b", 90, 0)], 1, 384),
            (&[("a", 6, 0), ("old", 0, 0), ("old", 6, 1)], 1, 48),
            (&[("a", 30, 0), ("b", 30, 200_000)], 300_001, 120),
            (&[("a", 30, 0)], 300_001, 64),
        ] {
            let mut crew = Crew::default();
            for (worker, slots, at_ms) in heard {
                crew.heard(&told(worker, *slots, false), *at_ms);
            }
            crew.tick(now_ms);
            assert_eq!(crew.window(10_000), window, "{heard:?}");
            assert_eq!(crew.window(3), 3, "{heard:?}");
        }
    }
}
