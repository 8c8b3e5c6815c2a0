//! The content of a registry: what stands behind its API.
//!
//! [`Synthetic`] makes everything from a [`Plan`] when it is asked for it and remembers digests, not bytes;
//! [`Fixed`] holds what a test put in. Both are a [`Store`].

mod blob;
mod compressor;
mod entry;
mod expected;
mod fixed;
mod giant;
mod ladder;
mod language;
mod layer;
mod manifest;
mod os;
mod plan;
mod recent;
mod rope;
mod synthetic;
mod tabled;
mod tar;
#[cfg(test)]
mod tests;

use std::io;

use strata_proto::digest::Digest;

pub use blob::{Blob, Compression, LayerDescriptor};
pub use entry::PackageFact;
pub use expected::{Expected, ExpectedImage, ExpectedPackage};
pub use fixed::{Fixed, FixedImage};
pub use giant::Giant;
pub use layer::{Arch, LayerId, Runtime};
pub use manifest::{DOCKER_LIST, DOCKER_MANIFEST, Head, Manifest, OCI_INDEX, OCI_MANIFEST};
pub use plan::{Plan, Sizes};
pub use rope::Rope;
pub use synthetic::{Census, Synthetic};
pub use tabled::Tabled;

/// What a registry serves. Calls may compute for long: they belong on a thread that may block.
pub trait Store: Send + Sync {
    /// Names of repositories in order, at most `limit` of those that follow `after`.
    fn repositories(&self, after: Option<&str>, limit: usize) -> Vec<String>;

    /// Tags of a repository in order, at most `limit` of those that follow `after`; `None` when there is no such
    /// repository.
    ///
    /// # Errors
    /// When content cannot be made.
    fn tags(&self, repository: &str, after: Option<&str>, limit: usize) -> io::Result<Option<Vec<String>>>;

    /// The manifest that a tag or a digest names.
    ///
    /// # Errors
    /// When content cannot be made.
    fn manifest(&self, repository: &str, reference: &str) -> io::Result<Option<Manifest>>;

    /// What the headers of a manifest's answer say, where that is known already: it must not compute. `None` sends the
    /// question on to [`Store::manifest`].
    fn known(&self, _repository: &str, _reference: &str) -> Option<Head> {
        None
    }

    /// Size of a blob, without making its bytes where that can be avoided.
    ///
    /// # Errors
    /// When content cannot be made.
    fn blob_size(&self, repository: &str, digest: &Digest) -> io::Result<Option<u64>>;

    /// A blob's bytes.
    ///
    /// # Errors
    /// When content cannot be made.
    fn blob(&self, repository: &str, digest: &Digest) -> io::Result<Option<Rope>>;
}

/// The names of a sorted listing that follow one, at most `limit`.
fn page<'a>(sorted: impl Iterator<Item = &'a String>, after: Option<&str>, limit: usize) -> Vec<String> {
    sorted.filter(|name| after.is_none_or(|after| name.as_str() > after)).take(limit).cloned().collect()
}
