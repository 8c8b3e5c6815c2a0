//! The planner: a pure state machine that turns what happened into what to do next.
//!
//! It does no I/O, has no clock and never looks at the order of a hash map: the same events give the same commands,
//! which is why whole sweeps can be simulated from a seed (`plan/simulation.rs`). Time reaches it as [`PlanEvent::Tick`].
//!
//! The way of a scan: listings (catalog, then tags of each repository) give references; references are resolved in
//! batches into images; an image waits for its layers, each of which is indexed once however many images and scans
//! want it; then one assessment makes the report, which is archived and announced. Each reference ends in exactly one
//! of reported, unchanged, failed and skipped, by exactly one event.
//!
//! Nothing that is published needs to arrive: a job without an outcome is published again after a while, which the
//! queue refuses as long as it still has the job.

mod basis;
mod config;
mod counted;
mod crew;
mod flakes;
mod glob;
mod image;
mod known;
mod lanes;
mod layer;
mod listing;
mod lost;
mod part;
mod pin;
mod reported;
mod resolve;
mod restore;
mod retry;
mod scan;
mod tally;
mod view;
mod work;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use strata_proto::{
    subject::OTHER_ANALYSIS,
    v1::{Event, Failure, Job, Outcome, Retry, Scan, outcome},
};

pub(crate) use self::scan::lane_of;
use self::{
    basis::Shared,
    counted::Unclaimed,
    crew::Crew,
    image::{Image, ImageKey, Store},
    known::Asking,
    lanes::Lanes,
    layer::{Layer, LayerKey, Recent},
    scan::Running,
    work::{Alarm, Key, State, Task, Work},
};
pub use self::{
    config::PlanConfig,
    known::{CopyOf, Known, LookUp, Sought},
};

/// What came of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// The queue has it now.
    Accepted,
    /// The queue had a job with this subject already.
    AlreadyQueued,
    /// The queue could not be reached.
    Failed,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum PlanEvent {
    /// A new scan; id, request and time of creation are set.
    Submit(Box<Scan>),
    /// An outcome arrived; late and repeated ones do no harm.
    Outcome(Box<Outcome>),
    /// A [`Command::Publish`] was carried out.
    Published {
        /// Key of the job.
        key: String,
        /// What the queue said.
        result: Publication,
    },
    /// A [`Command::StoreReport`] was carried out.
    Stored {
        /// Its number.
        store: u64,
    },
    /// The report of a [`Command::StoreReport`] is neither in its parcel nor in the archive, or cannot be read.
    Lost {
        /// Its number.
        store: u64,
    },
    /// A [`Command::LookUp`] was carried out.
    LookedUp {
        /// Its number.
        look_up: u64,
        /// What the archive knows, by the ids that were sought.
        known: BTreeMap<String, Known>,
    },
    /// Time passed.
    Tick {
        /// Milliseconds since 1970-01-01 UTC. Never goes back.
        now_ms: i64,
    },
    /// Stop a scan.
    Cancel {
        /// Its id.
        scan: String,
    },
    /// A scan that was running when the coordinator ended. Its events follow as [`PlanEvent::Recorded`].
    Restore(Box<Scan>),
    /// One event that the archive holds of a scan being restored, in order.
    Recorded(Box<Event>),
    /// All events of the scan were given: go on.
    Resume {
        /// Its id.
        scan: String,
        /// For how many milliseconds outcomes may still come that were handed to who planned before. The scan does not end
        /// earlier: they say which layers were analysed for it.
        owed_ms: u64,
    },
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Publish a job and report back with [`PlanEvent::Published`].
    Publish(Box<Job>),
    /// The same of a small job that nothing has become of yet. It may travel with others ([`Plan::bundling`]).
    PublishSmall(Box<Job>),
    /// Remove a job from the queue if no worker has it; there is nothing to report.
    Withdraw(Box<Job>),
    /// Archive a report for these scans and report back with [`PlanEvent::Stored`] or [`PlanEvent::Lost`].
    StoreReport(StoreReport),
    /// Ask the archive for reports and report back with [`PlanEvent::LookedUp`].
    LookUp(LookUp),
    /// Record an event, after those that came before it.
    Append(Box<Event>),
    /// Record how far a running scan is, as [`Plan::record`] tells once all of the cycle's events are recorded: there may be
    /// hundreds of these in a cycle, and a record names every layer that no event has told yet.
    RecordScan(Arc<str>),
    /// Record a scan's last state and summary.
    UpdateScan(Box<Scan>),
}

