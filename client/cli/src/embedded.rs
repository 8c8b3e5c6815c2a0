//! Coordinator and worker in this process, wired over channels: a directory as the cache, SQLite as the archive.

mod running;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use strata_coordinator::{
    archive::sqlite::SqliteArchive,
    databases::{Publisher, fixed::FixedDatabases},
    drive::{self, CoordinatorConfig, Retention},
    handle::{CallError, Handle},
    ports::{LocalDatabase, Parcels, PortError, Tokens},
    queue::channel::ChannelQueue,
};
use strata_proto::{trace, v1};
use strata_worker::{
    advisories::FileAdvisories,
    cache::{
        directory::{DEFAULT_LIMIT, DirectoryCache},
        shelf::Shelf,
    },
    dispatch,
    job::{
        Context,
        advise::{self, Predicted},
        again::{self, Again},
    },
    ports::Images as _,
    queue::channel::{ChannelSink, ChannelSource},
    source::Sources,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::running::Running;
use crate::{
    args::{java_index::JavaIndexArgs, layers::LayerArgs},
    backend::Events,
    command,
    exit::Failure,
    settings::Settings,
    wiring,
};

/// What an embedded cluster is made of.
pub struct Config {
    /// The advisory database.
    pub database: Option<PathBuf>,
    /// Directory of inventories and of the archive.
    pub cache_dir: PathBuf,
    /// Whether scans that were running when the last process ended go on: a server's business, not a command's.
    pub restore: bool,
    /// Whether images may be archives on this machine.
    pub archives: bool,
    /// Where Java archives that do not name themselves are looked up.
    pub java_index: JavaIndexArgs,
    /// How layers are read.
    pub layers: LayerArgs,
    /// Bytes of inventories in the directory, above which the oldest go.
    pub cache_bytes: u64,
    /// How long scans and reports are kept.
    pub retention: Retention,
    settings: Settings,
}

impl Config {
    /// For one command on this machine.
    #[must_use]
    pub fn local(settings: &Settings, database: Option<&PathBuf>, cache_dir: Option<&PathBuf>) -> Self {
        Self {
            database: database.cloned(),
            cache_dir: settings.cache_dir(cache_dir),
            restore: false,
            archives: true,
            java_index: JavaIndexArgs::default(),
            layers: LayerArgs::default(),
            cache_bytes: DEFAULT_LIMIT,
            retention: Retention::default(),
            settings: settings.clone(),
        }
    }
}

/// A running pair of roles.
pub struct Embedded {
    handle: Handle,
    tokens: Arc<dyn Tokens>,
    sources: Sources,
    context: Box<Context>,
    archive: Arc<SqliteArchive>,
    /// What this process submits, where others share the archive and nobody goes on with it.
    running: Option<Running>,
    shutdown: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// Opens the archive of reports below a cache directory.
///
/// # Errors
/// When it cannot be opened.
pub async fn open_archive(cache_dir: &Path) -> Result<SqliteArchive, Failure> {
    let failed = |reason: String| {
        Failure::usage(format!("failed to open the archive in {}: {reason}", cache_dir.display()))
    };
    std::fs::create_dir_all(cache_dir).map_err(|error| failed(error.to_string()))?;
    SqliteArchive::open(&cache_dir.join("archive.sqlite")).await.map_err(|error| failed(error.to_string()))
}

impl Embedded {
    /// Starts both roles.
    ///
    /// # Errors
    /// When there is no advisory database, or the cache directory cannot be used.
    pub async fn start(config: Config) -> Result<Self, Failure> {
        let settings = &config.settings;
        let advisories = command::watch_database(config.database.as_deref(), settings)?;
        let cache = DirectoryCache::open(&config.cache_dir, config.cache_bytes)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let archive = Arc::new(open_archive(&config.cache_dir).await?);
        let running = if config.restore { None } else { look_after(&config.cache_dir, &archive).await? };
        let tokens: Arc<dyn Tokens> = Arc::clone(&archive) as _;
        let sources = wiring::sources(settings, config.archives)?;
        let java_index = wiring::java_index(&config.java_index)?;
        let (queue, ends) = ChannelQueue::new();
        let shutdown = CancellationToken::new();
        let ports = drive::Ports {
            queue: Arc::new(queue),
            parcels: Arc::new(Shelved(cache.shelf())),
            archive: Arc::clone(&archive) as _,
            databases: databases(&advisories, settings),
            lead: None,
            forget: Some(Arc::clone(&archive) as _),
        };
        let coordinator = CoordinatorConfig {
            allow_archives: config.archives,
            restore: config.restore,
            retention: config.retention,
            ..CoordinatorConfig::default()
        };
        let (handle, coordinator) = drive::start(coordinator, ports, shutdown.clone());
        let context: Context = wiring::context(
            settings,
            Arc::new(sources.clone()),
            Arc::new(cache),
            Arc::new(advisories),
            java_index,
        );
        let context = wiring::layers(context, config.layers);
        let ports = dispatch::Ports {
            jobs: Arc::new(ChannelSource::new(ends.interactive, ends.sweep, ends.withdrawn)),
            outcomes: Arc::new(ChannelSink::new(ends.outcomes)),
            context: context.clone(),
        };
        let worker = tokio::spawn(dispatch::run(dispatch::Config::default(), ports, shutdown.clone()));
        let context = Box::new(context);
        Ok(Self {
            handle,
            tokens,
            sources,
            context,
            archive,
            running,
            shutdown,
            tasks: vec![coordinator, worker],
        })
    }

    /// Access to the coordinator.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The tokens of its archive.
    #[must_use]
    pub fn tokens(&self) -> Arc<dyn Tokens> {
        Arc::clone(&self.tokens)
    }

    /// The explicit references that an argument stands for.
    ///
    /// # Errors
    /// When it is neither a reference nor an image on disk.
    pub async fn expand(&self, argument: &str) -> Result<Vec<String>, Failure> {
        self.sources.expand(argument).await.map_err(|error| Failure::usage(error.message))
    }

    /// The platforms of the index that a reference names; none where it names no index, or one that cannot be read: its
    /// scan will tell why.
    pub async fn platforms(&self, reference: &str, insecure: bool) -> Vec<String> {
        let found = self.sources.platforms(reference, &v1::SourceOptions { insecure }).await;
        found.unwrap_or_default()
    }

    /// Submits a scan and returns its id.
    ///
    /// # Errors
    /// When the request is refused.
    pub async fn submit(&self, mut request: v1::SubmitRequest) -> Result<String, Failure> {
        if let Some(running) = &self.running
            && request.idempotency_key.is_empty()
        {
            request.idempotency_key = running.name().map_err(unmarked)?;
        }
        Ok(self.handle.submit(request, trace::inject()).await.map_err(call_failure)?.id)
    }

    /// Follows a scan from an event on.
    ///
    /// # Errors
    /// When there is no such scan.
    pub async fn watch(&self, scan: &str, after: u64, with_reports: bool) -> Result<Events, Failure> {
        let request = v1::WatchRequest { scan_id: scan.to_owned(), after_sequence: after, with_reports };
        let events = self.handle.watch(request).await.map_err(call_failure)?;
        Ok(Box::pin(events.map(|event| event.map_err(call_failure))))
    }

    /// One scan.
    ///
    /// # Errors
    /// When there is no such scan.
    pub async fn scan(&self, scan: &str) -> Result<v1::Scan, Failure> {
        self.handle.scan(scan).await.map_err(call_failure)
    }

    /// Scans before the one of that id, newest first.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub async fn scans(&self, limit: u32, before: &str) -> Result<Vec<v1::Scan>, Failure> {
        self.handle.scans(limit, before).await.map_err(call_failure)
    }

    /// One report.
    ///
    /// # Errors
    /// When there is no such report.
    pub async fn report(&self, id: &str) -> Result<v1::Report, Failure> {
        self.handle.report(id).await.map_err(call_failure)
    }

    /// Predicts the report of an image whose lowest `base` layers are replaced by those of another image. Both must have
    /// been scanned here.
    ///
    /// # Errors
    /// When the analyses of their layers are not kept any more.
    pub async fn predict(
        &self,
        image: &v1::Report,
        base: usize,
        onto: &v1::Report,
    ) -> Result<Predicted, Failure> {
        let predicted = advise::predict(&self.context, image, base, onto).await;
        predicted.map_err(|error| {
            Failure::incomplete(error.message).hint("an empty --cache-dir has the layers read again")
        })
    }

    /// Assesses a report again with the database of this process.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn again(&self, report: &v1::Report) -> Result<Again, Failure> {
        let again = again::again(&self.context, report).await;
        again.map_err(|error| Failure::incomplete(error.message))
    }

    /// Stops a scan.
    ///
    /// # Errors
    /// When there is no such scan.
    pub async fn cancel(&self, scan: &str) -> Result<v1::Scan, Failure> {
        self.handle.cancel(scan).await.map_err(call_failure)
    }

    /// Stops both roles and waits for what is running, unless somebody interrupts that too: nothing is lost by it.
    pub async fn close(self) {
        self.shutdown.cancel();
        let ended = async {
            for task in self.tasks {
                // A role that panicked has said so in the log.
                let _ = task.await;
            }
        };
        tokio::select! {
            () = ended => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        if let Some(running) = self.running {
            match running.keys() {
                Ok(keys) => end(&self.archive, &keys).await,
                Err(error) => tracing::warn!(%error, "a scan may be left as running"),
            }
            running.leave();
        }
    }
}

/// Ends the scans of processes that are dead, and makes this one known.
async fn look_after(cache_dir: &Path, archive: &SqliteArchive) -> Result<Option<Running>, Failure> {
    let running = Running::enter(cache_dir).map_err(unmarked)?;
    for (file, keys) in Running::dead(cache_dir).map_err(unmarked)? {
        end(archive, &keys).await;
        file.leave();
    }
    Ok(Some(running))
}

async fn end(archive: &SqliteArchive, keys: &BTreeSet<String>) {
    match drive::end_abandoned(archive, keys).await {
        Ok(ended) => ended.iter().for_each(|scan| tracing::info!(scan, "a scan ended with its process")),
        Err(error) => tracing::warn!(%error, "a scan may be left as running"),
    }
}

fn unmarked(error: std::io::Error) -> Failure {
    Failure::usage(format!("failed to mark this process in the cache directory: {error}"))
}

/// The worker's file as the coordinator sees it: scans are pinned to what it is when they come.
fn databases(advisories: &FileAdvisories, settings: &Settings) -> Publisher {
    let file = advisories.clone();
    let fixed = FixedDatabases::new(move || {
        let current = file.current();
        let current = current.map_err(|error| PortError { action: error.action, reason: error.reason })?;
        Ok(Some(command::database_info(&current)))
    });
    let file = advisories.clone();
    let fixed = fixed.outlined(move |digest| {
        Ok(file.held(digest).map(|held| LocalDatabase {
            info: command::database_info(&held),
            bytes: Arc::clone(&held) as _,
            outline: Box::new(move || command::outline(&held)),
        }))
    });
    Publisher::new(Arc::new(fixed), Arc::new(command::DatabaseReader), settings.spool_dir.clone(), 0)
}

fn call_failure(error: CallError) -> Failure {
    match error {
        CallError::Invalid(_) | CallError::NotFound(_) | CallError::Denied(_) => {
            Failure::usage(error.to_string())
        }
        CallError::Elsewhere(_) | CallError::Unavailable(_) => Failure::incomplete(error.to_string()),
    }
}

/// The worker's shelf as the coordinator sees it: in one process a parcel does not travel.
struct Shelved(Shelf);

#[async_trait]
impl Parcels for Shelved {
    async fn take(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        Ok(self.0.get(name))
    }

    async fn discard(&self, names: &[&str]) -> Result<(), PortError> {
        for name in names {
            self.0.discard(name);
        }
        Ok(())
    }
}
