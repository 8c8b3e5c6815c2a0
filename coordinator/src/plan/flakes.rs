//! An image's budget: what its jobs may fail together. Each job has a budget of its own (`retry.rs`), which bounds one layer and
//! says nothing of forty.
//!
//! What fails within one spell counts once: a registry that restarts fails forty layers at the same time, and that is one
//! misfortune. A spell lasts a second first and doubles from there, as the pauses between attempts do. An image may have as many
//! as a job of it has attempts, and one more for each of its layers: a large image meets more of them by chance alone. So forty
//! layers outlast what one outlasts, a registry that fails now and then costs no image, and one that never lets an image
//! through costs it about `layers` minutes and not `layers` times everything.

use strata_proto::v1::Failure;

use super::{
    Plan, PlanConfig,
    image::ImageKey,
    resolve::words,
    work::{Key, Task},
};

/// Spells of failures that an image had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flakes {
    spells: u32,
    /// Until when what fails belongs to the last one.
    until_ms: i64,
}

impl Flakes {
    /// Counts a failure. False when there were more than `most` spells.
    fn count(&mut self, now_ms: i64, most: u32, config: &PlanConfig) -> bool {
        if self.spells == 0 || now_ms >= self.until_ms {
            let doubled = config.backoff_first_ms.saturating_mul(1 << self.spells.min(30));
            let length = doubled.clamp(1, config.backoff_most_ms.max(1));
            self.spells = self.spells.saturating_add(1);
            self.until_ms = now_ms.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
        }
        self.spells <= most
    }
}

impl Plan {
    /// Charges an attempt that failed, and will come again, to the images that wait for it. Those whose budget is used up fail.
    pub(super) fn charge(&mut self, key: &Key, failure: &Failure) {
        let Some(work) = self.works.get(key) else { return };
        let attempts = self.config.attempts_of(work.job.lane());
        let waiting: Vec<ImageKey> = match &work.task {
            Task::Index(of) => {
                self.layers.get(of).map(|layer| layer.waiting().cloned().collect()).unwrap_or_default()
            }
            Task::Assess(image) | Task::Refresh(image) => vec![image.clone()],
            Task::List { .. } | Task::Resolve { .. } => return,
        };
        for key in waiting {
            let Some(image) = self.images.get_mut(&key) else { continue };
            let layers = u32::try_from(image.parts.len()).unwrap_or(u32::MAX);
            let most = attempts.saturating_add(layers);
            if image.flakes.count(self.now_ms, most, &self.config) {
                continue;
            }
            let message = format!(
                "image {}: its {} layers failed too often, {most} times apart from each other; the last time: {}",
                image.reference,
                image.parts.len(),
                words(failure)
            );
            self.fail_image(&key, &failure.code, &message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When failures come, in milliseconds.
    fn every(pause: i64, times: i64) -> Vec<i64> {
        (0..times).map(|time| time * pause).collect()
    }

    /// Forty layers that fail together, and again after each of a job's longest pauses, a little apart from each other.
    fn together(attempts: u32) -> Vec<i64> {
        let mut all = Vec::new();
        let mut begin = 0;
        for attempt in 0..attempts {
            all.extend((0..40).map(|layer| begin + layer * 10));
            begin += 1_000_i64 << attempt;
        }
        all
    }

    #[test]
    fn what_an_image_may_fail() {
        let config = PlanConfig::default();
        for (what, layers, failures, survives) in [
            ("a flake", 1, vec![0], true),
            ("a flake of each of forty layers, one after the other", 40, every(1_000, 40), true),
            ("a registry that restarts for two minutes", 40, together(7), true),
            ("a registry that fails for a moment", 1, every(10, 500), true),
            ("twelve flakes a minute for half an hour", 40, every(5_000, 360), true),
            ("a flake a minute for half an hour", 40, every(60_000, 30), true),
            ("a flake a minute for half an hour", 1, every(60_000, 30), false),
            ("a flake a minute for an hour and a half", 40, every(60_000, 90), false),
            ("a registry that never lets it through", 40, every(2_000, 3_000), false),
            ("no layer, and an assessment that fails for ever", 0, every(60_000, 9), false),
        ] {
            let mut flakes = Flakes::default();
            let most = config.sweep_attempts + layers;
            let survived = failures.iter().all(|at| flakes.count(*at, most, &config));
            assert_eq!(survived, survives, "{what} ({layers} layers): {flakes:?}");
        }
    }
}
