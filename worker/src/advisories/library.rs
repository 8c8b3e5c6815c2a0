//! The databases that a worker works with: fetched by digest from where the cluster publishes them, checked to the last
//! byte, mapped from files without a name, and dropped when no job has asked for them for a while.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, timeout},
};

use super::{DatabaseFile, FileAdvisories};
use crate::{
    error::JobError,
    ports::{Advisories, DatabaseStore, PortError, PublishedDatabase},
};

/// How a library is set up.
#[derive(Debug, Clone)]
pub struct LibraryConfig {
    /// Directory for the files; nothing there ever has a name.
    pub spool: PathBuf,
    /// Largest database, in bytes.
    pub max_bytes: u64,
    /// Databases that are kept at once, unless jobs use more.
    pub most: usize,
    /// How long one is kept that no job asks for.
    pub idle: Duration,
    /// How long the publisher may be silent in the middle of a file.
    pub patience: Duration,
}

impl LibraryConfig {
    /// The settings of production.
    #[must_use]
    pub const fn new(spool: PathBuf) -> Self {
        Self {
            spool,
            max_bytes: 256 << 20,
            most: 3,
            idle: Duration::from_secs(30 * 60),
            patience: Duration::from_secs(30),
        }
    }
}

/// Databases by digest. Clones share them.
#[derive(Clone)]
pub struct Library(Arc<Shelves>);

struct Shelves {
    config: LibraryConfig,
    /// The file of this machine, which is never fetched.
    local: Option<FileAdvisories>,
    store: Arc<dyn DatabaseStore>,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// The place of one database. Who holds the lock fetches it; the others wait for that.
struct Slot {
    file: tokio::sync::Mutex<Option<Arc<DatabaseFile>>>,
    used: Mutex<Instant>,
}

impl Library {
    /// Starts empty, and looks after itself as long as a clone of it exists. To be called inside a runtime.
    #[must_use]
    pub fn new(config: LibraryConfig, local: Option<FileAdvisories>, store: Arc<dyn DatabaseStore>) -> Self {
        const LOOKS: u32 = 4;
        let every = (config.idle / LOOKS).max(Duration::from_millis(10));
        let shelves = Arc::new(Shelves { config, local, store, slots: Mutex::default() });
        tokio::spawn(look_after(Arc::downgrade(&shelves), every));
        Self(shelves)
    }

    /// The file of this machine, else the database that a job asked for last, for those who watch the worker. `None` when
    /// it has had none to do with yet.
    ///
    /// # Errors
    /// When the file of this machine cannot be used.
    pub fn latest(&self) -> Result<Option<Arc<DatabaseFile>>, PortError> {
        if let Some(local) = &self.0.local {
            return local.current().map(Some);
        }
        let slots = self.0.slots();
        let last = slots.values().max_by_key(|slot| slot.used());
        Ok(last.and_then(|slot| slot.file.try_lock().ok()?.clone()))
    }

    /// Digests of the fetched databases that are held now.
    #[must_use]
    pub fn held(&self) -> Vec<String> {
        self.0.slots().keys().cloned().collect()
    }
}

async fn look_after(shelves: Weak<Shelves>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(shelves) = shelves.upgrade() else { return };
        shelves.drop_idle();
    }
}

impl Slot {
    fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a job fetches it, waits for it, or has it.
    fn busy(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
            || self
                .file
                .try_lock()
                .map_or(true, |file| file.as_ref().is_some_and(|file| Arc::strong_count(file) > 1))
    }
}

impl Shelves {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_idle(&self) {
        self.slots().retain(|digest, slot| {
            let stays = slot.busy() || slot.used().elapsed() < self.config.idle;
            if !stays {
                tracing::info!(digest, "a database that no job asks for is dropped");
            }
            stays
        });
    }

