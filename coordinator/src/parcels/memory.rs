//! Parcels in the memory of a process that is coordinator and worker at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use crate::ports::{Parcels, PortError};

/// How long a parcel waits for the archive, as in Redis.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(3600);
/// Bytes that all parcels together may hold. A coordinator that is so far behind makes workers wait.
pub const CAPACITY: usize = 1 << 30;

/// Parcels in memory. Clones share them: one for the worker's side, one for the coordinator's.
#[derive(Clone, Default)]
pub struct MemoryParcels {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    bytes: usize,
    parcels: HashMap<String, (Instant, Bytes)>,
}

impl MemoryParcels {
    /// Puts a parcel down. The same name again replaces it.
    ///
    /// # Errors
    /// When [`CAPACITY`] would be exceeded.
    pub fn put(&self, name: &str, parcel: Bytes) -> Result<(), PortError> {
        let mut state = self.lock();
        state.remove(name);
        if state.bytes.saturating_add(parcel.len()) > CAPACITY {
            state.forget_old();
        }
        if state.bytes.saturating_add(parcel.len()) > CAPACITY {
            return Err(PortError {
                action: "put a parcel down",
                reason: format!("parcels of {} bytes wait for the archive already", state.bytes),
            });
        }
        state.bytes = state.bytes.saturating_add(parcel.len());
        state.parcels.insert(name.to_owned(), (Instant::now() + TIME_TO_LIVE, parcel));
        Ok(())
    }

    /// A poisoned lock is taken as it is: every section leaves its data whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, name: &str) {
        if let Some((_, parcel)) = self.parcels.remove(name) {
            self.bytes = self.bytes.saturating_sub(parcel.len());
        }
    }

    fn forget_old(&mut self) {
        let now = Instant::now();
        self.parcels.retain(|_, (end, _)| *end > now);
        self.bytes = self.parcels.values().map(|(_, parcel)| parcel.len()).sum();
    }
}

#[async_trait]
impl Parcels for MemoryParcels {
    async fn take(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        let now = Instant::now();
        let state = self.lock();
        Ok(state.parcels.get(name).filter(|(end, _)| *end > now).map(|(_, parcel)| parcel.clone()))
    }

    async fn discard(&self, names: &[&str]) -> Result<(), PortError> {
        let mut state = self.lock();
        for name in names {
            state.remove(name);
        }
        Ok(())
    }
}
