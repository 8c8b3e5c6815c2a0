//! Bundles: each job is done as if it had come by itself.

use strata_proto::v1::{Bundled, BundledOutcome, Failure, Job, Retry, job::Verb, outcome};

use super::State;

impl State {
    /// Does a bundle; returns any other job.
    pub(super) fn work_bundle(&mut self, job: Job) -> Option<Job> {
        let Some(Verb::Bundle(bundle)) = &job.verb else { return Some(job) };
        self.verbs.insert(job.key.clone(), "bundle");
        if self.refuses_bundles {
            let mut failure = Failure { code: "malformed".to_owned(), ..Failure::default() };
            failure.set_retry(Retry::Never);
            self.answer(job.key, outcome::Result::Failure(failure));
            return None;
        }
        let before = self.outcomes.len();
        bundle.jobs.iter().filter_map(|bundled| bundled.job.clone()).for_each(|job| self.work(job));
        let outcomes = self.outcomes.drain(before..);
        let outcomes =
            outcomes.map(|outcome| BundledOutcome { outcome: Some(outcome), ..BundledOutcome::default() });
        let bundled = Bundled { outcomes: outcomes.collect() };
        self.answer(job.key, outcome::Result::Bundled(bundled));
        None
    }
}
