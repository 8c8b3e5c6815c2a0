//! Databases in a JetStream object store: one object for each digest, and one without content whose metadata name the
//! current one. Only the coordinator writes here and reads that one; workers ask for digests.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Seek as _,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use async_nats::jetstream::{
    Context, ErrorCode,
    context::GetStreamErrorKind,
    object_store::{
        Config as StoreConfig, DeleteErrorKind, GetErrorKind, InfoErrorKind, ObjectInfo, ObjectMetadata,
        ObjectStore,
    },
    stream::{DiscardPolicy, StorageType},
};
use async_trait::async_trait;
use futures::StreamExt as _;
use strata_proto::subject;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::ports::{DatabaseContent, DatabaseInfo, Databases, PortError};

/// A server that is silent for so long while a database is sent or listed is given up.
const PATIENCE: Duration = Duration::from_secs(300);
/// Chunks that no object names for so long belong to no database that is being sent: that takes at most [`PATIENCE`].
const GRACE: Duration = Duration::from_secs(2 * 300);
const LIST_PATIENCE: Duration = Duration::from_secs(30);
/// How long a look at what is current may take: a submission waits for it.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// Databases in an object store.
pub struct NatsDatabases {
    store: ObjectStore,
    jetstream: Context,
    current: RwLock<Option<DatabaseInfo>>,
    /// One database is sent at a time.
    sending: Mutex<()>,
    /// Chunks that no object names, and since when that is known.
    nameless: Mutex<BTreeMap<String, Instant>>,
    grace: Duration,
}

impl NatsDatabases {
    /// Opens the object store, or makes it for that many bytes (chunks' headers included), and reads which database is current.
    ///
    /// # Errors
    /// When the server refuses, or has a store of the name that throws away or cannot replace.
    pub(crate) async fn open(jetstream: Context, replicas: usize, max_bytes: i64) -> Result<Self, PortError> {
        let store = store(&jetstream, replicas, max_bytes).await?;
        let databases = Self {
            store,
            jetstream,
            current: RwLock::default(),
            sending: Mutex::default(),
            nameless: Mutex::default(),
            grace: GRACE,
        };
        databases.look().await?;
        Ok(databases)
    }

    /// Reads which database is current: another coordinator may have published one.
    async fn look(&self) -> Result<(), PortError> {
        let Some(found) = self.info(subject::CURRENT_DATABASE).await? else { return Ok(()) };
        let get = |key: &str| found.metadata.get(key).cloned().unwrap_or_default();
        let digest = get(subject::DATABASE_DIGEST);
        match self.info(&digest).await? {
            Some(object) => self.set(DatabaseInfo {
                digest,
                modified: get(subject::DATABASE_MODIFIED),
                size: u64::try_from(object.size).unwrap_or(u64::MAX),
            }),
            None => tracing::error!(digest, "the current database is gone: publish one"),
        }
        Ok(())
    }

    fn set(&self, info: DatabaseInfo) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(info);
    }

    async fn info(&self, name: &str) -> Result<Option<ObjectInfo>, PortError> {
        if name.is_empty() {
            return Ok(None);
        }
        match self.store.info(name).await {
            Ok(info) => Ok((!info.deleted).then_some(info)),
            Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(PortError { action: "look for a database", reason: format!("{name}: {error}") })
            }
        }
    }

    async fn objects(&self) -> Result<Vec<ObjectInfo>, PortError> {
        let failed = |reason: String| PortError { action: "list the databases", reason };
        let listing = async {
            let mut list = self.store.list().await.map_err(|error| failed(error.to_string()))?;
            let mut found = Vec::new();
            while let Some(object) = list.next().await {
                found.push(object.map_err(|error| failed(error.to_string()))?);
            }
            Ok(found)
        };
        timeout(LIST_PATIENCE, listing).await.map_err(|_| failed("the server is silent".to_owned()))?
    }

    /// With another patience towards chunks that no object names.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// A coordinator that ended while it sent a database leaves chunks that no object names. So does one that is still
    /// sending, for a while: what has no name goes when it had none for longer than any database takes.
    async fn drop_orphans(&self) -> Result<(), PortError> {
        let failed = |reason: String| PortError { action: "look for parts of databases", reason };
        let known: Vec<String> = self.objects().await?.into_iter().map(|object| object.nuid).collect();
        let name = format!("OBJ_{}", subject::DATABASES);
        let stream =
            self.jetstream.get_stream(&name).await.map_err(|error| failed(format!("{name}: {error}")))?;
        let mut subjects = stream
            .info_with_subjects(format!("$O.{}.C.>", subject::DATABASES))
            .await
            .map_err(|error| failed(error.to_string()))?;
        let mut nameless = self.nameless.lock().await;
        let before = std::mem::take(&mut *nameless);
        while let Some(entry) = subjects.next().await {
            let (chunks, count) = entry.map_err(|error| failed(error.to_string()))?;
            let nuid = chunks.rsplit('.').next().unwrap_or_default();
            if known.iter().any(|known| known == nuid) {
                continue;
            }
            let since = before.get(nuid).copied().unwrap_or_else(Instant::now);
            if since.elapsed() < self.grace {
                nameless.insert(nuid.to_owned(), since);
            } else {
                tracing::warn!(chunks, count, "parts of a database that was never whole are dropped");
                stream.purge().filter(&chunks).await.map_err(|error| failed(error.to_string()))?;
            }
        }
        Ok(())
    }

    async fn delete(&self, digest: &str) -> Result<(), PortError> {
        match self.store.delete(digest).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == DeleteErrorKind::NotFound => Ok(()),
            Err(error) => Err(PortError { action: "drop a database", reason: format!("{digest}: {error}") }),
        }
    }

    async fn send(&self, info: &DatabaseInfo, mut file: File) -> Result<(), PortError> {
        let failed = |reason: String| PortError {
            action: "send a database",
            reason: format!("{}: {reason}", info.digest),
        };
        file.rewind().map_err(|error| failed(error.to_string()))?;
        // The next chunk goes when the server has confirmed the one before it.
        let mut file = tokio::fs::File::from_std(file);
        let sent = timeout(PATIENCE, self.store.put(info.digest.as_str(), &mut file)).await;
        let sent = sent
            .map_err(|_| failed("it took too long".to_owned()))?
            .map_err(|error| failed(format!("{error}: {}", source(&error))))?;
        if u64::try_from(sent.size).ok() == Some(info.size) {
            return Ok(());
        }
        self.delete(&info.digest).await?;
        Err(failed(format!("{} of {} bytes were sent: the file was changed", sent.size, info.size)))
    }
}

