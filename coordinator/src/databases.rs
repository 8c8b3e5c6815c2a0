//! Advisory databases on their way from the coordinator to the workers: published under their digest, pinned by scans,
//! kept as long as a running scan needs them.
//!
//! * [`Publisher`]: takes files in, after their inspection, and says which one is current.
//! * [`nats`]: the adapter on a JetStream object store.
//! * [`fixed`]: for one process, whose worker has the file itself.

pub mod fixed;
pub mod nats;

mod outline;
mod tidy;

use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use self::tidy::tidy;
use crate::ports::{DatabaseInfo, Databases, Inspector, Outlines, PortError};

/// Why a database was not published. The texts are for people.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The file cannot be read.
    #[error("failed to read the database: {0}")]
    Read(std::io::Error),
    /// It is no database, or is damaged.
    #[error("{0}")]
    Inspect(String),
    /// It is larger than this coordinator keeps.
    #[error("the database has {size} bytes, and at most {most} are kept")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        most: u64,
    },
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] PortError),
}

/// Publishes files. Clones share it.
#[derive(Clone)]
pub struct Publisher {
    databases: Arc<dyn Databases>,
    inspector: Arc<dyn Inspector>,
    spool: PathBuf,
    max_bytes: u64,
    outlines: Option<Arc<dyn Outlines>>,
}

impl Publisher {
    /// With a directory for files that clients send, and the largest size of one in bytes; 0 takes none.
    #[must_use]
    pub fn new(
        databases: Arc<dyn Databases>,
        inspector: Arc<dyn Inspector>,
        spool: PathBuf,
        max_bytes: u64,
    ) -> Self {
        Self { databases, inspector, spool, max_bytes, outlines: None }
    }

    /// Checks every byte of a file, keeps it under its digest and makes it the current one.
    ///
    /// # Errors
    /// As the variants say.
    pub async fn publish_file(&self, path: &Path) -> Result<DatabaseInfo, PublishError> {
        let (info, file) = self.inspect(path).await?;
        let file = self.outline(&info, file).await?;
        self.databases.publish(&info, file).await?;
        tracing::info!(digest = info.digest, modified = info.modified, "a database is published");
        Ok(info)
    }

    /// As [`Self::publish_file`], unless the current one is newer. `None` when it is.
    ///
    /// # Errors
    /// As there.
    pub async fn publish_unless_older(&self, path: &Path) -> Result<Option<DatabaseInfo>, PublishError> {
        let (info, file) = self.inspect(path).await?;
        if let Some(current) = self.databases.current().await?
            && current.digest != info.digest
            && current.modified > info.modified
        {
            tracing::warn!(
                current = current.digest,
                modified = current.modified,
                file = %path.display(),
                "the published database is newer than the file, and stays"
            );
            return Ok(None);
        }
        let file = self.outline(&info, file).await?;
        self.databases.publish(&info, file).await?;
        tracing::info!(digest = info.digest, modified = info.modified, "a database is published");
        Ok(Some(info))
    }

    async fn inspect(&self, path: &Path) -> Result<(DatabaseInfo, File), PublishError> {
        let (inspector, path) = (Arc::clone(&self.inspector), path.to_owned());
        let inspected = tokio::task::spawn_blocking(move || {
            // Opened once: what was inspected is what is sent, whatever takes the name meanwhile.
            let file = File::open(&path).map_err(|error| {
                let text = format!("{}: {error}", path.display());
                PublishError::Read(std::io::Error::new(error.kind(), text))
            })?;
            Ok((inspector.inspect(&file, &path).map_err(PublishError::Inspect)?, file))
        });
        let inspected: Result<_, PublishError> = inspected
            .await
            .map_err(|error| PublishError::Inspect(format!("the inspection broke off: {error}")))?;
        let (info, file) = inspected?;
        if info.size > self.max_bytes {
            return Err(PublishError::TooLarge { size: info.size, most: self.max_bytes });
        }
        Ok((info, file))
    }

    /// The database that new scans are pinned to; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn current(&self) -> Result<Option<DatabaseInfo>, PortError> {
        self.databases.current().await
    }

    pub(crate) const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    pub(crate) fn spool(&self) -> &Path {
        &self.spool
    }

    pub(crate) fn databases(&self) -> &dyn Databases {
        &*self.databases
    }
}

/// Digests that may go: kept, not current, and not pinned.
fn spare(kept: Vec<String>, current: Option<&str>, pinned: &[String]) -> BTreeSet<String> {
    let needed = |digest: &String| current == Some(digest.as_str()) || pinned.contains(digest);
    kept.into_iter().filter(|digest| !needed(digest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nothing_needs_may_go() {
        let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        for (kept, current, pinned, may_go) in [
            (&["a", "b", "c"][..], Some("c"), &["a"][..], &["b"][..]),
            (&["a"], Some("a"), &[], &[]),
            (&["a"], None, &[], &["a"]),
            (&[], Some("x"), &["y"], &[]),
        ] {
            let found: Vec<String> = spare(all(kept), current, &all(pinned)).into_iter().collect();
            assert_eq!(found, all(may_go), "{kept:?} {current:?} {pinned:?}");
        }
    }
}
