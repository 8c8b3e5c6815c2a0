//! What every job queue must do, whichever pair of adapters makes it.

mod channel;
pub(crate) mod nats;
mod suite;

use std::{any::Any, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use strata_coordinator::ports::JobQueue;
use strata_proto::{
    trace::TraceHeaders,
    v1::{
        Bundle, Bundled, BundledJob, BundledOutcome, IndexJob, Indexed, Job, Lane, Outcome, job::Verb,
        outcome,
    },
};
use strata_worker::ports::{Delivery, JobSource, OutcomeSink};

/// Both sides of one queue.
pub(crate) struct Pair {
    pub(crate) queue: Arc<dyn JobQueue>,
    pub(crate) source: Arc<dyn JobSource>,
    pub(crate) sink: Arc<dyn OutcomeSink>,
    /// Reads the dead letters: key and reason.
    pub(crate) dead: Dead,
    /// How long the queue waits for a sign of life from a worker.
    pub(crate) ack_wait: Duration,
    /// What must live as long as the queue: a server.
    pub(crate) _keep: Box<dyn Any + Send + Sync>,
}

pub(crate) type Dead = Box<dyn Fn() -> BoxFuture<'static, Vec<(String, String)>> + Send + Sync>;

/// An index job; its key is made of the name.
pub(crate) fn job(name: &str, lane: Lane) -> Job {
    let mut job = Job {
        wire_version: strata_proto::WIRE_VERSION,
        key: strata_proto::subject::key_of(&[name]),
        scan_id: "scan-1".to_owned(),
        verb: Some(Verb::Index(IndexJob {
            digest: format!("sha256:{name}"),
            size: 7,
            ..IndexJob::default()
        })),
        ..Job::default()
    };
    job.set_lane(lane);
    job
}

/// Several index jobs in one.
pub(crate) fn bundle(names: &[&str]) -> Job {
    let jobs = names
        .iter()
        .map(|name| BundledJob { job: Some(job(name, Lane::Sweep)), trace: trace(name).to_properties() });
    let verb = Verb::Bundle(Bundle { jobs: jobs.collect() });
    Job { key: strata_proto::subject::key_of(names), verb: Some(verb), ..job("", Lane::Sweep) }
}

/// The outcome of a delivered bundle.
pub(crate) fn bundled(delivery: &Delivery) -> Outcome {
    let Some(Verb::Bundle(bundle)) = &delivery.job.verb else { panic!("no bundle: {:?}", delivery.job) };
    let around = outcome(delivery);
    let one = |one: &BundledJob| BundledOutcome {
        outcome: one.job.as_ref().map(|job| Outcome {
            key: job.key.clone(),
            result: around.result.clone(),
            ..Outcome::default()
        }),
        trace: one.trace.clone(),
    };
    let bundled = Bundled { outcomes: bundle.jobs.iter().map(one).collect() };
    Outcome { result: Some(outcome::Result::Bundled(bundled)), ..around }
}

/// The outcome of a delivery.
pub(crate) fn outcome(delivery: &Delivery) -> Outcome {
    Outcome {
        key: delivery.job.key.clone(),
        wire_version: strata_proto::WIRE_VERSION,
        worker: "worker-1".to_owned(),
        result: Some(outcome::Result::Indexed(Indexed { analysed: true, bytes: 7, packages: 3 })),
        sequence: delivery.sequence,
        executions: delivery.executions,
        slots: 0,
        ..Outcome::default()
    }
}

pub(crate) fn trace(text: &str) -> TraceHeaders {
    TraceHeaders([("traceparent".to_owned(), text.to_owned())].into())
}

/// Pulls until one job comes. The suite's runner bounds the time.
pub(crate) async fn one(source: &dyn JobSource, lane: Lane) -> Delivery {
    loop {
        let mut jobs = source.pull(lane, 1).await.expect("pull");
        assert!(jobs.len() <= 1, "{} jobs where one was asked for", jobs.len());
        if let Some(job) = jobs.pop() {
            return job;
        }
    }
}

/// Whether a lane stays empty for a moment.
pub(crate) async fn nothing(source: &dyn JobSource, lane: Lane) {
    let pulled = tokio::time::timeout(Duration::from_millis(400), source.pull(lane, 1)).await;
    let jobs = pulled.unwrap_or_else(|_| Ok(Vec::new())).expect("pull");
    assert!(jobs.is_empty(), "{} came", jobs[0].job.key);
}
