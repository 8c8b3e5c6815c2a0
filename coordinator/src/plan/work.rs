//! Jobs on their way: made, published, tried again, settled.

use std::sync::Arc;

use strata_proto::{
    WIRE_VERSION,
    subject::BUNDLE_DIED,
    v1::{Failure, Job, Lane, Retry, job::Verb},
};

use super::{
    Command, Plan, Publication, ScanNumber,
    image::ImageKey,
    lanes::PLACE,
    later,
    layer::LayerKey,
    listing::Listing,
    retry::{Budget, Class, Verdict},
};

/// Key of a job; shared between the tables that hold it.
pub(super) type Key = Arc<str>;

/// When a timer goes off, and its number.
pub(super) type Alarm = (i64, u64);

/// What a job is for.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// A page of a listing, or the first ones of several.
    List {
        listings: Vec<Listing>,
        round: u32,
    },
    /// References of the owner's scan.
    Resolve {
        references: Vec<Box<str>>,
        round: u32,
    },
    /// The facts of an image that vanished from the cache.
    Refresh(ImageKey),
    Index(LayerKey),
    Assess(ImageKey),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// In its scan's queue.
    Ready,
    /// Until its timer, after a failure.
    Waiting,
    /// In the queue or with a worker.
    Published,
}

#[derive(Debug)]
pub(super) struct Work {
    pub(super) job: Job,
    pub(super) task: Task,
    /// Whose share of the lane it takes.
    pub(super) scan: ScanNumber,
    pub(super) state: State,
    /// What its failures used up.
    pub(super) budget: Budget,
    /// How often it came to a worker that it is not for.
    pub(super) strays: u32,
    first_ms: Option<i64>,
    accepted: bool,
    refusals: u32,
    /// Parts of a place in its lane's window that it takes while it is published.
    pub(super) parts: usize,
    timer: Option<Alarm>,
    key: Key,
}

impl Work {
    pub(super) fn key(&self) -> Key {
        Arc::clone(&self.key)
    }

    /// Whether it is a sweep's job that is done in less time than it takes to publish, deliver and answer it.
    fn is_small(&self) -> bool {
        /// Stored bytes of a layer.
        const LAYER: u64 = 256 << 10;
        self.job.lane() == Lane::Sweep
            && match &self.job.verb {
                Some(Verb::Index(index)) => (1..=LAYER).contains(&index.size),
                // Attached documents are fetched from the registry.
                Some(Verb::Assess(assess)) => !assess.attached_vex,
                _ => false,
            }
    }

    /// How much of its scan's share of a lane a job takes.
    pub(super) fn cost(&self) -> u32 {
        const PART: u64 = 16 << 20;
        const REFERENCES: usize = 16;
        const REPOSITORIES: usize = 8;
        match &self.job.verb {
            Some(Verb::Index(index)) => 1 + u32::try_from(index.size / PART).unwrap_or(u32::MAX).min(7),
            Some(Verb::Resolve(resolve)) => {
                u32::try_from(resolve.references.len() / REFERENCES).unwrap_or(u32::MAX).clamp(2, 8)
            }
            Some(Verb::List(list)) => {
                u32::try_from(list.more.len() / REPOSITORIES).unwrap_or(u32::MAX).clamp(1, 4)
            }
            _ => 1,
        }
    }
}

impl Plan {
    /// Makes a job and puts it into its scan's queue. A key that is under way already is left alone.
    pub(super) fn make(&mut self, scan: ScanNumber, key: String, verb: Verb, task: Task) -> Option<Key> {
        let running = self.scans.get(&scan)?;
        let key: Key = key.into();
        if self.works.contains_key(&key) {
            return None;
        }
        let mut job = Job {
            wire_version: WIRE_VERSION,
            key: key.to_string(),
            scan_id: running.id.to_string(),
            analysis: self.analysis_of(&task).to_string(),
            verb: Some(verb),
            ..Job::default()
        };
        job.set_lane(running.lane);
        let work = Work {
            job,
            task,
            scan,
            state: State::Ready,
            budget: Budget::default(),
            strays: 0,
            first_ms: None,
            accepted: false,
            refusals: 0,
            parts: PLACE,
            timer: None,
            key: Arc::clone(&key),
        };
        self.note_resolving(&work, usize::saturating_add);
        self.works.insert(Arc::clone(&key), Box::new(work));
        self.enqueue(&key);
        Some(key)
    }