/// A report to be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReport {
    /// Number of this command, for the answer.
    pub store: u64,
    /// Digest of the image.
    pub image: String,
    /// Id of the report.
    pub report_id: String,
    /// Where the report waits; `None` when it is in the archive.
    pub parcel: Option<String>,
    /// The report that it is a copy of; `None` when it is in the archive itself and only gets further references.
    pub copy_of: Option<CopyOf>,
    /// Scans and their references.
    pub wanted_by: Vec<(String, Vec<String>)>,
}

/// Number of a scan within this process.
type ScanNumber = u32;

/// The state machine. See the module's documentation.
pub struct Plan {
    config: PlanConfig,
    now_ms: i64,
    scans: BTreeMap<ScanNumber, Running>,
    numbers: BTreeMap<Arc<str>, ScanNumber>,
    next_scan: ScanNumber,
    /// Boxed: a table has room for more than it holds.
    works: HashMap<Key, Box<Work>>,
    /// By time, and then in the order in which they were set.
    timers: BTreeMap<Alarm, Key>,
    next_timer: u64,
    layers: HashMap<LayerKey, Layer>,
    recent: Recent,
    unclaimed: Unclaimed,
    images: HashMap<ImageKey, Image>,
    stores: BTreeMap<u64, Store>,
    next_store: u64,
    asking: BTreeMap<u64, Asking>,
    next_look_up: u64,
    lanes: Lanes,
    crew: Crew,
    /// Platforms, databases' dates and media types, each of which a million images have.
    platforms: Shared,
    modified: Shared,
    media_types: Shared,
    touched: BTreeSet<ScanNumber>,
    updated_ms: i64,
    out: Vec<Command>,
}

impl Plan {
    /// An empty plan.
    #[must_use]
    pub fn new(config: PlanConfig) -> Self {
        Self {
            config,
            now_ms: 0,
            scans: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next_scan: 0,
            works: HashMap::new(),
            timers: BTreeMap::new(),
            next_timer: 0,
            layers: HashMap::new(),
            recent: Recent::default(),
            unclaimed: Unclaimed::default(),
            images: HashMap::new(),
            stores: BTreeMap::new(),
            next_store: 0,
            asking: BTreeMap::new(),
            next_look_up: 0,
            lanes: Lanes::default(),
            crew: Crew::default(),
            platforms: Shared::default(),
            modified: Shared::default(),
            media_types: Shared::default(),
            touched: BTreeSet::new(),
            updated_ms: 0,
            out: Vec::new(),
        }
    }

    /// Takes in one event and returns what to do, in order.
    pub fn apply(&mut self, event: PlanEvent) -> Vec<Command> {
        match event {
            PlanEvent::Submit(scan) => self.submit(*scan),
            PlanEvent::Outcome(outcome) => self.outcome(*outcome),
            PlanEvent::Published { key, result } => self.published(&key, result),
            PlanEvent::Stored { store } => self.stored(store),
            PlanEvent::Lost { store } => self.lost(store),
            PlanEvent::LookedUp { look_up, known } => self.looked_up(look_up, &known),
            PlanEvent::Tick { now_ms } => self.tick(now_ms),
            PlanEvent::Cancel { scan } => self.cancel(&scan),
            PlanEvent::Restore(scan) => self.restore(*scan),
            PlanEvent::Recorded(event) => self.recorded(*event),
            PlanEvent::Resume { scan, owed_ms } => self.resume(&scan, owed_ms),
        }
        self.finish_touched();
        self.dispatch();
        std::mem::take(&mut self.out)
    }

