//! The cache as the assessments of one bundle see it: facts and inventories of all its images are read together, those that several
//! images share once. What was not there is asked for again by whoever needs it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use strata_proto::v1::{AssessJob, ImageFacts, Indexed};

use crate::ports::{Claim, InventoryCache, LayerKey, PortError, Token};

/// Inventories read at once, and the compressed bytes from which on no more are read ahead: the rest is read image by image.
const AT_ONCE: usize = 64;
const MOST_BYTES: usize = 8 << 20;

struct Shared {
    inner: Arc<dyn InventoryCache>,
    /// By digest and platform.
    facts: HashMap<(String, String), ImageFacts>,
    inventories: HashMap<LayerKey, Bytes>,
}

/// Reads ahead what these jobs need. A cache that cannot be read is left to each of them.
pub(super) async fn read_ahead<'a>(
    cache: &Arc<dyn InventoryCache>,
    fingerprint: &str,
    jobs: impl Iterator<Item = &'a AssessJob>,
) -> Arc<dyn InventoryCache> {
    let jobs: Vec<&AssessJob> = jobs.collect();
    let inner = Arc::clone(cache);
    // One job alone reads no more than it needs, as early as it needs it.
    if jobs.len() < 2 {
        return inner;
    }
    let mut shared = Shared { inner, facts: HashMap::new(), inventories: HashMap::new() };
    if let Err(error) = shared.read_ahead(fingerprint, &jobs).await {
        tracing::debug!(%error, "the jobs of a bundle read by themselves");
    }
    Arc::new(shared)
}

impl Shared {
    async fn read_ahead(&mut self, fingerprint: &str, jobs: &[&AssessJob]) -> Result<(), PortError> {
        let names: Vec<(&str, &str)> =
            jobs.iter().map(|job| (job.image_digest.as_str(), job.platform.as_str())).collect();
        let found = self.inner.images(&names).await?;
        let mut layers = BTreeSet::new();
        for ((digest, platform), facts) in names.into_iter().zip(found) {
            let Some(facts) = facts else { continue };
            layers.extend(facts.layers.iter().map(|layer| layer.digest.clone()));
            self.facts.insert((digest.to_owned(), platform.to_owned()), facts);
        }
        let key = |layer| LayerKey { layer, fingerprint: fingerprint.to_owned() };
        let keys: Vec<LayerKey> = layers.into_iter().map(key).collect();
        let mut bytes = 0_usize;
        for keys in keys.chunks(AT_ONCE) {
            for (key, value) in keys.iter().zip(self.inner.read(keys).await?) {
                let Some(value) = value else { continue };
                bytes = bytes.saturating_add(value.len());
                self.inventories.insert(key.clone(), value);
            }
            if bytes > MOST_BYTES {
                break;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl InventoryCache for Shared {
    async fn contains(&self, keys: &[LayerKey]) -> Result<Vec<bool>, PortError> {
        self.inner.contains(keys).await
    }

    async fn read(&self, keys: &[LayerKey]) -> Result<Vec<Option<Bytes>>, PortError> {
        let here: Option<Vec<_>> = keys.iter().map(|key| self.inventories.get(key).cloned()).collect();
        match here {
            Some(here) => Ok(here.into_iter().map(Some).collect()),
            None => self.inner.read(keys).await,
        }
    }

    async fn claim(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<Claim, PortError> {
        self.inner.claim(key, token, lease).await
    }

    async fn renew(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<bool, PortError> {
        self.inner.renew(key, token, lease).await
    }

    async fn finish(&self, key: &LayerKey, token: &Token, inventory: Bytes) -> Result<(), PortError> {
        self.inner.finish(key, token, inventory).await
    }

    async fn abandon(&self, key: &LayerKey, token: &Token) -> Result<(), PortError> {
        self.inner.abandon(key, token).await
    }

    async fn note_made(&self, scan: &str, key: &LayerKey, indexed: &Indexed) -> Result<(), PortError> {
        self.inner.note_made(scan, key, indexed).await
    }

    async fn made(&self, scan: &str, key: &LayerKey) -> Result<Option<Indexed>, PortError> {
        self.inner.made(scan, key).await
    }

    async fn image(&self, digest: &str, platform: &str) -> Result<Option<ImageFacts>, PortError> {
        match self.facts.get(&(digest.to_owned(), platform.to_owned())) {
            Some(facts) => Ok(Some(facts.clone())),
            None => self.inner.image(digest, platform).await,
        }
    }

    async fn images(&self, keys: &[(&str, &str)]) -> Result<Vec<Option<ImageFacts>>, PortError> {
        self.inner.images(keys).await
    }

    async fn keep_image(&self, digest: &str, platform: &str, facts: &ImageFacts) -> Result<(), PortError> {
        self.inner.keep_image(digest, platform, facts).await
    }

    async fn put_parcel(&self, name: &str, parcel: Bytes) -> Result<(), PortError> {
        self.inner.put_parcel(name, parcel).await
    }

    async fn put_parcels(&self, parcels: &[(&str, Bytes)]) -> Result<(), PortError> {
        self.inner.put_parcels(parcels).await
    }
}

#[cfg(test)]
mod tests;