    fn note_resolving(&mut self, work: &Work, change: fn(usize, usize) -> usize) {
        if let Task::Resolve { references, .. } = &work.task
            && let Some(scan) = self.scans.get_mut(&work.scan)
        {
            scan.resolving = change(scan.resolving, references.len());
        }
    }

    /// Puts a ready job into its scan's queue.
    pub(super) fn enqueue(&mut self, key: &Key) {
        let Some(work) = self.works.get_mut(key) else { return };
        work.state = State::Ready;
        if let Some(scan) = self.scans.get_mut(&work.scan) {
            scan.ready.of(&work.task).push_back(Arc::clone(key));
        }
    }

    /// Publishes a job that its lane has room for.
    pub(super) fn send(&mut self, key: &Key) {
        let Some(work) = self.works.get_mut(key) else { return };
        work.state = State::Published;
        // What failed once, however, travels alone: so it is known what it comes to.
        let small = work.first_ms.is_none() && work.is_small() && self.crew.bundling().is_some();
        work.first_ms.get_or_insert(self.now_ms);
        work.accepted = false;
        work.refusals = 0;
        work.parts = if small { 1 } else { PLACE };
        let job = Box::new(work.job.clone());
        self.lanes.lane(job.lane()).occupy(work.parts);
        self.set_timer(key, self.config.reconcile_ms);
        self.out.push(if small { Command::PublishSmall(job) } else { Command::Publish(job) });
    }

    /// Removes a job, whatever its state.
    pub(super) fn settle(&mut self, key: &Key) -> Option<Work> {
        self.clear_timer(key);
        let work = *self.works.remove(key)?;
        self.note_resolving(&work, usize::saturating_sub);
        if work.state == State::Published {
            self.lanes.lane(work.job.lane()).vacate(work.parts);
        }
        Some(work)
    }

    /// Removes a job that nobody wants any more, from the queue too.
    pub(super) fn withdraw(&mut self, key: &Key) {
        if let Some(work) = self.settle(key)
            && work.first_ms.is_some()
        {
            self.out.push(Command::Withdraw(Box::new(work.job)));
        }
    }

    /// Lets a scan that may not wait take over a job that is not published yet.
    pub(super) fn promote(&mut self, key: &Key, to: ScanNumber) {
        let Some(lane) = self.scans.get(&to).map(|scan| scan.lane) else { return };
        let Some(work) = self.works.get(key) else { return };
        if lane == Lane::Interactive && work.job.lane() == Lane::Sweep {
            self.hand_over(key, to);
        }
    }

    /// Gives a job to another scan. What is published stays in the lane that it is in.
    pub(super) fn hand_over(&mut self, key: &Key, to: ScanNumber) {
        let Some(scan) = self.scans.get(&to) else { return };
        let Some(work) = self.works.get_mut(key) else { return };
        if work.state == State::Published {
            if self.scans.contains_key(&work.scan) {
                return;
            }
            work.scan = to;
            return;
        }
        work.scan = to;
        work.job.set_lane(scan.lane);
        work.job.scan_id = scan.id.to_string();
        if work.state == State::Ready {
            self.enqueue(key);
        }
    }

    /// Counts a failed attempt: another one later, or the failure's consequences.
    pub(super) fn attempt_failed(&mut self, key: &Key, failure: Failure) {
        let Some(work) = self.works.get(key) else { return };
        let waited = work.first_ms.map_or(0, |first| elapsed(first, self.now_ms));
        if waited < self.config.outstanding_ms
            && (self.list_apart(key, &failure) || self.resolve_apart(key, &failure))
        {
            return;
        }
        let Some(work) = self.works.get_mut(key) else { return };
        if failure.code == BUNDLE_DIED {
            work.job.died = work.job.died.saturating_add(1);
        }
        let attempts = self.config.attempts_of(work.job.lane());
        let mut verdict = work.budget.spend(&failure, key, attempts, &self.config);
        if Class::of(&failure) == Class::Turn && waited >= self.config.outstanding_ms {
            verdict = Verdict::GiveUp;
        }
        let pause = match verdict {
            Verdict::GiveUp => return self.give_up(key, &failure),
            Verdict::Again(pause) => pause,
        };
        if work.state == State::Published {
            self.lanes.lane(work.job.lane()).vacate(work.parts);
        }
        work.state = State::Waiting;
        self.set_timer(key, pause);
        if Class::of(&failure) == Class::Later {
            self.charge(key, &failure);
            self.note_trouble(key, &failure);
        }
    }

