//! The model's workers and the queue before them.

use std::collections::{HashSet, VecDeque};

use strata_coordinator::plan::Publication;
use strata_proto::{
    subject,
    v1::{Job, Lane},
};

/// Who has nothing to do, and what nobody does yet.
pub(super) struct Crew {
    /// A worker's number for each of its slots that is free: who waited longest is first.
    free: VecDeque<u32>,
    interactive: VecDeque<Job>,
    sweep: VecDeque<Job>,
    /// Subjects of jobs that wait or are being carried out: the queue has each once.
    held: HashSet<String>,
    pub(super) deepest: u64,
    pub(super) most_held: u64,
}

impl Crew {
    pub(super) fn new(workers: u32, slots: u32) -> Self {
        let free = (0..slots).flat_map(|_| 0..workers).collect();
        let (interactive, sweep) = (VecDeque::new(), VecDeque::new());
        Self { free, interactive, sweep, held: HashSet::new(), deepest: 0, most_held: 0 }
    }

    pub(super) fn publish(&mut self, job: Job) -> Publication {
        if !self.held.insert(subject::job(&job)) {
            return Publication::AlreadyQueued;
        }
        match job.lane() {
            Lane::Sweep => self.sweep.push_back(job),
            Lane::Interactive | Lane::Unspecified => self.interactive.push_back(job),
        }
        self.deepest = self.deepest.max((self.sweep.len() + self.interactive.len()) as u64);
        self.most_held = self.most_held.max(self.held.len() as u64);
        Publication::Accepted
    }

    pub(super) fn withdraw(&mut self, job: &Job) {
        let subject = subject::job(job);
        let before = self.sweep.len() + self.interactive.len();
        self.sweep.retain(|other| subject::job(other) != subject);
        self.interactive.retain(|other| subject::job(other) != subject);
        if self.sweep.len() + self.interactive.len() < before {
            self.held.remove(&subject);
        }
    }

    /// The next job and the worker that takes it.
    pub(super) fn take(&mut self) -> Option<(u32, Job)> {
        let worker = *self.free.front()?;
        let job = self.interactive.pop_front().or_else(|| self.sweep.pop_front())?;
        self.free.pop_front();
        Some((worker, job))
    }

    /// A worker has carried a job out.
    pub(super) fn done(&mut self, worker: u32, job: &Job) {
        self.held.remove(&subject::job(job));
        self.free.push_back(worker);
    }
}
