//! The job queue of a process that is coordinator and worker at once. It meets the coordinator's side in plain channels
//! of messages, because neither side may import the other. What JetStream promises holds here too, as far as one process
//! can: a job that its handler drops (a panic, a cancelled task) is handed out again.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use strata_proto::{
    trace::TraceHeaders,
    v1::{Job, Lane, Outcome},
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::withdrawn::{self, Withdrawn};
use crate::ports::{Delivery, DeliveryHandle, JobSource, OutcomeSink, PortError};

/// A queued job with its sequence number. The coordinator's side empties the slot when it withdraws the job, this side
/// when it takes it: whoever comes first.
pub type Slot = Arc<Mutex<Option<(u64, Job, TraceHeaders)>>>;

/// How long one pull waits for a first job.
const PULL_WAIT: Duration = Duration::from_secs(5);
/// Dead letters that are kept for inspection; the failure itself is in the scan's events.
const DEAD_LIMIT: usize = 1000;

/// Jobs from the coordinator in this process.
pub struct ChannelSource {
    interactive: LaneState,
    sweep: LaneState,
    dead: Dead,
    withdrawn: Withdrawn,
}

/// Dead letters with their reasons, oldest first.
type Dead = Arc<Mutex<VecDeque<(Job, String)>>>;

struct LaneState {
    fresh: AsyncMutex<mpsc::Receiver<Slot>>,
    returned: Arc<Returned>,
}

/// Jobs that came back: dropped by their handler, or released for later.
#[derive(Default)]
struct Returned {
    jobs: Mutex<Vec<Parked>>,
    changed: Notify,
}

struct Parked {
    due: Instant,
    held: Held,
}

/// A job and how often it was handed out, the current time included.
#[derive(Clone)]
struct Held {
    sequence: u64,
    executions: u64,
    job: Job,
    trace: TraceHeaders,
}

impl ChannelSource {
    /// Over the receiving ends that the coordinator's queue hands out.
    #[must_use]
    pub fn new(interactive: mpsc::Receiver<Slot>, sweep: mpsc::Receiver<Slot>, withdrawn: Withdrawn) -> Self {
        let lane = |fresh| LaneState { fresh: AsyncMutex::new(fresh), returned: Arc::default() };
        Self { interactive: lane(interactive), sweep: lane(sweep), dead: Arc::default(), withdrawn }
    }

    /// The newest dead letters with their reasons, oldest first.
    #[must_use]
    pub fn dead(&self) -> Vec<(Job, String)> {
        lock(&self.dead).iter().cloned().collect()
    }

    fn deliver(&self, lane: &LaneState, held: Held) -> Delivery {
        Delivery {
            job: held.job.clone(),
            trace: held.trace.clone(),
            executions: held.executions,
            sequence: held.sequence,
            handle: Box::new(ChannelHandle {
                held,
                returned: Arc::clone(&lane.returned),
                dead: Arc::clone(&self.dead),
                withdrawn: self.withdrawn.clone(),
                settled: AtomicBool::new(false),
            }),
        }
    }
}

#[async_trait]
impl JobSource for ChannelSource {
    async fn pull(&self, lane: Lane, max: usize) -> Result<Vec<Delivery>, PortError> {
        let lane = match lane {
            Lane::Sweep => &self.sweep,
            Lane::Interactive | Lane::Unspecified => &self.interactive,
        };
        let deadline = Instant::now() + PULL_WAIT;
        let mut fresh = lane.fresh.lock().await;
        loop {
            let mut jobs = lane.returned.take_due(max);
            while jobs.len() < max {
                let Ok(slot) = fresh.try_recv() else { break };
                jobs.extend(open(&slot));
            }
            if !jobs.is_empty() || max == 0 {
                return Ok(jobs.into_iter().map(|held| self.deliver(lane, held)).collect());
            }
            let wake = lane.returned.next_due().map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                slot = fresh.recv(), if !fresh.is_closed() || !fresh.is_empty() => {
                    if let Some(held) = slot.and_then(|slot| open(&slot)) {
                        return Ok(vec![self.deliver(lane, held)]);
                    }
                }
                () = lane.returned.changed.notified() => {}
                () = sleep_until(wake) => if wake == deadline { return Ok(Vec::new()) },
            }
        }
    }
}

/// Takes the job out, unless it was withdrawn.
fn open(slot: &Slot) -> Option<Held> {
    let (sequence, job, trace) = lock(slot).take()?;
    Some(Held { sequence, executions: 1, job, trace })
}

impl Returned {
    fn park(&self, due: Instant, mut held: Held) {
        held.executions = held.executions.saturating_add(1);
        lock(&self.jobs).push(Parked { due, held });
        self.changed.notify_one();
    }

    fn take_due(&self, max: usize) -> Vec<Held> {
        let now = Instant::now();
        let mut jobs = lock(&self.jobs);
        let mut due = Vec::new();
        let mut later = Vec::new();
        for parked in jobs.drain(..) {
            if parked.due <= now && due.len() < max {
                due.push(parked.held);
            } else {
                later.push(parked);
            }
        }
        *jobs = later;
        due
    }

    fn next_due(&self) -> Option<Instant> {
        lock(&self.jobs).iter().map(|parked| parked.due).min()
    }
}

struct ChannelHandle {
    held: Held,
    returned: Arc<Returned>,
    dead: Dead,
    withdrawn: Withdrawn,
    settled: AtomicBool,
}

#[async_trait]
impl DeliveryHandle for ChannelHandle {
    /// Nothing to do: in one process a job is lost only by dropping it, and then it comes again.
    async fn extend(&self) -> Result<(), PortError> {
        Ok(())
    }

    async fn done(&self) -> Result<(), PortError> {
        self.settled.store(true, Ordering::Release);
        Ok(())
    }

    async fn release(&self, delay: Duration) -> Result<(), PortError> {
        if !self.settled.swap(true, Ordering::AcqRel) {
            self.returned.park(Instant::now() + delay, self.held.clone());
        }
        Ok(())
    }

    async fn bury(&self, job: &Job, reason: &str) -> Result<(), PortError> {
        let mut dead = lock(&self.dead);
        if dead.len() >= DEAD_LIMIT {
            dead.pop_front();
        }
        dead.push_back((job.clone(), reason.to_owned()));
        Ok(())
    }

    async fn withdrawn(&self) {
        withdrawn::holds(&self.withdrawn, self.held.sequence).await;
    }
}

impl Drop for ChannelHandle {
    fn drop(&mut self) {
        if !self.settled.swap(true, Ordering::AcqRel) {
            self.returned.park(Instant::now(), self.held.clone());
        }
    }
}

/// Outcomes to the coordinator in this process. Waits while the coordinator is behind.
#[derive(Clone)]
pub struct ChannelSink {
    outcomes: mpsc::Sender<(Outcome, TraceHeaders)>,
}

impl ChannelSink {
    /// Over the sending end that the coordinator's queue hands out.
    #[must_use]
    pub const fn new(outcomes: mpsc::Sender<(Outcome, TraceHeaders)>) -> Self {
        Self { outcomes }
    }
}

#[async_trait]
impl OutcomeSink for ChannelSink {
    async fn publish(&self, outcome: &Outcome, trace: &TraceHeaders) -> Result<(), PortError> {
        self.outcomes.send((outcome.clone(), trace.clone())).await.map_err(|_| PortError {
            action: "publish an outcome",
            reason: "the coordinator in this process has ended".to_owned(),
        })
    }
}

/// A poisoned lock is taken as it is: every section leaves its data whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
