//! `strata coordinator`, `strata worker`, `strata server`: the roles, until a signal ends them.

use std::{io::Write as _, net::SocketAddr, process::ExitCode, sync::Arc};

use strata_coordinator::{
    archive::{postgres::PostgresArchive, sqlite::SqliteArchive},
    drive::{self, CoordinatorConfig},
    handle::Handle,
    parcels::redis::RedisParcels,
    ports::Archive,
    queue::nats::{NatsConfig as CoordinatorNats, NatsQueue},
    service,
};
use strata_worker::{
    advisories::FileAdvisories,
    cache::redis::{RedisCache, RedisConfig},
    dispatch,
    queue::nats::{NatsConfig, NatsWorker},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    args::{CoordinatorArgs, ServerArgs, WorkerArgs},
    command::open_database,
    embedded::{self, Embedded},
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
    drop(open_database(args.db.as_deref(), settings)?);
    let database = args.db.clone().unwrap_or_else(|| settings.default_db());
    let advisories = FileAdvisories::open(&database).map_err(|error| Failure::usage(error.to_string()))?;
    let cache = RedisCache::connect(RedisConfig::new(&args.cluster.redis)).await.map_err(unreachable)?;
    let queue = NatsWorker::connect(NatsConfig::new(&args.cluster.nats)).await.map_err(unreachable)?;
    let queue = Arc::new(queue);
    let sources = wiring::sources(settings, false)?;
    let context = wiring::context(settings, Arc::new(sources), Arc::new(cache), Arc::new(advisories));
    let ports = dispatch::Ports { jobs: queue.clone(), outcomes: queue, context };
    let mut config = dispatch::Config::default();
    if let Some(slots) = args.slots {
        config.slots = slots;
    }
    announce(&format!("worker {} is ready", settings.name));
    dispatch::run(config, ports, stop_on_signal()).await;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn server(args: ServerArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let mut config = embedded::Config::local(settings, args.db.as_ref(), args.cache_dir.as_ref());
    // Its clients are on other machines: a path means nothing here. Its scans go on after a restart.
    config.archives = false;
    config.restore = true;
    let listener = listen(&args.listen).await?;
    let roles = Embedded::start(config).await?;
    serve(listener, roles.handle(), stop_on_signal()).await?;
    roles.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn listen(address: &str) -> Result<TcpListener, Failure> {
    let parsed = address.parse::<SocketAddr>().map_err(|_| {
        Failure::usage(format!("`{address}` is not an address to listen on")).hint("for example 127.0.0.1:7400")
    })?;
    TcpListener::bind(parsed).await.map_err(|error| Failure::usage(format!("failed to listen on {address}: {error}")))
}

async fn serve(listener: TcpListener, handle: Handle, shutdown: CancellationToken) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(|error| Failure::usage(error.to_string()))?;
    announce(&format!("serving gRPC on {address}"));
    if !address.ip().is_loopback() {
        announce("warning: there is no authentication yet, and this address is not loopback");
    }
    service::serve(listener, handle, shutdown)
        .await
        .map_err(|error| Failure::incomplete(format!("failed to {error}")))
}

/// A line for people on stderr, whatever the log level.
fn announce(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Cancelled by SIGINT or SIGTERM.
fn stop_on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        let terminated = async {
            #[cfg(unix)]
            {
                use tokio::signal::unix::{SignalKind, signal};
                match signal(SignalKind::terminate()) {
                    Ok(mut signal) => {
                        signal.recv().await;
                    }
                    Err(_) => std::future::pending().await,
                }
            }
            #[cfg(not(unix))]
            std::future::pending::<()>().await
        };
        tokio::select! {
            () = terminated => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stop.cancel();
    });
    token
}