    fn give_up(&mut self, key: &Key, failure: &Failure) {
        let Some(work) = self.settle(key) else { return };
        match work.task {
            Task::List { listings, .. } => {
                self.close_listing(work.scan);
                for listing in &listings {
                    self.list_failed(work.scan, listing, failure);
                }
            }
            Task::Resolve { references, .. } => {
                for reference in references {
                    self.fail(work.scan, vec![reference.into()], &failure.code, &failure.message);
                }
            }
            Task::Refresh(image) | Task::Assess(image) => {
                self.fail_image(&image, &failure.code, &failure.message);
            }
            Task::Index(layer) => {
                let reference = match work.job.verb {
                    Some(Verb::Index(index)) => index.reference,
                    _ => String::new(),
                };
                self.index_failed(&layer, &reference, failure);
            }
        }
    }

    /// Learns what the queue said to a publication.
    pub(super) fn published(&mut self, key: &str, result: Publication) {
        let Some(work) = self.works.get_mut(key) else { return };
        if work.state != State::Published {
            return;
        }
        let key = work.key();
        match result {
            Publication::Accepted => work.accepted = true,
            // Ours, from an earlier publication: the outcome will come.
            Publication::AlreadyQueued if work.accepted => {}
            // The queue still has the attempt before this one, or cannot be reached: soon again.
            Publication::AlreadyQueued | Publication::Failed => {
                let soon = 250_u64.saturating_mul(1 << work.refusals.min(10)).min(self.config.reconcile_ms);
                work.refusals += 1;
                self.set_timer(&key, soon);
            }
        }
    }

    /// Wakes every job whose time has come: another attempt, or another publication of what has no outcome yet.
    pub(super) fn wake(&mut self) {
        while let Some(first) = self.timers.first_entry().filter(|first| first.key().0 <= self.now_ms) {
            let key = Arc::clone(first.get());
            self.clear_timer(&key);
            let Some(work) = self.works.get(&key) else { continue };
            let outstanding = self.config.outstanding_ms;
            match work.state {
                State::Waiting => self.enqueue(&key),
                State::Published
                    if work.first_ms.is_some_and(|first| elapsed(first, self.now_ms) >= outstanding) =>
                {
                    let job = work.job.clone();
                    let mut failure =
                        later("timeout", format!("no outcome within {} s", outstanding / 1_000));
                    failure.set_retry(Retry::Never);
                    self.out.push(Command::Withdraw(Box::new(job)));
                    self.attempt_failed(&key, failure);
                }
                State::Published => {
                    self.out.push(Command::Publish(Box::new(work.job.clone())));
                    self.set_timer(&key, self.config.reconcile_ms);
                }
                State::Ready => {}
            }
        }
    }

    /// Starts a job's timer anew, that many milliseconds from now.
    pub(super) fn set_timer(&mut self, key: &Key, in_ms: u64) {
        self.clear_timer(key);
        let at = self.now_ms.saturating_add(i64::try_from(in_ms.max(1)).unwrap_or(i64::MAX));
        if let Some(work) = self.works.get_mut(key) {
            self.next_timer += 1;
            work.timer = Some((at, self.next_timer));
            self.timers.insert((at, self.next_timer), Arc::clone(key));
        }
    }

    fn clear_timer(&mut self, key: &Key) {
        if let Some(work) = self.works.get_mut(key)
            && let Some(alarm) = work.timer.take()
        {
            self.timers.remove(&alarm);
        }
    }
}

impl super::PlanConfig {
    /// Attempts at one job of a lane.
    pub(super) fn attempts_of(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Sweep => self.sweep_attempts.max(1),
            Lane::Interactive | Lane::Unspecified => self.attempts.max(1),
        }
    }
}

fn elapsed(from_ms: i64, to_ms: i64) -> u64 {
    u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0)
}
