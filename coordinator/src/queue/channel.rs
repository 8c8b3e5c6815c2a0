//! The job queue of a process that is coordinator and worker at once: bounded channels, with the promise of the real
//! queue that a subject has one job at a time.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use strata_proto::{
    subject,
    trace::TraceHeaders,
    v1::{Job, Lane, Outcome},
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, mpsc, watch},
    time::{Instant, sleep_until},
};

use crate::ports::{JobQueue, OutcomeDelivery, OutcomeHandle, PortError, Published};

/// A queued job with its sequence number. This side empties the slot when it withdraws the job, the worker's side when
/// it takes it: whoever comes first.
pub type Slot = Arc<Mutex<Option<(u64, Job, TraceHeaders)>>>;

/// Jobs that one lane holds. The dispatch window is far smaller; a fuller queue refuses rather than blocks, because a
/// coordinator that waits here would no longer take the outcomes that make room.
pub const LANE_CAPACITY: usize = 65_536;
/// Outcomes that wait for the coordinator; workers wait when it is full.
const OUTCOMES_CAPACITY: usize = 1024;
/// How long one call waits for a first outcome.
const OUTCOMES_WAIT: Duration = Duration::from_secs(5);

/// Jobs to the worker in this process.
pub struct ChannelQueue {
    interactive: mpsc::Sender<Slot>,
    sweep: mpsc::Sender<Slot>,
    state: Mutex<State>,
    outcomes: AsyncMutex<mpsc::Receiver<(Outcome, TraceHeaders)>>,
    returned: Arc<Returned>,
    withdrawn: watch::Sender<BTreeSet<u64>>,
}

/// What the worker's side is made of: plain channels, because neither side may import the other.
pub struct ChannelEnds {
    /// Jobs of the interactive lane.
    pub interactive: mpsc::Receiver<Slot>,
    /// Jobs of the sweep lane.
    pub sweep: mpsc::Receiver<Slot>,
    /// Where the outcomes go.
    pub outcomes: mpsc::Sender<(Outcome, TraceHeaders)>,
    /// Sequence numbers of jobs that were withdrawn after the worker took them, until their outcome is here.
    pub withdrawn: watch::Receiver<BTreeSet<u64>>,
}

/// Jobs that are queued or running, by subject.
#[derive(Default)]
struct State {
    last_sequence: u64,
    jobs: HashMap<String, Entry>,
}

struct Entry {
    sequence: u64,
    key: String,
    slot: Slot,
}

/// Outcomes whose handle was dropped before they were recorded.
#[derive(Default)]
struct Returned {
    outcomes: Mutex<VecDeque<(Outcome, TraceHeaders)>>,
    changed: Notify,
}

impl ChannelQueue {
    /// A queue and the ends for the worker.
    #[must_use]
    pub fn new() -> (Self, ChannelEnds) {
        let (interactive, interactive_end) = mpsc::channel(LANE_CAPACITY);
        let (sweep, sweep_end) = mpsc::channel(LANE_CAPACITY);
        let (outcomes_end, outcomes) = mpsc::channel(OUTCOMES_CAPACITY);
        let (withdrawn, withdrawn_end) = watch::channel(BTreeSet::new());
        let queue = Self {
            interactive,
            sweep,
            state: Mutex::default(),
            outcomes: AsyncMutex::new(outcomes),
            returned: Arc::default(),
            withdrawn,
        };
        let ends = ChannelEnds {
            interactive: interactive_end,
            sweep: sweep_end,
            outcomes: outcomes_end,
            withdrawn: withdrawn_end,
        };
        (queue, ends)
    }

    /// The subject of this outcome's job is free again, before the planner hears of the outcome: it may ask for the same
    /// at once. An outcome without a sequence number frees every subject of its key.
    fn free(&self, outcome: &Outcome) {
        let mut freed = Vec::new();
        lock(&self.state).jobs.retain(|_, entry| {
            let stays = if outcome.sequence == 0 {
                entry.key != outcome.key
            } else {
                entry.sequence != outcome.sequence
            };
            freed.extend((!stays).then_some(entry.sequence));
            stays
        });
        self.withdrawn
            .send_if_modified(|numbers| freed.iter().filter(|freed| numbers.remove(freed)).count() > 0);
    }

