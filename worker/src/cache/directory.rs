//! The cache in a directory, for embedded mode. Several processes may share it: files are written under a temporary
//! name and renamed, and a lock on a file keeps two processes from analysing one layer at once.
//!
//! ```text
//! inventory/<2 digits>/<digest>-<fingerprint>.zst    image/<2 digits>/<digest over digest and platform>.pb
//! lease/<digest>-<fingerprint>.lock                  held open by the process that analyses the layer
//! ```

mod file;
mod lock;
mod space;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message as _;
use strata_proto::{digest::Digest, subject, v1::ImageFacts};
use tokio::time::Instant;

use super::{MAX_VALUE, leases::Leases, shelf::Shelf};
use crate::ports::{Claim, InventoryCache, LayerKey, PortError, Token};

/// How large the directory may grow unless someone says otherwise, in bytes.
pub const DEFAULT_LIMIT: u64 = 10 << 30;

/// Inventories and image facts as files.
pub struct DirectoryCache {
    inner: Arc<Inner>,
    shelf: Shelf,
}

struct Inner {
    root: PathBuf,
    leases: Leases<lock::LockFile>,
    space: space::Space,
}

impl DirectoryCache {
    /// Opens the cache in `root`, which is made if it does not exist. Above `limit` bytes the files that were not used
    /// for the longest time are removed; a limit below what one scan needs makes it analyse layers again and again.
    ///
    /// # Errors
    /// When the directories cannot be made.
    pub fn open(root: &Path, limit: u64) -> Result<Self, PortError> {
        for part in ["inventory", "image", "lease"] {
            let path = root.join(part);
            std::fs::create_dir_all(&path)
                .map_err(|error| failed("open the cache directory", &path, &error))?;
        }
        let inner =
            Inner { root: root.to_owned(), leases: Leases::default(), space: space::Space::new(limit) };
        Ok(Self { inner: Arc::new(inner), shelf: Shelf::default() })
    }

    /// Where the parcels lie, for a coordinator in the same process.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        self.shelf.clone()
    }

    /// File work off the runtime's threads.
    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Inner) -> Result<T, PortError> + Send + 'static,
    ) -> Result<T, PortError> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .map_err(|error| PortError { action, reason: error.to_string() })?
    }
}

impl Inner {
    /// Path of an inventory. The names in it are checked: what is no digest chooses no file.
    fn inventory(&self, key: &LayerKey) -> Result<PathBuf, PortError> {
        let name = file_name(key)?;
        let prefix: String = name.chars().take(2).collect();
        Ok(self.root.join("inventory").join(prefix).join(format!("{name}.zst")))
    }

    fn lease(&self, key: &LayerKey) -> Result<PathBuf, PortError> {
        Ok(self.root.join("lease").join(format!("{}.lock", file_name(key)?)))
    }

    fn image(&self, digest: &str, platform: &str) -> PathBuf {
        let name = subject::key_of(&[digest, platform]);
        let prefix: String = name.chars().take(2).collect();
        self.root.join("image").join(prefix).join(format!("{name}.pb"))
    }

    fn write(&self, action: &'static str, path: &Path, value: &[u8]) -> Result<(), PortError> {
        if value.len() > MAX_VALUE {
            let reason =
                format!("{} would have {} bytes, more than {MAX_VALUE}", path.display(), value.len());
            return Err(PortError { action, reason });
        }
        let written = file::write(path, value).map_err(|error| failed(action, path, &error))?;
        self.space.wrote(&self.root, written);
        Ok(())
    }
}

#[async_trait]
impl InventoryCache for DirectoryCache {
    async fn contains(&self, keys: &[LayerKey]) -> Result<Vec<bool>, PortError> {
        const ACTION: &str = "look for inventories";
        let keys = keys.to_vec();
        self.blocking(ACTION, move |inner| {
            let exists = |path: PathBuf| file::exists(&path).map_err(|error| failed(ACTION, &path, &error));
            keys.iter().map(|key| exists(inner.inventory(key)?)).collect()
        })
        .await
    }

    async fn read(&self, keys: &[LayerKey]) -> Result<Vec<Option<Bytes>>, PortError> {
        const ACTION: &str = "read inventories";
        let keys = keys.to_vec();
        self.blocking(ACTION, move |inner| {
            let read = |path: PathBuf| file::read(&path).map_err(|error| failed(ACTION, &path, &error));
            keys.iter().map(|key| read(inner.inventory(key)?)).collect()
        })
        .await
    }