fn source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(String::new, ToString::to_string)
}

async fn store(jetstream: &Context, replicas: usize, max_bytes: i64) -> Result<ObjectStore, PortError> {
    let failed = |reason: String| PortError {
        action: "set up the object store of databases",
        reason: format!("{}: {reason}", subject::DATABASES),
    };
    let name = format!("OBJ_{}", subject::DATABASES);
    let found = match jetstream.get_stream(&name).await {
        Ok(stream) => stream.cached_info().config.clone(),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                let wanted = StoreConfig {
                    bucket: subject::DATABASES.to_owned(),
                    max_bytes,
                    storage: StorageType::File,
                    num_replicas: replicas,
                    ..StoreConfig::default()
                };
                jetstream
                    .create_object_store(wanted)
                    .await
                    .map_err(|error| failed(format!("{error}: {}", source(&error))))?;
                let made = jetstream.get_stream(&name).await.map_err(|error| failed(error.to_string()))?;
                made.cached_info().config.clone()
            }
            _ => return Err(failed(error.to_string())),
        },
    };
    // A store that drops the oldest would take chunks out of a database that is in use.
    if found.discard != DiscardPolicy::New || !found.allow_rollup {
        return Err(failed(format!(
            "discard is {:?} and must be New; allow_rollup_hdrs is {} and must be true",
            found.discard, found.allow_rollup
        )));
    }
    jetstream.get_object_store(subject::DATABASES).await.map_err(|error| failed(error.to_string()))
}

#[async_trait]
impl Databases for NatsDatabases {
    async fn current(&self) -> Result<Option<DatabaseInfo>, PortError> {
        match timeout(LOOK_PATIENCE, self.look()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "going on with the database that was current"),
            Err(_) => tracing::warn!("the server is silent; going on with the database that was current"),
        }
        Ok(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn publish(&self, info: &DatabaseInfo, file: File) -> Result<(), PortError> {
        let _one = self.sending.lock().await;
        let there = self.info(&info.digest).await?;
        if there.is_none_or(|object| u64::try_from(object.size).ok() != Some(info.size)) {
            self.send(info, file).await?;
        }
        let pointer = ObjectMetadata {
            name: subject::CURRENT_DATABASE.to_owned(),
            metadata: [
                (subject::DATABASE_DIGEST.to_owned(), info.digest.clone()),
                (subject::DATABASE_MODIFIED.to_owned(), info.modified.clone()),
            ]
            .into(),
            ..ObjectMetadata::default()
        };
        let put = timeout(LIST_PATIENCE, self.store.put(pointer, &mut tokio::io::empty())).await;
        let failed = |reason: String| PortError { action: "make a database the current one", reason };
        put.map_err(|_| failed("the server is silent".to_owned()))?
            .map_err(|error| failed(format!("{error}: {}", source(&error))))?;
        self.set(info.clone());
        Ok(())
    }

    async fn content(&self, digest: &str) -> Result<Option<DatabaseContent>, PortError> {
        let failed = |reason: String| PortError { action: "open a published database", reason };
        let opened = timeout(LIST_PATIENCE, self.store.get(digest)).await;
        match opened.map_err(|_| failed("the server is silent".to_owned()))? {
            Ok(object) => Ok(Some(Box::pin(object))),
            Err(error) if error.kind() == GetErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(format!("{digest}: {error}"))),
        }
    }

    async fn kept(&self) -> Result<Vec<String>, PortError> {
        let objects = self.objects().await?;
        let names = objects.into_iter().filter(|object| !object.deleted).map(|object| object.name);
        Ok(names.filter(|name| name != subject::CURRENT_DATABASE).collect())
    }

    async fn tidy(&self) -> Result<(), PortError> {
        self.drop_orphans().await
    }

    async fn remove(&self, digest: &str) -> Result<(), PortError> {
        // Not while one is being published: it may be this one again.
        let _one = self.sending.lock().await;
        if self.current().await?.is_some_and(|current| current.digest == digest) {
            return Ok(());
        }
        self.delete(digest).await
    }
}
