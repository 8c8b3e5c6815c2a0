//! Pull → permit → handle → publish the outcome → settle. One loop for each lane; the sweep lane can never take the
//! slots that are kept for interactive scans, and makes way for these (`precedence.rs`).

mod answer;
mod bundle;
mod trial;

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use strata_proto::{
    WIRE_VERSION, subject,
    trace::{self, TraceHeaders},
    v1::{Job, Lane, Outcome, job::Verb},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, Span, info_span};

use crate::{
    error::JobError,
    job::{self, Context},
    measure,
    ports::{Delivery, DeliveryHandle, EXTEND_EVERY, JobSource, OutcomeSink, Token},
    precedence::Precedence,
};
use answer::{carry_out, foreign, is_foreign, name_of, outcome, poison};
pub use trial::Poison;
use trial::{Begun, Trial, Trials};

/// Code of the failure of a job that was withdrawn while it ran. It counts as no attempt.
const CANCELLED: &str = "cancelled";
/// How often a job of another analysis that comes again is left to the queue, and for how long. Before that it came to nobody: then
/// the coordinator is told. An execution that began and did not end stays counted, which a job that is published anew would undo.
const LEFT: u64 = 10;
const LEFT_FOR: Duration = Duration::from_millis(500);
/// How long handing jobs back may take after the drain time: the servers may be away.
const HAND_BACK: Duration = Duration::from_secs(10);

/// How the worker shares itself out.
#[derive(Debug, Clone)]
pub struct Config {
    /// Jobs at once, both lanes together. Where sweeps keep more than half of these, jobs that somebody waits for get a few more.
    pub slots: usize,
    /// When a job that workers died of is given up.
    pub poison: Poison,
    /// How long running jobs may go on after a shutdown began.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self { slots: cores * 2 + 2, poison: Poison::default(), drain: Duration::from_secs(60) }
    }
}

/// What the worker is wired to.
#[derive(Clone)]
pub struct Ports {
    /// Jobs.
    pub jobs: Arc<dyn JobSource>,
    /// Their outcomes.
    pub outcomes: Arc<dyn OutcomeSink>,
    /// What the jobs themselves use.
    pub context: Context,
}

/// Works until the shutdown token is cancelled, then finishes what is running within the drain time.
pub async fn run(config: Config, ports: Ports, shutdown: CancellationToken) {
    let slots = config.slots.max(2);
    // A quarter, at least one, is kept for interactive scans.
    let for_sweeps = slots - (slots / 4).max(1);
    let all = Arc::new(Semaphore::new(slots));
    let sweep = Arc::new(Semaphore::new(for_sweeps));
    // While sweeps hold the slots that the lanes share, all layers of an image that somebody waits for still find room.
    let more = Arc::new(Semaphore::new(slots - for_sweeps + slots / 4));
    let precedence = Precedence::default();
    let tasks = TaskTracker::new();
    let hard_stop = CancellationToken::new();
    let trials = Arc::new(Trials::new(Arc::clone(&ports.context.cache)));
    let cache = Arc::clone(&ports.context.cache);
    if let Err(error) = cache.started().await {
        tracing::warn!(%error, "the start of this worker is not counted");
    }
    let lane = |lane, room| {
        let lane = LaneLoop {
            lane,
            room,
            all: Arc::clone(&all),
            precedence: precedence.clone(),
            config: config.clone(),
            ports: ports.clone(),
            shutdown: shutdown.clone(),
            hard_stop: hard_stop.clone(),
            tasks: tasks.clone(),
            trials: Arc::clone(&trials),
        };
        lane.run()
    };
    tokio::join!(lane(Lane::Interactive, Room::More(more)), lane(Lane::Sweep, Room::Most(sweep)));
    tasks.close();
    if tokio::time::timeout(config.drain, tasks.wait()).await.is_err() {
        tracing::warn!(jobs = tasks.len(), "jobs are handed back: they did not end within the drain time");
        hard_stop.cancel();
        if tokio::time::timeout(HAND_BACK, tasks.wait()).await.is_err() {
            tracing::warn!(
                jobs = tasks.len(),
                "jobs are left to the queue, which hands them out again by itself"
            );
        }
    }
    if let Err(error) = cache.stopped().await {
        tracing::debug!(%error, "the start of this worker stays counted for a while");
    }
}