    /// The place of a database, with room made for it.
    fn slot(&self, digest: &str) -> Arc<Slot> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(digest) {
            *slot.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            return Arc::clone(slot);
        }
        while slots.len() >= self.config.most.max(1) {
            let idle = slots.iter().filter(|(_, slot)| !slot.busy()).min_by_key(|(_, slot)| slot.used());
            let Some(oldest) = idle.map(|(digest, _)| digest.clone()) else { break };
            slots.remove(&oldest);
        }
        let slot = Slot { file: tokio::sync::Mutex::default(), used: Mutex::new(Instant::now()) };
        Arc::clone(slots.entry(digest.to_owned()).or_insert(Arc::new(slot)))
    }

    async fn fetched(&self, digest: &str) -> Result<Option<Arc<DatabaseFile>>, JobError> {
        let slot = self.slot(digest);
        let mut place = slot.file.lock().await;
        if let Some(file) = &*place {
            return Ok(Some(Arc::clone(file)));
        }
        let failed = |reason: String| {
            JobError::later("database", format!("failed to fetch the advisory database {digest}: {reason}"))
        };
        let found = self.store.open(digest).await.map_err(|error| failed(error.to_string()))?;
        let Some(found) = found else { return Ok(None) };
        let started = Instant::now();
        let size = found.size;
        let file = self.download(found).await.map_err(failed)?;
        let owned = digest.to_owned();
        let checked = tokio::task::spawn_blocking(move || check(&file, &owned)).await;
        let file = Arc::new(checked.map_err(|error| failed(error.to_string()))?.map_err(failed)?);
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(digest, size, ms, "an advisory database was fetched and checked");
        *place = Some(Arc::clone(&file));
        Ok(Some(file))
    }

    async fn download(&self, mut found: PublishedDatabase) -> Result<File, String> {
        const PART: usize = 256 << 10;
        let LibraryConfig { spool, max_bytes, patience, .. } = &self.config;
        if found.size > *max_bytes {
            return Err(format!("it has {} bytes, and at most {max_bytes} are accepted", found.size));
        }
        let mut file =
            tempfile::tempfile_in(spool).map_err(|error| format!("{}: {error}", spool.display()))?;
        let mut have = 0_u64;
        let mut part = BytesMut::with_capacity(PART);
        loop {
            let read = timeout(*patience, found.content.read_buf(&mut part)).await;
            match read {
                Err(_) => return Err(format!("it was silent after {have} of {} bytes", found.size)),
                Ok(Err(error)) => return Err(format!("after {have} of {} bytes: {error}", found.size)),
                Ok(Ok(0)) => break,
                Ok(Ok(count)) => have = have.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)),
            }
            if have > found.size {
                return Err(format!("more than its {} bytes came", found.size));
            }
            if part.len() >= PART / 2 {
                file = write(file, &mut part).await?;
            }
        }
        if have != found.size {
            return Err(format!("it ended after {have} of {} bytes", found.size));
        }
        write(file, &mut part).await
    }
}

/// Writes away from the runtime's own threads.
async fn write(mut file: File, part: &mut BytesMut) -> Result<File, String> {
    let full = part.split().freeze();
    let written = tokio::task::spawn_blocking(move || file.write_all(&full).map(|()| file)).await;
    part.reserve(256 << 10);
    written.map_err(|error| error.to_string())?.map_err(|error| format!("failed to write it down: {error}"))
}

/// A file is used only when it is what it is named, to its last byte.
fn check(file: &File, digest: &str) -> Result<DatabaseFile, String> {
    let opened = DatabaseFile::of(file, "as it was published").map_err(|error| error.to_string())?;
    if opened.digest() != digest {
        return Err(format!("what is published under this name is {}", opened.digest()));
    }
    opened.verify("as it was published").map_err(|error| error.to_string())?;
    Ok(opened)
}

#[async_trait]
impl Advisories for Library {
    async fn database(&self, digest: &str) -> Result<Option<Arc<DatabaseFile>>, JobError> {
        if let Some(local) = &self.0.local {
            match local.database(digest).await {
                Ok(Some(file)) => return Ok(Some(file)),
                Ok(None) => {}
                Err(error) if digest.is_empty() => return Err(error),
                // The scan is pinned to another one, perhaps: that is fetched.
                Err(error) => tracing::warn!(%error, "the file of this machine is passed over"),
            }
        }
        if digest.is_empty() { Ok(None) } else { self.0.fetched(digest).await }
    }
}

#[cfg(test)]
mod tests;
