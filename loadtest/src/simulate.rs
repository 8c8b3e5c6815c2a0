//! Sweeps of sizes that no machine here holds: the coordinator's own planner, with a model of the registry, the queue, the
//! workers and the archive around it. Events are discrete and follow from a seed; no clock decides anything, so that the
//! same scenario gives the same prediction on every machine. What the planner itself costs is measured beside it.

mod answers;
mod crew;
mod model;
#[cfg(test)]
mod tests;
mod world;

use std::time::Duration;

use serde::Serialize;

pub use self::answers::Answers;
use self::world::World;

/// What is swept, by whom, and what things cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// About this many images, shared as [`crate::content::Plan::graded`] says.
    pub images: u32,
    /// Workers.
    pub workers: u32,
    /// Jobs that each carries out at once.
    pub slots: u32,
    /// Cores of each, that its jobs share.
    pub cores: u32,
    /// Everything random follows from it.
    pub seed: u64,
    /// Whether the archive has the report of every image already.
    pub unchanged: bool,
    /// Share of jobs that fail and are tried again.
    pub failing: f64,
    /// Requests that the registry answers in a second.
    pub registry_requests: f64,
    /// Bytes that it sends in a second.
    pub registry_bytes: f64,
    /// Milliseconds from a question to its answer.
    pub latency_ms: f64,
    /// Bytes of a compressed layer that one core reads in a second.
    pub core_bytes: f64,
    /// Milliseconds of a cycle of the coordinator: what came in meanwhile is recorded together.
    pub cycle_ms: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            images: 10_000,
            workers: 10,
            slots: 6,
            cores: 2,
            seed: 1,
            unchanged: false,
            failing: 0.001,
            registry_requests: 20_000.0,
            registry_bytes: 10e9,
            latency_ms: 2.0,
            core_bytes: 120e6,
            cycle_ms: 5,
        }
    }
}

/// What the model says. The same scenario gives the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Prediction {
    /// `completed`, or what else came of it.
    pub state: String,
    /// From the submission to the end.
    pub sweep_seconds: f64,
    /// Images a second of these.
    pub images_per_second: f64,
    /// References that the ledger names.
    pub references: u64,
    /// Of these: with a new report.
    pub reported: u64,
    /// With the report that there was.
    pub unchanged: u64,
    /// Failed.
    pub failed: u64,
    /// Distinct images.
    pub images: u64,
    /// Distinct layers.
    pub distinct_layers: u64,
    /// Layers that were analysed.
    pub layers_analysed: u64,
    /// Jobs that were carried out: pages of listings.
    pub list_jobs: u64,
    /// Batches of references.
    pub resolve_jobs: u64,
    /// Layers.
    pub index_jobs: u64,
    /// Images.
    pub assess_jobs: u64,
    /// The most jobs that waited in the queue.
    pub deepest_queue: u64,
    /// The most jobs that were in the queue or with a worker.
    pub most_published: u64,
    /// Share of the workers' slots that were busy.
    pub busy: f64,
    /// Events that the archive took.
    pub events: u64,
    /// Scans' records that it took, after those of one cycle became one.
    pub scan_updates: u64,
    /// Steps of the planner.
    pub steps: u64,
}

/// A moment of a simulation, for those who watch.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Simulated seconds.
    pub seconds: f64,
    /// References that ended.
    pub ended: u64,
    /// Time that the planner took so far, on this machine's clock.
    pub planner: Duration,
}

/// Simulates a sweep to its end, and shows every so many steps to the watcher. Returns the prediction and the time that the
/// planner took on this machine.
///
/// # Errors
/// When nothing happens any more and the sweep has not ended: a defect of the planner or of the model.
pub fn run(scenario: &Scenario, watch: &mut dyn FnMut(Moment)) -> Result<(Prediction, Duration), String> {
    World::new(scenario).run(watch)
}
