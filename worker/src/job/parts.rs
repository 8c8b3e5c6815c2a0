//! Layers that may be read in parts: which they are, and by what they are told apart from the same blobs read whole.

use std::sync::Arc;

use strata_analysis::layer::table::{MOST, Place, SMALLEST};
use strata_proto::{
    subject,
    v1::{ImageFacts, LayerTable},
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What makes a worker read layers in parts where their manifests name tables of contents. Digest and diff id of such a layer are
/// not verified. Clones share the room for tables.
#[derive(Debug, Clone)]
pub struct InParts(Arc<Semaphore>);

/// Bytes of tables that are in memory at once, in units of [`UNIT`]; with what is made of them they take four times as much.
const ROOM: u32 = 24 << 10;
const UNIT: u64 = 1 << 10;

impl Default for InParts {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(usize::try_from(ROOM).unwrap_or(usize::MAX))))
    }
}

impl InParts {
    /// Waits for room for a table of so many bytes.
    pub(super) async fn room(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let units = u32::try_from(bytes.min(MOST).div_ceil(UNIT)).unwrap_or(ROOM).min(ROOM);
        self.0.acquire_many(units).await.ok()
    }
}

/// The table of an image's layer by which it may be read in parts; the same for whoever asks. None of a layer that is so small that
/// it is always read whole.
#[must_use]
pub fn table(facts: &ImageFacts, place: usize) -> Option<&LayerTable> {
    let table = facts.tables.get(place).filter(|table| !table.digest.is_empty())?;
    let size = facts.layers.get(place)?.size;
    Place::parse(&table.position, size).filter(|_| size >= SMALLEST).map(|_| table)
}

/// By what a layer is told apart: its digest, or one over that and the table's.
#[must_use]
pub fn identity(digest: &str, table: Option<&LayerTable>) -> String {
    match table.zip(digest.parse().ok()) {
        Some((table, layer)) => subject::layer_with_table(&layer, table).to_string(),
        None => digest.to_owned(),
    }
}

/// By what an image's layers are told apart where they may be read in parts.
pub fn identities(facts: &ImageFacts) -> impl Iterator<Item = String> {
    let layers = facts.layers.iter().enumerate();
    layers.map(|(place, layer)| identity(&layer.digest, table(facts, place)))
}

/// Whether facts tell of tables; those of earlier versions do not.
#[must_use]
pub fn are_told(facts: &ImageFacts) -> bool {
    facts.tables.len() == facts.layers.len()
}
