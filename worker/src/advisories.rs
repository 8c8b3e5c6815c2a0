//! Advisory databases as files, mapped into memory and shared by every job that uses them.
//!
//! * [`DatabaseFile`]: one of them. * [`FileAdvisories`]: the file of this machine, which may be replaced.
//! * [`library`]: those that the cluster publishes, fetched by digest.

pub mod library;

use std::{
    collections::VecDeque,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use async_trait::async_trait;
use memmap2::Mmap;
use strata_analysis::database::{Database, DatabaseError};

use crate::{
    error::JobError,
    ports::{Advisories, PortError},
};

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
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::of(&file, &name),
            Err(source) => Err(OpenError::Read { path: name, source }),
        }
    }

    /// As [`Self::open`], of a file that is open already; the name is for messages.
    ///
    /// # Errors
    /// As there.
    pub fn of(file: &File, name: &str) -> Result<Self, OpenError> {
        #[expect(
            unsafe_code,
            reason = "mapping is unsafe because another process may change the file; databases are \
            immutable by contract: they are written to a new name and renamed, and every access is bounds-checked"
        )]
        // SAFETY: the file is only ever replaced by renaming a new one over it.
        let map =
            unsafe { Mmap::map(file) }.map_err(|source| OpenError::Read { path: name.to_owned(), source })?;
        let (digest, modified) = {
            let database = Database::open(&map)
                .map_err(|source| OpenError::Content { path: name.to_owned(), source })?;
            (database.digest(), database.as_of())
        };
        Ok(Self { map, digest, modified })
    }

    /// Compares every byte with the digest.
    ///
    /// # Errors
    /// When they do not agree.
    pub fn verify(&self, name: &str) -> Result<(), OpenError> {
        let verified = self.view().and_then(|view| view.verify());
        verified.map_err(|source| OpenError::Content { path: name.to_owned(), source })
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

    /// The moment of which the database speaks, RFC 3339.
    #[must_use]
    pub fn modified(&self) -> &str {
        &self.modified
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::try_from(self.map.len()).unwrap_or(u64::MAX)
    }
}

impl AsRef<[u8]> for DatabaseFile {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

/// The database of a worker or an embedded scan: one file, which may be replaced by renaming a newer one over it. Those
/// that were replaced stay mapped for the scans that are pinned to them. Clones share it.
#[derive(Clone)]
pub struct FileAdvisories(Arc<Watched>);

struct Watched {
    path: PathBuf,
    files: RwLock<Files>,
}

struct Files {
    stamp: Stamp,
    current: Arc<DatabaseFile>,
    /// Newest first.
    replaced: VecDeque<Arc<DatabaseFile>>,
}

/// Replaced files that are kept: a file is replaced once a day or so, and few scans last for days.
const REPLACED: usize = 4;

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
        let current = Arc::new(DatabaseFile::open(path)?);
        let files = RwLock::new(Files { stamp, current, replaced: VecDeque::new() });
        Ok(Self(Arc::new(Watched { path: path.to_owned(), files })))
    }

    /// The file as it is now. A newer one that cannot be used is an error: going on with the old one would hide it.
    ///
    /// # Errors
    /// When the file cannot be read or is no database.
    pub fn current(&self) -> Result<Arc<DatabaseFile>, PortError> {
        let Watched { path, files } = &*self.0;
        let failed = |reason: String| PortError { action: "read the advisory database", reason };
        let now = stamp(path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
        {
            let files = files.read().unwrap_or_else(PoisonError::into_inner);
            if files.stamp == now {
                return Ok(Arc::clone(&files.current));
            }
        }
        let file = Arc::new(DatabaseFile::open(path).map_err(|error| failed(error.to_string()))?);
        tracing::info!(digest = file.digest(), "a newer advisory database is in use");
        let mut files = files.write().unwrap_or_else(PoisonError::into_inner);
        files.stamp = now;
        if files.current.digest() != file.digest() {
            let old = std::mem::replace(&mut files.current, Arc::clone(&file));
            files.replaced.push_front(old);
            files.replaced.truncate(REPLACED);
        }
        Ok(Arc::clone(&files.current))
    }

    /// The file of that digest, where it is the current one or one that it replaced.
    #[must_use]
    pub fn held(&self, digest: &str) -> Option<Arc<DatabaseFile>> {
        let files = self.0.files.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = std::iter::once(&files.current).chain(&files.replaced);
        all.find(|file| file.digest() == digest).cloned()
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let data = std::fs::metadata(path)?;
    Ok((data.modified().ok(), data.len()))
}

#[async_trait]
impl Advisories for FileAdvisories {
    async fn database(&self, digest: &str) -> Result<Option<Arc<DatabaseFile>>, JobError> {
        // A scan goes on with the file that it is pinned to, whatever became of the name.
        if let Some(held) = self.held(digest) {
            return Ok(Some(held));
        }
        let file = self.current().map_err(|error| JobError::later("database", error.to_string()))?;
        Ok((digest.is_empty() || digest == file.digest()).then_some(file))
    }
}

#[cfg(test)]
mod tests;
