//! Jobs that come again: each may have killed the worker that had it before, or only have been beside one that did.
//!
//! What counts is executions that began and did not end, not deliveries: a job that waited for its turn, or was handed back at
//! a shutdown, was not executed. Whom to blame is found out in steps. Of jobs that come again a worker carries out one at a
//! time, so that one that kills its worker takes no other suspect with it. The last execution that a job is allowed has its
//! worker to itself: only a death there is the last, so nobody is condemned for having been beside a killer. A bundle whose worker
//! died was an execution of each job in it, which these bring along (`Job.died`). What is left is a
//! worker that something else kills (the system, an operator) each time; where workers start again all the time, more
//! executions are allowed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use strata_proto::v1::Job;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit};

use crate::ports::{InventoryCache, Past, Token};

/// When a job is given up as poison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poison {
    /// Executions of one job that began and did not end, before it is given up.
    pub executions: u64,
    /// Starts of workers within ten minutes, less ends in good order, from which on workers are dying for other reasons.
    pub churn_starts: u64,
    /// What `executions` is then.
    pub churn_executions: u64,
}

impl Default for Poison {
    fn default() -> Self {
        Self { executions: 3, churn_starts: 15, churn_executions: 9 }
    }
}

/// How an execution may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// With others in the same worker.
    Beside,
    /// With the worker to itself.
    Alone,
    /// Not at all: it is poison.
    Never,
}

impl Poison {
    fn way(self, past: Past) -> Way {
        let most = if past.starts >= self.churn_starts {
            self.churn_executions.max(self.executions)
        } else {
            self.executions
        };
        let this = past.executions.saturating_add(1);
        match this {
            _ if this > most => Way::Never,
            // A job that may be executed once only has no past.
            _ if this >= self.executions && this > 1 => Way::Alone,
            _ => Way::Beside,
        }
    }
}

/// Where jobs that come again wait for their turn, and all others for one that is alone.
pub(super) struct Trials {
    cache: Arc<dyn InventoryCache>,
    turn: Semaphore,
    /// Held for reading by every execution, for writing by one that is alone. Fair: who wants to be alone is not kept waiting by
    /// those that come after.
    house: RwLock<()>,
}

/// One execution of a job.
pub(super) struct Trial<'a> {
    trials: &'a Trials,
    job: &'a Job,
    token: &'a Token,
    counted: AtomicBool,
}

/// Keeps an execution's place until it is dropped.
pub(super) struct Place<'a> {
    _turn: Option<SemaphorePermit<'a>>,
    _beside: Option<RwLockReadGuard<'a, ()>>,
    _alone: Option<RwLockWriteGuard<'a, ()>>,
}

/// What became of the wish to begin.
pub(super) enum Begun<'a> {
    /// It may, as long as it keeps this.
    Place { _kept: Place<'a> },
    /// So many executions began and did not end that it may not.
    Poison(u64),
}

impl Trials {
    pub(super) fn new(cache: Arc<dyn InventoryCache>) -> Self {
        Self { cache, turn: Semaphore::new(1), house: RwLock::new(()) }
    }

    pub(super) const fn of<'a>(&'a self, job: &'a Job, token: &'a Token) -> Trial<'a> {
        Trial { trials: self, job, token, counted: AtomicBool::new(false) }
    }
}

impl Trial<'_> {
    /// Executions that began and did not end, and starts of workers lately.
    pub(super) async fn past(&self) -> Past {
        let died = u64::from(self.job.died);
        if self.token.executions <= 1 {
            return Past { executions: died, ..Past::default() };
        }
        match self.trials.cache.past(&self.job.key, self.token).await {
            Ok(past) => Past { executions: past.executions.saturating_add(died), ..past },
            Err(error) => {
                // Without the cache no layer is read either: it does no harm now.
                tracing::warn!(%error, "the executions of a job are not known");
                Past::default()
            }
        }
    }

    /// Waits for the job's turn and counts the execution. A first delivery asks nobody, and waits only for one that is alone.
    pub(super) async fn begin(&self, poison: Poison) -> Begun<'_> {
        let trials = self.trials;
        let first = self.token.executions <= 1;
        if first && poison.way(self.past().await) == Way::Beside {
            let beside = trials.house.read().await;
            self.counted.store(true, Ordering::Release);
            let _kept = Place { _turn: None, _beside: Some(beside), _alone: None };
            return Begun::Place { _kept };
        }
        // Nobody closes it.
        let turn = trials.turn.acquire().await.ok();
        let past = self.past().await;
        let (beside, alone) = match poison.way(past) {
            Way::Never => return Begun::Poison(past.executions),
            Way::Beside => (Some(trials.house.read().await), None),
            Way::Alone => {
                tracing::info!(
                    executions = past.executions,
                    "a job that workers died of has this one to itself"
                );
                (None, Some(trials.house.write().await))
            }
        };
        // A first execution counts without that.
        if !first {
            match trials.cache.begin(&self.job.key, self.token).await {
                Ok(()) => self.counted.store(true, Ordering::Release),
                Err(error) => tracing::warn!(%error, "an execution is not counted"),
            }
        }
        Begun::Place { _kept: Place { _turn: turn, _beside: beside, _alone: alone } }
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

    /// It is handed back: it did not end, and killed nobody. A first execution is taken for granted, even one that did not begin.
    pub(super) async fn hand_back(&self) {
        if self.token.executions > 1 && !self.counted.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = self.trials.cache.hand_back(&self.job.key, self.token).await {
            tracing::warn!(%error, "a job that is handed back counts as executed");
        }
    }
}

#[cfg(test)]
mod tests;
