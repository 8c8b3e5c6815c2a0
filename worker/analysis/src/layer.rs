//! *index*: one layer's bytes → its inventory, in one pass over the tar.

use std::io;

use crate::{
    distro,
    ecosystem::{self, Candidate},
    limits::Limits,
    model::Inventory,
};

mod batches;
mod blob;
mod collect;
mod hard;
mod header;
mod keep;
mod parse;
mod path;
mod pax;
mod pending;
mod replace;
mod room;
mod sparse;
mod spool;
pub mod table;
mod tar;
#[cfg(test)]
mod tests;
mod tree;

pub use spool::{Content, Spool, SpoolFile};
pub use tree::{Body, Taken, Tree};

/// Why a layer could not be read to its end. Nothing of such a layer is kept: half an inventory would lie.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The reader or the spool failed: the caller knows whether that may pass.
    #[error("failed to read the layer")]
    Read(#[source] io::Error),
    /// The compressed stream or the archive is malformed or ends early.
    #[error("the layer is malformed: {0}")]
    Malformed(String),
    /// The layer exceeds a limit.
    #[error("the layer exceeds a limit: {0}")]
    Limit(String),
}

/// Whether the content of a regular file matters, by its normalised path, its size in bytes and whether it can be executed.
#[must_use]
pub fn wants(path: &str, size: u64, executable: bool) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    !ecosystem::wanting(Candidate { path, name, size, executable }).is_empty() || distro::wants(path, name)
}

/// Reads a layer (gzip, zstd or plain tar, told apart by their first bytes) to its end.
///
/// Memory is bounded by the budget of the limits and by what the inventory keeps: it does not grow with entries that
/// no row wants. Wanted files are parsed with rayon, a batch at a time, while the layer is read on; the inventory does not
/// depend on their order.
///
/// # Errors
/// When the layer cannot be read to its end within the limits. Bad content of single files is not an error but a
/// problem in the inventory.
pub fn index(blob: &mut dyn io::Read, limits: &Limits) -> Result<Inventory, LayerError> {
    read(blob, limits, None)
}

/// As [`index`], with a place for wanted files that are too large for memory; without one such a file is a problem.
///
/// # Errors
/// As [`index`]; also when the spool fails.
pub fn index_with(
    blob: &mut dyn io::Read,
    limits: &Limits,
    spool: &dyn Spool,
) -> Result<Inventory, LayerError> {
    read(blob, limits, Some(spool))
}

fn read(
    blob: &mut dyn io::Read,
    limits: &Limits,
    spool: Option<&dyn Spool>,
) -> Result<Inventory, LayerError> {
    let mut archive = tar::Tar::new();
    let mut collector = collect::Collector::new(limits, spool);
    let bytes = blob::read(blob, limits, |chunk| archive.push(chunk, &mut collector))?;
    let end = archive.finish()?;
    Ok(collector.finish(end, bytes))
}
