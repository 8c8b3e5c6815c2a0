//! Jobs that come again: each may have killed the worker that had it before, or only have been beside one that did.
//!
//! What counts is executions that began and did not end, not deliveries: a job that waited for its turn, or was handed back at
//! a shutdown, was not executed. Of jobs that come again a worker carries out one at a time, so that one that kills its worker
//! takes no other suspect with it. And where workers die all the time, dying beside them proves less.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use strata_proto::v1::Job;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::ports::{InventoryCache, Token};

/// Starts of workers, in the time that the cache counts them, from which on workers are dying for other reasons.
const MANY_STARTS: u64 = 15;
/// What the number of executions that a job is allowed is multiplied with then.
const PATIENCE: u64 = 3;

/// Where jobs that come again wait for their turn.
pub(super) struct Trials {
    cache: Arc<dyn InventoryCache>,
    turn: Semaphore,
}

/// One execution of a job.
pub(super) struct Trial<'a> {
    trials: &'a Trials,
    job: &'a Job,
    token: &'a Token,
    counted: AtomicBool,
}

/// What is known when an execution begins.
pub(super) struct Begun<'a> {
    /// Executions of the job that began, this one included.
    pub(super) executions: u64,
    /// How many it may have.
    pub(super) most: u64,
    _turn: Option<SemaphorePermit<'a>>,
}

impl Trials {
    pub(super) fn new(cache: Arc<dyn InventoryCache>) -> Self {
        Self { cache, turn: Semaphore::new(1) }
    }

    pub(super) const fn of<'a>(&'a self, job: &'a Job, token: &'a Token) -> Trial<'a> {
        Trial { trials: self, job, token, counted: AtomicBool::new(false) }
    }
}

impl Trial<'_> {
    /// Waits for the job's turn and counts the execution. A first delivery waits for nothing and asks nobody.
    pub(super) async fn begin(&self, max_executions: u64) -> Begun<'_> {
        if self.token.executions <= 1 {
            self.counted.store(true, Ordering::Release);
            return Begun { executions: 1, most: max_executions, _turn: None };
        }
        // Nobody closes it.
        let turn = self.trials.turn.acquire().await.ok();
        let (executions, starts) = match self.trials.cache.begin(&self.job.key, self.token).await {
            Ok(counted) => {
                self.counted.store(true, Ordering::Release);
                counted
            }
            Err(error) => {
                // Without the cache no layer is read either: it does no harm now.
                tracing::warn!(%error, "an execution is not counted");
                (1, 0)
            }
        };
        let most = if starts >= MANY_STARTS { max_executions * PATIENCE } else { max_executions };
        Begun { executions, most, _turn: turn }
    }

    /// It ended, however: the next job of this key begins anew.
    pub(super) async fn end(&self) {
        if self.token.executions <= 1 {
            return;
        }
        if let Err(error) = self.trials.cache.end(&self.job.key, self.token).await {
            tracing::debug!(%error, "the count of executions ends by itself");
        }
    }

    /// It is handed back: it did not end, and killed nobody.
    pub(super) async fn hand_back(&self) {
        if !self.counted.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.trials.cache.hand_back(&self.job.key, self.token).await {
            tracing::warn!(%error, "a job that is handed back counts as executed");
        }
    }
}
