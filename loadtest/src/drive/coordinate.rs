//! `coordinate`: sweeps with a whole coordinator (its cycles, an archive, the queue of one process) and a model of all else, which
//! answers every job at once. What is left is what the coordinator costs: its memory, and its time for each image.

mod crew;

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::{Args as Arguments, ValueEnum};
use strata_coordinator::{
    archive::{postgres::PostgresArchive, sqlite::SqliteArchive},
    databases::{Publisher, fixed::FixedDatabases},
    drive::{self as coordinator, CoordinatorConfig},
    handle::Handle,
    parcels::memory::MemoryParcels,
    ports::{Archive, DatabaseInfo, Inspector, Lead},
    queue::channel::ChannelQueue,
};
use strata_loadtest::{
    servers::{self, Server},
    simulate::Scenario,
};
use strata_proto::{
    trace::TraceHeaders,
    v1::{Lane, Ledger, RegistryTarget, Scan, ScanState, SubmitRequest},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use self::crew::Crew;
use super::{
    process,
    result::{Better, Measurement},
};

/// How often it is asked whether the sweep has ended.
const LOOK: Duration = Duration::from_millis(250);

/// Arguments of `coordinate`.
#[derive(Debug, Arguments)]
pub(crate) struct CoordinateArgs {
    /// About this many images
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(200..=10_000_000))]
    images: u32,
    /// Sweeps after the first, cold one: in these nothing has changed
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100))]
    unchanged: u32,
    /// Where it records
    #[arg(long, value_enum, default_value_t = Where::Sqlite)]
    archive: Where,
    /// Packages of each report
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    packages: u32,
    /// Workers of the model
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    workers: u32,
    /// Jobs that each carries out at once
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    slots: u32,
    /// Everything random follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Give a sweep up after this many seconds
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Also write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Where {
    /// In this process, as `strata server` has it
    Sqlite,
    /// A server that is started here, as a cluster has it
    Postgres,
}

/// A coordinator at work, and what it works with.
struct Stage {
    handle: Handle,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    crew: Crew,
    postgres: Option<Server>,
    _home: TempDir,
}

/// What was spent at a moment.
struct Spent {
    process: Duration,
    model: Duration,
    postgres: Duration,
}

/// Sweeps, prints. True when every sweep was whole.
pub(crate) async fn coordinate(args: CoordinateArgs) -> anyhow::Result<bool> {
    let scenario = Scenario {
        images: args.images,
        workers: args.workers,
        slots: args.slots,
        seed: args.seed,
        failing: 0.0,
        ..Scenario::default()
    };
    let mut measured = Measurement::new("coordinate");
    let settings = [
        ("archive", format!("{:?}", args.archive).to_lowercase()),
        ("packages", args.packages.to_string()),
        ("workers", format!("{}x{}", args.workers, args.slots)),
        ("seed", args.seed.to_string()),
        ("build", if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned()),
    ];
    for (name, value) in settings {
        measured.setting(name, value);
    }
    let stage = Stage::start(&args, &scenario).await?;
    measured.figure("memory.before", resident()?, "MiB", Better::Neither);
    for number in 0..=args.unchanged {
        let name = match number {
            0 => "cold".to_owned(),
            1 => "unchanged".to_owned(),
            _ => format!("unchanged-{number}"),
        };
        stage.sweep(&args, &name, &mut measured).await?;
    }
    stage.stop().await?;
    io::stdout().lock().write_all(measured.table().as_bytes()).context("print")?;
    if let Some(path) = &args.json {
        measured.write(path)?;
    }
    Ok(measured.wrong.is_empty())
}

impl Stage {
    async fn start(args: &CoordinateArgs, scenario: &Scenario) -> anyhow::Result<Self> {
        let home = TempDir::new().context("make a directory")?;
        let (queue, ends) = ChannelQueue::new();
        let parcels = MemoryParcels::default();
        let (archive, lead, postgres): (Arc<dyn Archive>, Option<Arc<dyn Lead>>, _) = match args.archive {
            Where::Sqlite => {
                (Arc::new(SqliteArchive::open(&home.path().join("archive.sqlite")).await?), None, None)
            }
            Where::Postgres => {
                let server = tokio::task::spawn_blocking(servers::postgres).await??;
                let url = format!("postgres://strata@127.0.0.1:{}/strata", server.port);
                let archive = Arc::new(PostgresArchive::connect(&url).await?);
                (Arc::clone(&archive) as _, Some(archive as _), Some(server))
            }
        };
        let database = DatabaseInfo {
            digest: format!("sha256:{}", "d".repeat(64)),
            modified: "2026-11-01T00:00:00Z".to_owned(),
            size: 1,
        };
        let databases = FixedDatabases::new(move || Ok(Some(database.clone())));
        let spool = home.path().to_owned();
        let ports = coordinator::Ports {
            queue: Arc::new(queue),
            parcels: Arc::new(parcels.clone()),
            archive,
            databases: Publisher::new(Arc::new(databases), Arc::new(Nothing), spool, 0),
            lead,
            forget: None,
        };
        let shutdown = CancellationToken::new();
        let (handle, task) = coordinator::start(CoordinatorConfig::default(), ports, shutdown.clone());
        let crew = Crew::start(scenario, args.packages, ends, parcels)?;
        Ok(Self { handle, shutdown, task, crew, postgres, _home: home })
    }

