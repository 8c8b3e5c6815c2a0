//! Advisory databases as files, mapped into memory and shared by every job that uses them.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use async_trait::async_trait;
use memmap2::Mmap;
use strata_analysis::database::{Database, DatabaseError};

use crate::ports::{Advisories, PortError};

/// A database file that is mapped for as long as someone holds it.
pub struct DatabaseFile {
    map: Mmap,
    digest: String,
    modified: String,
}

/// Why a database file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be read.
    #[error("failed to read the advisory database {path}: {source}")]
    Read {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its content is no database.
    #[error("failed to open the advisory database {path}: {source}")]
    Content {
        /// Its path.
        path: String,
        /// Why.
        source: DatabaseError,
    },
}

impl DatabaseFile {
    /// Maps a database and checks its header and index.
    ///
    /// # Errors
    /// When it cannot be read, or is not a whole database of the format that this build reads.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let read = |source| OpenError::Read { path: path.display().to_string(), source };
        let file = File::open(path).map_err(read)?;
        #[expect(
            unsafe_code,
            reason = "mapping is unsafe because another process may change the file; databases are \
            immutable by contract: they are written to a new name and renamed, and every access is bounds-checked"
        )]
        // SAFETY: the file is only ever replaced by renaming a new one over it.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        let (digest, modified) = {
            let database = Database::open(&map)
                .map_err(|source| OpenError::Content { path: path.display().to_string(), source })?;
            (database.digest(), database.modified())
        };
        Ok(Self { map, digest, modified })
    }

    /// A view for look-ups.
    ///
    /// # Errors
    /// Never for a file that was opened once, unless someone changed it in place.
    pub fn view(&self) -> Result<Database<'_>, DatabaseError> {
        Database::open(&self.map)
    }

    /// `sha256:` digest of the content.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Newest modification, RFC 3339.
    #[must_use]
    pub fn modified(&self) -> &str {
        &self.modified
    }
}

/// The database of a worker or an embedded scan: one file, which may be replaced by renaming a newer one over it.
pub struct FileAdvisories {
    path: PathBuf,
    current: RwLock<(Stamp, Arc<DatabaseFile>)>,
}

/// What changes when a file is replaced.
type Stamp = (Option<SystemTime>, u64);

impl FileAdvisories {
    /// Opens the file for the first time.
    ///
    /// # Errors
    /// As [`DatabaseFile::open`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let stamp =
            stamp(path).map_err(|source| OpenError::Read { path: path.display().to_string(), source })?;
        let file = Arc::new(DatabaseFile::open(path)?);
        Ok(Self { path: path.to_owned(), current: RwLock::new((stamp, file)) })
    }

    /// The file as it is now. A newer one that cannot be used is an error: going on with the old one would hide it.
    fn refresh(&self) -> Result<Arc<DatabaseFile>, PortError> {
        let failed = |reason: String| PortError { action: "read the advisory database", reason };
        let now = stamp(&self.path).map_err(|error| failed(format!("{}: {error}", self.path.display())))?;
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.0 == now {
                return Ok(Arc::clone(&current.1));
            }
        }
        let file = Arc::new(DatabaseFile::open(&self.path).map_err(|error| failed(error.to_string()))?);
        tracing::info!(digest = file.digest(), "a newer advisory database is in use");
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (now, Arc::clone(&file));
        Ok(file)
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let data = std::fs::metadata(path)?;
    Ok((data.modified().ok(), data.len()))
}

#[async_trait]
impl Advisories for FileAdvisories {
    async fn database(&self, digest: &str) -> Result<Option<Arc<DatabaseFile>>, PortError> {
        let file = self.refresh()?;
        Ok((digest.is_empty() || digest == file.digest()).then_some(file))
    }
}