    fn outcome(&mut self, outcome: Outcome) {
        self.crew.heard(&outcome, self.now_ms);
        let Some(work) = self.works.get(outcome.key.as_str()) else {
            // Late, repeated, of a scan that is gone, or of one that has not asked again after a restart.
            return self.unclaimed(&outcome);
        };
        let key = work.key();
        let waiting = work.state != State::Published;
        if pin::is_strange(work, &outcome) {
            let scan_id = work.job.scan_id.clone();
            self.unclaimed(&Outcome { scan_id, ..outcome });
            if !waiting {
                self.strayed(&key);
            }
            return;
        }
        let by = pin::told(&outcome);
        match (&work.task, self.understand(outcome)) {
            // A repeated failure of an attempt that was counted already.
            (_, Err(_)) if waiting => {}
            (_, Err(failure)) if failure.code == OTHER_ANALYSIS => self.strayed(&key),
            (_, Err(failure)) => self.attempt_failed(&key, failure),
            (Task::List { .. }, Ok(outcome::Result::Listed(listed))) => self.listed(&key, listed),
            (Task::Resolve { .. }, Ok(outcome::Result::Resolved(resolved))) => {
                self.resolved(&key, resolved, by)
            }
            (Task::Refresh(_), Ok(outcome::Result::Resolved(resolved))) => {
                self.refreshed(&key, resolved, &by)
            }
            (Task::Index(_), Ok(outcome::Result::Indexed(indexed))) => self.indexed(&key, &indexed),
            (Task::Assess(_), Ok(outcome::Result::Assessed(assessed))) => self.assessed(&key, assessed),
            (Task::Assess(_), Ok(outcome::Result::Missing(missing))) => self.missing(&key, &missing, by),
            (_, Ok(_)) if waiting => {}
            (_, Ok(_)) => {
                let failure = later("malformed", "the worker's answer does not fit the job".to_owned());
                self.attempt_failed(&key, failure);
            }
        }
    }

    fn understand(&self, outcome: Outcome) -> Result<outcome::Result, Failure> {
        if outcome.wire_version != strata_proto::WIRE_VERSION {
            let message = format!(
                "worker {} answered in version {} of the messages, which this coordinator does not know",
                outcome.worker, outcome.wire_version
            );
            return Err(later("wire-version", message));
        }
        match outcome.result {
            Some(outcome::Result::Failure(failure)) => Err(tidy(failure)),
            Some(result) => Ok(result),
            None => Err(later("malformed", format!("worker {} answered nothing", outcome.worker))),
        }
    }

    fn tick(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.crew.tick(self.now_ms);
        self.wake();
        self.release();
        if self.now_ms - self.updated_ms >= 1_000 {
            self.updated_ms = self.now_ms;
            for scan in self.scans.values_mut().filter(|scan| scan.changed && !scan.restoring) {
                scan.changed = false;
                self.out.push(Command::RecordScan(Arc::clone(&scan.id)));
            }
        }
    }
}

/// A failure that is worth another try.
fn later(code: &str, message: String) -> Failure {
    let mut failure = Failure { code: code.to_owned(), message, ..Failure::default() };
    failure.set_retry(Retry::Later);
    failure
}

/// Codes are counted and messages are kept: neither may be of any length or form.
fn tidy(mut failure: Failure) -> Failure {
    const MESSAGE: usize = 2_000;
    failure.code = tidy_code(failure.code);
    if failure.message.len() > MESSAGE {
        failure.message = failure.message.chars().take(MESSAGE / 4).collect();
    }
    failure
}

fn tidy_code(code: String) -> String {
    let fits = (1..=40).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { code } else { "unknown".to_owned() }
}