    async fn sweep(
        &self,
        args: &CoordinateArgs,
        name: &str,
        measured: &mut Measurement,
    ) -> anyhow::Result<()> {
        process::forget_most_resident()?;
        let (before, begin) = (self.spent()?, Instant::now());
        let mut request = SubmitRequest {
            registry: Some(RegistryTarget {
                host: "registry.example:5000".to_owned(),
                ..RegistryTarget::default()
            }),
            platform: "linux/amd64".to_owned(),
            tenant: "loadtest".to_owned(),
            ..SubmitRequest::default()
        };
        request.set_lane(Lane::Sweep);
        let id = self.handle.submit(request, TraceHeaders::default()).await.context("submit a sweep")?.id;
        let scan = loop {
            tokio::time::sleep(LOOK).await;
            let scan = self.handle.scan(&id).await.context("look at the sweep")?;
            if scan.state() != ScanState::Running {
                break scan;
            }
            if begin.elapsed() > Duration::from_secs(args.timeout) {
                bail!("sweep within {} s: {:?}", args.timeout, scan.summary);
            }
        };
        let after = self.spent()?;
        say(measured, name, &scan, begin.elapsed(), &after.since(&before))?;
        // Only for who looks on.
        let _ = writeln!(io::stderr(), "{name}: {:.1} s", begin.elapsed().as_secs_f64());
        Ok(())
    }

    fn spent(&self) -> anyhow::Result<Spent> {
        let postgres = self.postgres.as_ref().map(|server| process::processor_of_family(server.pid()));
        Ok(Spent {
            process: process::processor(std::process::id())?,
            model: process::processor_of_thread(&self.crew.directory)?,
            postgres: postgres.transpose()?.unwrap_or_default(),
        })
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        drop(self.handle);
        self.task.await.context("stop the coordinator")?;
        // The queue went with the coordinator.
        tokio::task::spawn_blocking(move || self.crew.join()).await?
    }
}

impl Spent {
    fn since(&self, before: &Self) -> Self {
        Self {
            process: self.process.saturating_sub(before.process),
            model: self.model.saturating_sub(before.model),
            postgres: self.postgres.saturating_sub(before.postgres),
        }
    }
}

fn say(
    measured: &mut Measurement,
    name: &str,
    scan: &Scan,
    elapsed: Duration,
    spent: &Spent,
) -> anyhow::Result<()> {
    let summary = scan.summary.clone().unwrap_or_default();
    let Ledger { enumerated, reported, unchanged, .. } = summary.ledger.clone().unwrap_or_default();
    let (images, seconds) = (summary.images.max(1) as f64, elapsed.as_secs_f64());
    let each = |time: Duration| time.as_secs_f64() * 1e6 / images;
    let own = each(spent.process.saturating_sub(spent.model));
    let rows = [
        ("images", images, "", Better::Neither),
        ("references", enumerated as f64, "", Better::Neither),
        ("seconds", seconds, "s", Better::Lower),
        ("images-per-second", images / seconds, "images/s", Better::Higher),
        ("coordinator.cpu-per-image", own, "us", Better::Lower),
        ("coordinator.cores-at-2000-images-per-second", own * 2000.0 / 1e6, "", Better::Lower),
        (
            "coordinator.memory",
            process::most_resident(std::process::id())? as f64 / 1024.0,
            "MiB",
            Better::Lower,
        ),
        ("memory.after", resident()?, "MiB", Better::Neither),
        ("model.cpu-per-image", each(spent.model), "us", Better::Neither),
        ("postgres.cpu-per-image", each(spent.postgres), "us", Better::Lower),
    ];
    for (what, value, unit, better) in rows {
        measured.figure(format!("{name}.{what}"), value, unit, better);
    }
    measured.must(scan.state() == ScanState::Completed, || {
        format!("the {name} sweep ended as {:?}", scan.state())
    });
    let ended = if name == "cold" { reported } else { unchanged };
    measured.must(ended == enumerated && ended > 0, || {
        format!(
            "of {enumerated} references of the {name} sweep {reported} were reported, {unchanged} unchanged"
        )
    });
    Ok(())
}

fn resident() -> anyhow::Result<f64> {
    Ok(process::resident(std::process::id())? as f64 / 1024.0)
}

/// Nobody publishes a database here.
struct Nothing;

impl Inspector for Nothing {
    fn inspect(&self, _: &File, name: &Path) -> Result<DatabaseInfo, String> {
        Err(format!("{} is not looked at", name.display()))
    }
}
