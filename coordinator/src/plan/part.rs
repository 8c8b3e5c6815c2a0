//! A layer as an image names it. One that may be read in parts is another one than its blob: what tells it apart covers its table too.

use std::sync::Arc;

use strata_proto::{
    digest::{BadDigest, Digest},
    subject::layer_with_table,
    v1::{LayerTable, ResolvedLayer},
};

/// A layer as an image names it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// What tells it apart: the blob's digest, or one over that and the table's.
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) media_type: Arc<str>,
    pub(super) cached: bool,
    /// Where it may be read in parts.
    tabled: Option<Box<Tabled>>,
}

/// A blob with its table.
#[derive(Debug, Clone)]
struct Tabled {
    blob: Digest,
    table: LayerTable,
}

impl Part {
    pub(super) fn new(layer: ResolvedLayer, digest: Digest, media_type: Arc<str>, cached: bool) -> Self {
        let blob = layer.digest.parse().ok();
        let tabled = layer.table.zip(blob).map(|(table, blob)| Box::new(Tabled { blob, table }));
        Self { digest, size: layer.size, media_type, cached, tabled }
    }

    /// Digest of the blob.
    pub(super) fn blob(&self) -> Digest {
        self.tabled.as_ref().map_or(self.digest, |tabled| tabled.blob)
    }

    /// Its table of contents.
    pub(super) fn table(&self) -> Option<&LayerTable> {
        self.tabled.as_ref().map(|tabled| &tabled.table)
    }
}

/// What tells a layer apart from others.
pub(super) fn identity(layer: &ResolvedLayer) -> Result<Digest, BadDigest> {
    let blob = layer.digest.parse()?;
    Ok(layer.table.as_ref().map_or(blob, |table| layer_with_table(&blob, table)))
}