    async fn claim(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<Claim, PortError> {
        const ACTION: &str = "claim a layer";
        let (key, token, now) = (key.clone(), token.clone(), Instant::now());
        self.blocking(ACTION, move |inner| {
            let (inventory, lock) = (inner.inventory(&key)?, inner.lease(&key)?);
            let exists = || file::exists(&inventory).map_err(|error| failed(ACTION, &inventory, &error));
            if exists()? {
                return Ok(Claim::Done);
            }
            inner.leases.claim(&key, &token, (now, now + lease), || {
                let taken = lock::LockFile::take(&lock).map_err(|error| failed(ACTION, &lock, &error))?;
                let Some(taken) = taken else { return Ok(Err(Claim::Busy)) };
                // Its last holder may have finished between the first look and the lock.
                if exists()? {
                    return Ok(Err(Claim::Done));
                }
                Ok(Ok(taken))
            })
        })
        .await
    }

    async fn renew(&self, key: &LayerKey, token: &Token, lease: Duration) -> Result<bool, PortError> {
        let now = Instant::now();
        Ok(self.inner.leases.renew(key, token, (now, now + lease)))
    }

    async fn finish(&self, key: &LayerKey, token: &Token, inventory: Bytes) -> Result<(), PortError> {
        const ACTION: &str = "store an inventory";
        let (key, token) = (key.clone(), token.clone());
        self.blocking(ACTION, move |inner| {
            inner.write(ACTION, &inner.inventory(&key)?, &inventory)?;
            drop(inner.leases.end(&key, &token));
            Ok(())
        })
        .await
    }

    async fn abandon(&self, key: &LayerKey, token: &Token) -> Result<(), PortError> {
        let (key, token) = (key.clone(), token.clone());
        self.blocking("give a layer up", move |inner| {
            drop(inner.leases.end(&key, &token));
            Ok(())
        })
        .await
    }

    async fn image(&self, digest: &str, platform: &str) -> Result<Option<ImageFacts>, PortError> {
        Ok(self.images(&[(digest, platform)]).await?.into_iter().flatten().next())
    }

    async fn images(&self, keys: &[(&str, &str)]) -> Result<Vec<Option<ImageFacts>>, PortError> {
        const ACTION: &str = "read image facts";
        let paths: Vec<PathBuf> =
            keys.iter().map(|(digest, platform)| self.inner.image(digest, platform)).collect();
        self.blocking(ACTION, move |_| {
            let read = |path: &PathBuf| {
                let bytes = file::read(path).map_err(|error| failed(ACTION, path, &error))?;
                // Facts of a build that wrote them differently are made again.
                Ok(bytes.and_then(|bytes| ImageFacts::decode(bytes).ok()))
            };
            paths.iter().map(read).collect()
        })
        .await
    }

    async fn keep_image(&self, digest: &str, platform: &str, facts: &ImageFacts) -> Result<(), PortError> {
        const ACTION: &str = "keep image facts";
        let (path, facts) = (self.inner.image(digest, platform), facts.encode_to_vec());
        self.blocking(ACTION, move |inner| inner.write(ACTION, &path, &facts)).await
    }

    async fn put_parcel(&self, name: &str, parcel: Bytes) -> Result<(), PortError> {
        self.shelf.put(name, parcel)
    }
}

/// `<hexadecimal digest>-<fingerprint>`, after a check of both.
fn file_name(key: &LayerKey) -> Result<String, PortError> {
    let bad = |reason: String| PortError { action: "name a cache file", reason };
    let digest = key.layer.parse::<Digest>().map_err(|error| bad(error.to_string()))?;
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !(1..=128).contains(&key.fingerprint.len()) || !plain(&key.fingerprint) {
        return Err(bad(format!("`{}` is no fingerprint", key.fingerprint.escape_default())));
    }
    Ok(format!("{}-{}", digest.hex(), key.fingerprint))
}

fn failed(action: &'static str, path: &Path, error: &io::Error) -> PortError {
    PortError { action, reason: format!("{}: {error}", path.display()) }
}
