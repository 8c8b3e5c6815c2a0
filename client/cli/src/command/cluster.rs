//! `strata coordinator` and `strata worker`: one role a process, over NATS, Redis and an archive.

use std::{process::ExitCode, sync::Arc, time::Duration};

use strata_coordinator::{
    archive::{postgres::PostgresArchive, sqlite::SqliteArchive},
    databases::Publisher,
    drive::{self, CoordinatorConfig},
    handle::Handle,
    parcels::redis::RedisParcels,
    ports::{Archive, Forget, Lead, Tokens},
    queue::nats::{NatsConfig as CoordinatorNats, NatsQueue},
};
use strata_worker::{
    advisories::library::{Library, LibraryConfig},
    cache::redis::{RedisCache, RedisConfig},
    dispatch,
    job::Context,
    measure,
    queue::nats::{NatsConfig, NatsWorker},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::publish;
use super::roles::{announce, listen, serve, stop_on_signal};
use super::webhooks::Webhooks;
use crate::{
    args::{CoordinatorArgs, ObserveArgs, WorkerArgs},
    command::watch_database,
    exit::Failure,
    observe, security,
    settings::Settings,
    wiring,
};

/// How long a coordinator may take to end: its servers may be away, and nothing that it has not recorded counts.
const STOP_WITHIN: Duration = Duration::from_secs(15);

pub(super) async fn coordinator(args: CoordinatorArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    // First: as the first process of a container it is deaf to signals that it does not listen to.
    let shutdown = stop_on_signal();
    let serve_args = args.serve.clone();
    let open = open_coordinator(args, settings, &shutdown);
    let (listener, tokens, handle, task) = tokio::select! {
        opened = open => opened?,
        () = shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    let served = serve(listener, handle, tokens, &serve_args, shutdown.clone()).await;
    shutdown.cancel();
    if tokio::time::timeout(STOP_WITHIN, task).await.is_err() {
        tracing::warn!("the coordinator ends in the middle of a question to a server that does not answer");
    }
    served.map(|()| ExitCode::SUCCESS)
}

type Opened = (TcpListener, Arc<dyn Tokens>, Handle, JoinHandle<()>);

async fn open_coordinator(
    args: CoordinatorArgs,
    settings: &Settings,
    shutdown: &CancellationToken,
) -> Result<Opened, Failure> {
    let unreachable = |error: strata_coordinator::ports::PortError| Failure::usage(error.to_string());
    let nats = CoordinatorNats::new(&args.cluster.nats);
    let endpoint = security::nats(&args.cluster, nats.endpoint.clone())?;
    let nats = CoordinatorNats { endpoint, limits: args.queue.limits(), ..nats };
    let (redis, keys) = (security::redis(&args.cluster)?, security::cluster_keys(&args.cluster)?);
    let Faces { archive, lead, tokens, forget } = match args.archive.strip_prefix("sqlite:") {
        Some(file) => faces(SqliteArchive::open(file.as_ref()).await.map_err(unreachable)?),
        None => faces(PostgresArchive::connect(&args.archive).await.map_err(unreachable)?),
    };
    let queue = NatsQueue::connect(nats).await.map_err(unreachable)?;
    let queue = Arc::new(queue);
    let parcels = RedisParcels::open(&redis, keys).map_err(unreachable)?;
    parcels.probe().await.map_err(unreachable)?;
    let databases = queue.databases().await.map_err(unreachable)?;
    let databases = Publisher::new(
        Arc::new(databases),
        Arc::new(publish::Reader),
        settings.spool_dir.clone(),
        args.db_max_mib.saturating_mul(1 << 20),
    )
    .outlining(Arc::clone(&archive) as _);
    let listener = listen(&args.serve.listen).await?;
    let webhooks = Webhooks::open(&args.webhooks, &args.serve).await?;
    show_coordinator(&args.observe, &queue, &archive, shutdown).await?;
    let default = settings.default_db();
    if let Some(file) = args.db.or_else(|| default.is_file().then_some(default)) {
        publish::follow(file, databases.clone(), shutdown.clone()).await?;
    } else if databases.current().await.map_err(unreachable)?.is_none() {
        announce(
            "warning: no advisory database is published; each worker uses its own, see `strata db publish`",
        );
    }
    let (name, retention) = (settings.name.clone(), args.keep.retention());
    let config = CoordinatorConfig { name, retention, ..CoordinatorConfig::default() };
    let parcels = Arc::new(parcels);
    let ports = drive::Ports { queue, parcels, archive, databases, lead: Some(lead), forget: Some(forget) };
    let (handle, task) = drive::start(config, ports, shutdown.clone());
    webhooks.start(handle.clone(), shutdown.clone())?;
    Ok((listener, tokens, handle, task))
}

pub(super) async fn worker(args: WorkerArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    // First: as the first process of a container it is deaf to signals that it does not listen to.
    let shutdown = stop_on_signal();
    let config = args.dispatch();
    let open = open_worker(args, settings, &shutdown);
    let (queue, ports) = tokio::select! {
        opened = open => opened?,
        () = shutdown.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    announce(&format!("worker {} is ready", settings.name));
    dispatch::run(config, ports, shutdown).await;
    // What arrived meanwhile goes to another worker, and nothing that was said stays in a buffer.
    if let Err(error) = queue.close().await {
        tracing::warn!(%error, "the queue hands out again by itself what this worker had");
    }
    Ok(ExitCode::SUCCESS)
}

async fn open_worker(
    args: WorkerArgs,
    settings: &Settings,
    shutdown: &CancellationToken,
) -> Result<(NatsWorker, dispatch::Ports), Failure> {
    let unreachable = |error: strata_worker::ports::PortError| Failure::usage(error.to_string());
    // A database that is named must be there; the default one may be.
    let local = match (&args.db, settings.default_db().is_file()) {
        (None, false) => None,
        (named, _) => Some(watch_database(named.as_deref(), settings)?),
    };
    let redis = RedisConfig {
        endpoint: security::redis(&args.cluster)?,
        keys: security::cluster_keys(&args.cluster)?,
        time_to_live: Duration::from_secs(u64::from(args.inventory_days) * 24 * 3600),
        ..RedisConfig::new(&args.cluster.redis)
    };
    let nats = NatsConfig::new(&args.cluster.nats);
    let nats = NatsConfig { endpoint: security::nats(&args.cluster, nats.endpoint.clone())?, ..nats };
    let cache = RedisCache::connect(redis).await.map_err(unreachable)?;
    let queue = NatsWorker::connect(nats).await.map_err(unreachable)?;
    let sources = wiring::sources(settings, false)?;
    let java = wiring::java_index(&args.java)?;
    let library = LibraryConfig::new(settings.spool_dir.clone());
    let library = Library::new(library, local, Arc::new(queue.clone()));
    let advisories = Arc::new(library.clone());
    let context = wiring::context(settings, Arc::new(sources), Arc::new(cache), advisories, java);
    let context = wiring::layers(wiring::largest_file(context, args.max_file_mib), args.layers);
    let ports = dispatch::Ports { jobs: Arc::new(queue.clone()), outcomes: Arc::new(queue.clone()), context };
    show_worker(&args.observe, &queue, &ports.context, &library, shutdown).await?;
    Ok((queue, ports))
}

/// One archive behind all of its ports.
struct Faces {
    archive: Arc<dyn Archive>,
    lead: Arc<dyn Lead>,
    tokens: Arc<dyn Tokens>,
    forget: Arc<dyn Forget>,
}

fn faces<A: Archive + Lead + Tokens + Forget + 'static>(archive: A) -> Faces {
    let archive = Arc::new(archive);
    Faces { archive: archive.clone(), lead: archive.clone(), tokens: archive.clone(), forget: archive }
}

/// Ready: the queue and the archive answer. Samples how the lanes stand.
async fn show_coordinator(
    args: &ObserveArgs,
    queue: &Arc<NatsQueue>,
    archive: &Arc<dyn Archive>,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let (connected, stored) = (Arc::clone(queue), Arc::clone(archive));
    let ready = observe::ready(move || {
        let (queue, archive) = (Arc::clone(&connected), Arc::clone(&stored));
        async move {
            if !queue.is_connected() {
                return Err("the connection to NATS is down".to_owned());
            }
            archive.scans(1, "").await.map(|_| ()).map_err(|error| error.to_string())
        }
    });
    observe::serve(args.metrics.as_deref(), ready, shutdown.clone()).await?;
    if args.metrics.is_some() {
        let queue = Arc::clone(queue);
        observe::sample(shutdown.clone(), move || {
            let queue = Arc::clone(&queue);
            async move {
                match queue.lag().await {
                    Ok(lags) => {
                        for lag in lags {
                            strata_coordinator::measure::lane(lag.lane, lag.waiting, lag.running);
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the lanes could not be looked at"),
                }
            }
        });
    }
    Ok(())
}

/// Ready: the queue and the cache answer, and a database of this machine's own, if it is to have one, can be used; others
/// come over the queue's connection. Samples the age of the database that was asked for last.
async fn show_worker(
    args: &ObserveArgs,
    queue: &NatsWorker,
    context: &Context,
    library: &Library,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let (queue, ready_context, shelf) = (queue.clone(), context.clone(), library.clone());
    let ready = observe::ready(move || {
        let (queue, context, library) = (queue.clone(), ready_context.clone(), shelf.clone());
        async move {
            if !queue.is_connected() {
                return Err("the connection to NATS is down".to_owned());
            }
            context.cache.image("ready", "").await.map_err(|error| error.to_string())?;
            library.latest().map(|_| ()).map_err(|error| error.to_string())
        }
    });
    observe::serve(args.metrics.as_deref(), ready, shutdown.clone()).await?;
    if args.metrics.is_some() {
        let library = library.clone();
        observe::sample(shutdown.clone(), move || {
            let library = library.clone();
            async move {
                let modified = match library.latest() {
                    Ok(Some(database)) => OffsetDateTime::parse(database.modified(), &Rfc3339).ok(),
                    Ok(None) => None,
                    Err(error) => return tracing::warn!(%error, "the database's age is not known"),
                };
                if let Some(modified) = modified {
                    measure::database_age(modified.into());
                }
            }
        });
    }
    Ok(())
}
