//! The cache in memory: for tests, and for a demonstration that leaves nothing behind.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use strata_proto::v1::{ImageFacts, Indexed};
use tokio::time::Instant;

use super::{MAX_VALUE, leases::Leases, shelf::Shelf};
use crate::ports::{Claim, InventoryCache, LayerKey, PortError, Token};

/// Everything in memory, for the life of the process.
#[derive(Default)]
pub struct MemoryCache {
    inventories: Mutex<HashMap<LayerKey, Bytes>>,
    images: Mutex<HashMap<(String, String), ImageFacts>>,
    /// By scan and layer.
    made: Mutex<HashMap<(String, LayerKey), Indexed>>,
    leases: Leases<()>,
    shelf: Shelf,
}

impl MemoryCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the parcels lie, for a coordinator in the same process.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        self.shelf.clone()
    }
}

#[async_trait]
impl InventoryCache for MemoryCache {
    async fn contains(&self, keys: &[LayerKey]) -> Result<Vec<bool>, PortError> {
        let inventories = lock(&self.inventories);
        Ok(keys.iter().map(|key| inventories.contains_key(key)).collect())
    }

    async fn read(&self, keys: &[LayerKey]) -> Result<Vec<Option<Bytes>>, PortError> {
        let inventories = lock(&self.inventories);
        Ok(keys.iter().map(|key| inventories.get(key).cloned()).collect())
    }

    async fn note_made(&self, scan: &str, key: &LayerKey, indexed: &Indexed) -> Result<(), PortError> {
        lock(&self.made).insert((scan.to_owned(), key.clone()), *indexed);
        Ok(())
    }

    async fn made(&self, scan: &str, key: &LayerKey) -> Result<Option<Indexed>, PortError> {
        Ok(lock(&self.made).get(&(scan.to_owned(), key.clone())).copied())
    }

    async fn claim(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<Claim, PortError> {
        // Held until the lease is taken, so that no inventory appears in between.
        let inventories = lock(&self.inventories);
        if inventories.contains_key(key) {
            return Ok(Claim::Done);
        }
        let now = Instant::now();
        self.leases.claim(key, token, (now, now + lease), || Ok(Ok(())))
    }

    async fn renew(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<bool, PortError> {
        let now = Instant::now();
        Ok(self.leases.renew(key, token, (now, now + lease)))
    }

    async fn finish(&self, key: &LayerKey, token: &Token, inventory: Bytes) -> Result<(), PortError> {
        if inventory.len() > MAX_VALUE {
            return Err(PortError {
                action: "store an inventory",
                reason: format!(
                    "that of layer {} has {} bytes, more than {MAX_VALUE}",
                    key.layer,
                    inventory.len()
                ),
            });
        }
        lock(&self.inventories).insert(key.clone(), inventory);
        self.leases.end(key, token);
        Ok(())
    }

    async fn abandon(&self, key: &LayerKey, token: &Token) -> Result<(), PortError> {
        self.leases.end(key, token);
        Ok(())
    }

    async fn image(&self, digest: &str, platform: &str) -> Result<Option<ImageFacts>, PortError> {
        Ok(lock(&self.images).get(&(digest.to_owned(), platform.to_owned())).cloned())
    }

    async fn keep_image(&self, digest: &str, platform: &str, facts: &ImageFacts) -> Result<(), PortError> {
        lock(&self.images).insert((digest.to_owned(), platform.to_owned()), facts.clone());
        Ok(())
    }

    async fn put_parcel(&self, name: &str, parcel: Bytes) -> Result<(), PortError> {
        self.shelf.put(name, parcel)
    }
}

/// A poisoned lock is taken as it is: every section leaves its data whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