    fn deliver(&self, (outcome, trace): (Outcome, TraceHeaders)) -> OutcomeDelivery {
        self.free(&outcome);
        let handle = ChannelHandle {
            held: (outcome.clone(), trace.clone()),
            returned: Arc::clone(&self.returned),
            settled: AtomicBool::new(false),
        };
        OutcomeDelivery { outcome, trace, handle: Box::new(handle) }
    }
}

#[async_trait]
impl JobQueue for ChannelQueue {
    async fn publish(&self, job: &Job, trace: &TraceHeaders) -> Result<Published, PortError> {
        let subject = subject::job(job);
        let lane = match job.lane() {
            Lane::Sweep => &self.sweep,
            Lane::Interactive | Lane::Unspecified => &self.interactive,
        };
        let mut state = lock(&self.state);
        if state.jobs.contains_key(&subject) {
            return Ok(Published::AlreadyQueued);
        }
        let sequence = state.last_sequence.saturating_add(1);
        let slot: Slot = Arc::new(Mutex::new(Some((sequence, job.clone(), trace.clone()))));
        lane.try_send(Arc::clone(&slot)).map_err(|error| PortError {
            action: "publish a job",
            reason: match error {
                mpsc::error::TrySendError::Full(_) => format!("the lane holds {LANE_CAPACITY} jobs already"),
                mpsc::error::TrySendError::Closed(_) => "the worker in this process has ended".to_owned(),
            },
        })?;
        state.last_sequence = sequence;
        state.jobs.insert(subject, Entry { sequence, key: job.key.clone(), slot });
        Ok(Published::Accepted)
    }

    async fn outcomes(&self, max: usize) -> Result<Vec<OutcomeDelivery>, PortError> {
        let deadline = Instant::now() + OUTCOMES_WAIT;
        let mut fresh = self.outcomes.lock().await;
        loop {
            let mut outcomes = self.returned.take(max);
            while outcomes.len() < max {
                let Ok(outcome) = fresh.try_recv() else { break };
                outcomes.push(outcome);
            }
            if !outcomes.is_empty() || max == 0 {
                return Ok(outcomes.into_iter().map(|outcome| self.deliver(outcome)).collect());
            }
            tokio::select! {
                outcome = fresh.recv(), if !fresh.is_closed() || !fresh.is_empty() => {
                    if let Some(outcome) = outcome {
                        return Ok(vec![self.deliver(outcome)]);
                    }
                }
                () = self.returned.changed.notified() => {}
                () = sleep_until(deadline) => return Ok(Vec::new()),
            }
        }
    }

    async fn withdraw(&self, job: &Job) -> Result<(), PortError> {
        let subject = subject::job(job);
        let mut state = lock(&self.state);
        let Some(entry) = state.jobs.get(&subject) else { return Ok(()) };
        let waiting = lock(&entry.slot).take().is_some();
        if waiting {
            state.jobs.remove(&subject);
        } else {
            self.withdrawn.send_modify(|numbers| {
                numbers.insert(entry.sequence);
            });
        }
        Ok(())
    }
}

impl Returned {
    fn take(&self, max: usize) -> Vec<(Outcome, TraceHeaders)> {
        let mut outcomes = lock(&self.outcomes);
        let count = outcomes.len().min(max);
        outcomes.drain(..count).collect()
    }
}

struct ChannelHandle {
    held: (Outcome, TraceHeaders),
    returned: Arc<Returned>,
    settled: AtomicBool,
}

#[async_trait]
impl OutcomeHandle for ChannelHandle {
    async fn done(&self) -> Result<(), PortError> {
        self.settled.store(true, Ordering::Release);
        Ok(())
    }
}

impl Drop for ChannelHandle {
    fn drop(&mut self) {
        if !*self.settled.get_mut() {
            lock(&self.returned.outcomes).push_back(self.held.clone());
            self.returned.changed.notify_one();
        }
    }
}

/// A poisoned lock is taken as it is: every section leaves its data whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
