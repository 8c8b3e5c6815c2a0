//! The model's workers without its time: what a job gives, at once.

use strata_proto::v1::{Job, outcome};

use super::{Scenario, model::Model};

/// Answers jobs out of the model.
pub struct Answers(Model);

impl Answers {
    /// Of a scenario's registry; nothing is cached yet, and nothing fails.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self(Model::new(scenario))
    }

    /// What a job gives.
    pub fn answer(&mut self, job: &Job) -> outcome::Result {
        self.0.result(job)
    }
}
