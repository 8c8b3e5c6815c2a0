//! `strata coordinator` and `strata worker`: one role a process, over NATS, Redis and an archive.

use std::{process::ExitCode, sync::Arc};

use strata_coordinator::{
    archive::{postgres::PostgresArchive, sqlite::SqliteArchive},
    drive::{self, CoordinatorConfig},
    parcels::redis::RedisParcels,
    ports::Archive,
    queue::nats::{NatsConfig as CoordinatorNats, NatsQueue},
};
use strata_worker::{
    cache::redis::{RedisCache, RedisConfig},
    dispatch,
    queue::nats::{NatsConfig, NatsWorker},
};

use super::roles::{announce, listen, serve, stop_on_signal};
use crate::{
    args::{CoordinatorArgs, WorkerArgs},
    command::watch_database,
    exit::Failure,
    settings::Settings,
    wiring,
};

pub(super) async fn coordinator(args: CoordinatorArgs, _settings: &Settings) -> Result<ExitCode, Failure> {
    let unreachable = |error: strata_coordinator::ports::PortError| Failure::usage(error.to_string());
    let archive: Arc<dyn Archive> = match args.archive.strip_prefix("sqlite:") {
        Some(file) => Arc::new(SqliteArchive::open(file.as_ref()).await.map_err(unreachable)?),
        None => Arc::new(PostgresArchive::connect(&args.archive).await.map_err(unreachable)?),
    };
    let queue = NatsQueue::connect(CoordinatorNats::new(&args.cluster.nats)).await.map_err(unreachable)?;
    let parcels = RedisParcels::connect(&args.cluster.redis).await.map_err(unreachable)?;
    let listener = listen(&args.listen).await?;
    let shutdown = stop_on_signal();
    let ports = drive::Ports { queue: Arc::new(queue), parcels: Arc::new(parcels), archive };
    let (handle, task) = drive::start(CoordinatorConfig::default(), ports, shutdown.clone());
    serve(listener, handle, shutdown).await?;
    let _ = task.await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn worker(args: WorkerArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let unreachable = |error: strata_worker::ports::PortError| Failure::usage(error.to_string());
    let advisories = watch_database(args.db.as_deref(), settings)?;
    let cache = RedisCache::connect(RedisConfig::new(&args.cluster.redis)).await.map_err(unreachable)?;
    let queue = NatsWorker::connect(NatsConfig::new(&args.cluster.nats)).await.map_err(unreachable)?;
    let sources = wiring::sources(settings, false)?;
    let context = wiring::context(settings, Arc::new(sources), Arc::new(cache), Arc::new(advisories));
    let ports = dispatch::Ports { jobs: Arc::new(queue.clone()), outcomes: Arc::new(queue.clone()), context };
    let mut config = dispatch::Config::default();
    if let Some(slots) = args.slots {
        config.slots = slots;
    }
    announce(&format!("worker {} is ready", settings.name));
    dispatch::run(config, ports, stop_on_signal()).await;
    // What arrived meanwhile goes to another worker, and nothing that was said stays in a buffer.
    queue.close().await.map_err(unreachable)?;
    Ok(ExitCode::SUCCESS)
}
