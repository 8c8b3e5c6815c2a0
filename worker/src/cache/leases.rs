//! Leases on layers within one process, by the same rules as the scripts in Redis.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::ports::{Claim, LayerKey, PortError, Token};

/// Leases, each with what the adapter keeps for its length (a lock on a file).
pub(super) struct Leases<T> {
    held: Mutex<HashMap<LayerKey, Lease<T>>>,
}

struct Lease<T> {
    token: Token,
    end: Instant,
    guard: T,
}

impl<T> Default for Leases<T> {
    fn default() -> Self {
        Self { held: Mutex::default() }
    }
}

impl<T> Leases<T> {
    /// Takes the lease if nobody has it, if it has ended, or if the token is the same message's next delivery.
    /// `acquire` then says whether a free lease may be had: `Err` passes its answer on.
    pub(super) fn claim(
        &self,
        key: &LayerKey,
        token: &Token,
        span: (Instant, Instant),
        acquire: impl FnOnce() -> Result<Result<T, Claim>, PortError>,
    ) -> Result<Claim, PortError> {
        let (now, end) = span;
        let mut held = self.lock();
        if let Some(lease) = held.get_mut(key) {
            if lease.end > now && !may_replace(&lease.token, token) {
                return Ok(Claim::Busy);
            }
            lease.token = token.clone();
            lease.end = end;
            return Ok(Claim::Mine);
        }
        match acquire()? {
            Ok(guard) => {
                held.insert(key.clone(), Lease { token: token.clone(), end, guard });
                Ok(Claim::Mine)
            }
            Err(claim) => Ok(claim),
        }
    }

    /// Moves the end of a lease; false when it is not this token's or has ended.
    pub(super) fn renew(&self, key: &LayerKey, token: &Token, span: (Instant, Instant)) -> bool {
        let (now, end) = span;
        match self.lock().get_mut(key) {
            Some(lease) if lease.token == *token && lease.end > now => {
                lease.end = end;
                true
            }
            _ => false,
        }
    }

    /// Ends a lease if it is this token's and returns what was kept with it.
    pub(super) fn end(&self, key: &LayerKey, token: &Token) -> Option<T> {
        let mut held = self.lock();
        if held.get(key)?.token != *token {
            return None;
        }
        held.remove(key).map(|lease| lease.guard)
    }

    /// A poisoned lock is taken as it is: every section leaves its data whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<LayerKey, Lease<T>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same delivery asks again (its answer was lost), or the queue handed the same message out anew.
fn may_replace(holder: &Token, claimant: &Token) -> bool {
    holder == claimant || (holder.sequence == claimant.sequence && claimant.executions > holder.executions)
}