struct LaneLoop {
    lane: Lane,
    room: Room,
    all: Arc<Semaphore>,
    precedence: Precedence,
    config: Config,
    ports: Ports,
    shutdown: CancellationToken,
    hard_stop: CancellationToken,
    tasks: TaskTracker,
    trials: Arc<Trials>,
}

/// What a lane has beside the slots of all.
enum Room {
    /// It may take these when the others are taken.
    More(Arc<Semaphore>),
    /// It needs one of these as well.
    Most(Arc<Semaphore>),
}

type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl LaneLoop {
    /// One job at a time: a lane that waits for jobs holds one slot, not those that the other lane could use.
    async fn run(self) {
        loop {
            let permits = tokio::select! {
                permits = self.permits() => permits,
                () = self.shutdown.cancelled() => return,
            };
            let Some(permits) = permits else { return };
            let pulled = tokio::select! {
                pulled = self.ports.jobs.pull(self.lane, 1) => pulled,
                () = self.shutdown.cancelled() => return,
            };
            match pulled {
                Ok(mut deliveries) => {
                    if let Some(delivery) = deliveries.pop() {
                        self.start(delivery, permits);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the queue is away");
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
        }
    }

    /// Waits for a free slot; `None` when the semaphores are closed, which nobody does.
    async fn permits(&self) -> Option<Permits> {
        let all = Arc::clone(&self.all).acquire_owned();
        match &self.room {
            Room::Most(own) => {
                let own = Arc::clone(own).acquire_owned().await.ok()?;
                Some((all.await.ok()?, Some(own)))
            }
            Room::More(more) => tokio::select! {
                biased;
                one = all => Some((one.ok()?, None)),
                one = Arc::clone(more).acquire_owned() => Some((one.ok()?, None)),
            },
        }
    }

    fn start(&self, delivery: Delivery, permits: Permits) {
        let (config, mut ports, hard_stop) =
            (self.config.clone(), self.ports.clone(), self.hard_stop.clone());
        ports.context.turn = self.precedence.turn(self.lane);
        let trials = Arc::clone(&self.trials);
        let span = span_of(&delivery.job, &delivery.trace, delivery.executions);
        let work = async move {
            measure::job_started();
            settle(&config, (&ports, &trials), delivery, hard_stop).await;
            measure::job_ended();
            drop(permits);
        };
        self.tasks.spawn(work.instrument(span));
    }
}

/// Handles one delivery to its end: whatever happens, its outcome is published before the queue forgets the job.
async fn settle(
    config: &Config,
    (ports, trials): (&Ports, &Trials),
    delivery: Delivery,
    hard_stop: CancellationToken,
) {
    let Delivery { mut job, executions, sequence, handle, .. } = delivery;
    if job.wire_version != WIRE_VERSION {
        tracing::warn!(
            version = job.wire_version,
            "a job of another version is left to a worker that knows it"
        );
        report_failure(handle.release(Duration::from_secs(5)).await);
        return;
    }
    let token = Token { sequence, executions, owner: ports.context.name.clone() };
    if let Some(jobs) = bundle::open(&mut job) {
        let parcel = bundle::Parcel::new(&job, jobs, &token, handle.as_ref());
        return parcel.settle(config, (ports, trials), hard_stop).await;
    }
    if is_foreign(&ports.context, &job) && (2..=LEFT).contains(&executions) {
        report_failure(handle.release(LEFT_FOR).await);
        return;
    }
    let trial = trials.of(&job, &token);
    tokio::select! {
        () = work(config, ports, (&trial, &token), &job, handle.as_ref()) => {}
        () = extend(handle.as_ref()) => {}
        () = hard_stop.cancelled() => {
            trial.hand_back().await;
            report_failure(handle.release(Duration::from_secs(1)).await);
        }
        () = handle.withdrawn() => tokio::select! {
            () = drop_withdrawn((config, ports), &token, &job, handle.as_ref()) => trial.end().await,
            () = hard_stop.cancelled() => {}
        },
    }
}

/// Answers for a job that nobody wants any more, whose work was dropped where it stood: its download with it. There is an
/// answer because the same may have been asked for again meanwhile, and the queue refused it then.
async fn drop_withdrawn(
    (config, ports): (&Config, &Ports),
    token: &Token,
    job: &Job,
    handle: &dyn DeliveryHandle,
) {
    if let Some(Verb::Index(index)) = &job.verb {
        job::index::let_go(&ports.context, token, index).await;
    }
    let verb = subject::verb(job);
    measure::job(verb, CANCELLED, Duration::ZERO);
    tracing::debug!("a running job was withdrawn");
    let error = JobError::later(CANCELLED, format!("failed to carry out {verb} job {}: withdrawn", job.key));
    let outcome = outcome(job, &ports.context, Err(error));
    let (slots, executions) = (told(config), token.executions);
    publish(ports, &Outcome { sequence: token.sequence, executions, slots, ..outcome }).await;
    report_failure(handle.done().await);
}

fn work<'a>(
    config: &'a Config,
    ports: &'a Ports,
    (trial, token): (&'a Trial<'a>, &'a Token),
    job: &'a Job,
    handle: &'a dyn DeliveryHandle,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        tracing::debug!("a job was taken");
        ports.context.turn.pause().await;
        let begun = match is_foreign(&ports.context, job) {
            true => None,
            false => Some(trial.begin(config.poison).await),
        };
        let executions = token.executions;
        let started = std::time::Instant::now();
        let result = match &begun {
            None => Err(foreign(job)),
            Some(Begun::Poison(executions)) => {
                let error = poison(job, *executions);
                report_failure(handle.bury(job, &error.message).await);
                Err(error)
            }
            Some(Begun::Place { .. }) => carry_out(&ports.context, token, job).await,
        };
        let (name, took) = (name_of(&result), started.elapsed());
        measure::job(subject::verb(job), name, took);
        tracing::debug!(outcome = name, ms = took.as_millis(), "a job ended");
        let outcome = outcome(job, &ports.context, result);
        let slots = told(config);
        publish(ports, &Outcome { sequence: token.sequence, executions, slots, ..outcome }).await;
        tracing::debug!("a job's outcome is in the queue");
        trial.end().await;
        report_failure(handle.done().await);
    })
}

/// How many jobs this worker carries out at once, for the coordinator's windows.
fn told(config: &Config) -> u32 {
    u32::try_from(config.slots.max(2)).unwrap_or(u32::MAX)
}

/// What a job is traced and logged as.
fn span_of(job: &Job, headers: &TraceHeaders, executions: u64) -> Span {
    let span = info_span!(
        "job",
        otel.kind = "consumer",
        verb = subject::verb(job),
        key = %job.key,
        scan = %job.scan_id,
        layer = layer_of(job),
        image = image_of(job),
        executions,
    );
    trace::set_parent(&span, headers);
    span
}

/// The layer that a job is about, for its log lines.
fn layer_of(job: &Job) -> Option<&str> {
    match &job.verb {
        Some(Verb::Index(index)) => Some(&index.digest),
        _ => None,
    }
}

/// The image that a job is about, for its log lines.
fn image_of(job: &Job) -> Option<&str> {
    match &job.verb {
        Some(Verb::Assess(assess)) => Some(&assess.image_digest),
        Some(Verb::Index(index)) => Some(&index.reference),
        _ => None,
    }
}

/// Keeps the queue from handing the job to another worker.
fn extend(handle: &dyn DeliveryHandle) -> BoxFuture<'_, ()> {
    Box::pin(async move {
        loop {
            tokio::time::sleep(EXTEND_EVERY).await;
            report_failure(handle.extend().await);
        }
    })
}

/// An outcome is never dropped: it is tried until the queue takes it, or the job is handed to another worker.
async fn publish(ports: &Ports, outcome: &Outcome) {
    let headers = trace::inject();
    let mut wait = Duration::from_millis(100);
    while let Err(error) = ports.outcomes.publish(outcome, &headers).await {
        tracing::warn!(%error, "will be tried again");
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

/// A queue that did not hear us hands the job out again; handlers are idempotent, so it is only worth a line.
fn report_failure(result: Result<(), crate::ports::PortError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the queue may hand the job out again");
    }
}
