//! The index of Java archives as a file, mapped into memory and shared by every job.

use std::{fs::File, path::Path};

use memmap2::Mmap;
use strata_analysis::java_index::{JavaIndex, JavaIndexError};

/// An index file, mapped for as long as the process runs: it is small change to what jobs read, and restarting a worker
/// for a new one keeps all reports of its life comparable.
pub struct JavaIndexFile {
    map: Mmap,
    digest: String,
}

/// Why an index file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error("failed to read the index of Java archives {path}: {source}")]
    Read {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its content is no index.
    #[error("failed to open the index of Java archives {path}: {source}")]
    Content {
        /// Its path.
        path: String,
        /// Why.
        source: JavaIndexError,
    },
}

impl JavaIndexFile {
    /// Maps an index and checks all of it against its digest.
    ///
    /// # Errors
    /// When it cannot be read, or is not a whole index of the format that this build reads.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let read = |source| OpenError::Read { path: path.display().to_string(), source };
        let file = File::open(path).map_err(read)?;
        #[expect(
            unsafe_code,
            reason = "mapping is unsafe because another process may change the file; indexes are immutable by contract: \
            they are written to a new name and renamed, and every access is bounds-checked"
        )]
        // SAFETY: the file is only ever replaced by renaming a new one over it.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        let digest = JavaIndex::open(&map)
            .map_err(|source| OpenError::Content { path: path.display().to_string(), source })?
            .digest();
        Ok(Self { map, digest })
    }

    /// A view for look-ups.
    ///
    /// # Errors
    /// Never for a file that was opened once, unless someone changed it in place.
    pub fn view(&self) -> Result<JavaIndex<'_>, JavaIndexError> {
        JavaIndex::reopen(&self.map)
    }

    /// `sha256:` digest of the content.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
