//! What was asked of a registry.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// A registry's counters at one moment. Requests count when they were let in and not made to fail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Requests of every kind, refused and failed ones included.
    pub requests: u64,
    /// Pages of the catalog.
    pub catalog_pages: u64,
    /// Pages of tags.
    pub tag_pages: u64,
    /// HEADs of manifests.
    pub manifest_heads: u64,
    /// GETs of manifests.
    pub manifest_gets: u64,
    /// HEADs of blobs.
    pub blob_heads: u64,
    /// GETs of blobs, parts included.
    pub blob_gets: u64,
    /// Bytes of blobs that were sent.
    pub blob_bytes: u64,
    /// Tokens given out.
    pub tokens: u64,
    /// Requests answered with 401.
    pub refused: u64,
    /// Faults committed on purpose.
    pub faults: u64,
}

/// The same, while they count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) catalog_pages: AtomicU64,
    pub(crate) tag_pages: AtomicU64,
    pub(crate) manifest_heads: AtomicU64,
    pub(crate) manifest_gets: AtomicU64,
    pub(crate) blob_heads: AtomicU64,
    pub(crate) blob_gets: AtomicU64,
    pub(crate) blob_bytes: AtomicU64,
    pub(crate) tokens: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) faults: AtomicU64,
    /// Only blobs that exist: a client cannot make it grow.
    downloads: Mutex<BTreeMap<String, u64>>,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(crate) fn downloaded(&self, digest: String) {
        count(&self.blob_gets);
        *self.downloads.lock().unwrap_or_else(PoisonError::into_inner).entry(digest).or_default() += 1;
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.blob_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn downloads(&self) -> BTreeMap<String, u64> {
        self.downloads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Relaxed),
            catalog_pages: self.catalog_pages.load(Relaxed),
            tag_pages: self.tag_pages.load(Relaxed),
            manifest_heads: self.manifest_heads.load(Relaxed),
            manifest_gets: self.manifest_gets.load(Relaxed),
            blob_heads: self.blob_heads.load(Relaxed),
            blob_gets: self.blob_gets.load(Relaxed),
            blob_bytes: self.blob_bytes.load(Relaxed),
            tokens: self.tokens.load(Relaxed),
            refused: self.refused.load(Relaxed),
            faults: self.faults.load(Relaxed),
        }
    }

    pub(crate) fn reset(&self) {
        for counter in [
            &self.requests,
            &self.catalog_pages,
            &self.tag_pages,
            &self.manifest_heads,
            &self.manifest_gets,
            &self.blob_heads,
            &self.blob_gets,
            &self.blob_bytes,
            &self.tokens,
            &self.refused,
            &self.faults,
        ] {
            counter.store(0, Relaxed);
        }
        self.downloads.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
