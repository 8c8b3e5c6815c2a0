//! Parcels of a process that is coordinator and worker at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::ports::PortError;

/// How long a parcel waits for the archive, as in Redis.
pub const TIME_TO_LIVE: Duration = Duration::from_secs(3600);
/// Bytes that all parcels together may hold. Workers wait for a coordinator that is so far behind.
pub const CAPACITY: usize = 1 << 30;

/// Parcels in memory. Clones share them.
#[derive(Clone, Default)]
pub struct Shelf {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    bytes: usize,
    parcels: HashMap<String, (Instant, Bytes)>,
}

impl Shelf {
    /// Puts a parcel down. The same name again replaces it.
    ///
    /// # Errors
    /// When [`CAPACITY`] would be exceeded.
    pub fn put(&self, name: &str, parcel: Bytes) -> Result<(), PortError> {
        let now = Instant::now();
        let mut state = self.lock();
        state.remove(name);
        if state.bytes.saturating_add(parcel.len()) > CAPACITY {
            state.parcels.retain(|_, (end, _)| *end > now);
            state.bytes = state.parcels.values().map(|(_, parcel)| parcel.len()).sum();
        }
        if state.bytes.saturating_add(parcel.len()) > CAPACITY {
            return Err(PortError {
                action: "put a parcel down",
                reason: format!("parcels of {} bytes wait for the archive already", state.bytes),
            });
        }
        state.bytes = state.bytes.saturating_add(parcel.len());
        state.parcels.insert(name.to_owned(), (now + TIME_TO_LIVE, parcel));
        Ok(())
    }

    /// A parcel; `None` when it is gone.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Bytes> {
        let now = Instant::now();
        self.lock().parcels.get(name).filter(|(end, _)| *end > now).map(|(_, parcel)| parcel.clone())
    }

    /// Forgets a parcel.
    pub fn discard(&self, name: &str) {
        self.lock().remove(name);
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
}
