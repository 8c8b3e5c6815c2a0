//! `run PROFILE`: each profile starts its own processes and its own registry, measures one thing through the SDK, and says it
//! in figures.

mod databases;
mod deployment;
mod interactive;
mod memory;
mod scaling;
mod search;
mod start;
mod sweeps;
mod watchers;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context as _;
use clap::{Args as Arguments, ValueEnum};
use strata_loadtest::{
    content::{Plan, Synthetic},
    registry::Registry,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

use self::deployment::Deployment;
use super::{
    args::{RunArgs, TargetArgs},
    chaos::{ProgramArgs, database},
    compare::ThresholdArgs,
    meter::Measured,
    result::{Better, Measurement},
    sweep,
};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// A registry that nobody has swept
    Cold,
    /// Several sweeps of it at once: is each layer read once?
    Concurrent,
    /// A registry that has not changed, beside a plain load generator
    Unchanged,
    /// The same registry with another advisory database
    Reassess,
    /// Both of these after one cold sweep
    Again,
    /// Scans that somebody waits for, alone and during a sweep
    Interactive,
    /// Clients that follow a sweep, some of them slow
    Watchers,
    /// One worker, two, four
    Scaling,
    /// Searches over many reports
    Search,
    /// `strata scan` of one image at a time, from its start to the first byte from the registry
    Start,
    /// The most memory that a worker takes for a layer of gigabytes, one of millions of files, a thousand jobs
    Memory,
}

/// Arguments of a profile.
#[derive(Debug, Arguments)]
pub(crate) struct ProfileArgs {
    /// Start processes and measure this; without it, a coordinator that runs already sweeps once
    #[arg(value_enum)]
    pub(super) profile: Option<Profile>,
    /// `strata server` alone instead of a cluster
    #[arg(long, requires = "profile")]
    embedded: bool,
    /// Workers of the cluster
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Sweeps at once, clients that watch, scans or searches: whatever the profile counts
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: Option<u32>,
    /// Search the archive of this coordinator, which runs already and may hold what `seed_reports.py` made, instead of sweeping first
    #[arg(long, value_name = "URL", requires = "profile")]
    at: Option<String>,
    #[command(flatten)]
    memory: memory::MemoryArgs,
    #[command(flatten)]
    program: ProgramArgs,
    #[command(flatten)]
    thresholds: ThresholdArgs,
}

/// What all profiles have.
struct Stage<'a> {
    args: &'a ProfileArgs,
    run: &'a RunArgs,
    strata: PathBuf,
    home: TempDir,
    measured: Measurement,
}

/// Runs a profile. True when nothing was wrong and all thresholds hold.
pub(super) async fn profile(name: Profile, args: &ProfileArgs, run: &RunArgs) -> anyhow::Result<bool> {
    let word = name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    // Before anything is measured: a file that cannot be read is worth no waiting.
    let mut thresholds = args.thresholds.clone();
    thresholds.load(&word)?;
    let mut stage = Stage {
        args,
        run,
        strata: args.program.strata(),
        home: TempDir::new().context("make a directory")?,
        measured: Measurement::new(&word),
    };
    stage.settings();
    match name {
        Profile::Cold => sweeps::cold(&mut stage).await?,
        Profile::Concurrent => sweeps::concurrent(&mut stage).await?,
        Profile::Unchanged => sweeps::unchanged(&mut stage).await?,
        Profile::Reassess => sweeps::reassess(&mut stage).await?,
        Profile::Again => sweeps::again(&mut stage).await?,
        Profile::Interactive => interactive::interactive(&mut stage).await?,
        Profile::Watchers => watchers::watchers(&mut stage).await?,
        Profile::Scaling => scaling::scaling(&mut stage).await?,
        Profile::Search => search::search(&mut stage).await?,
        Profile::Start => start::start(&mut stage).await?,
        Profile::Memory => memory::memory(&mut stage).await?,
    }
    let mut measured = stage.measured;
    measured.wrong.extend(thresholds.broken(&measured));
    io::stdout().lock().write_all(measured.table().as_bytes()).context("print")?;
    if let Some(path) = &run.target.json {
        measured.write(path)?;
    }
    Ok(measured.wrong.is_empty())
}

impl Stage<'_> {
    fn settings(&mut self) {
        let plan = self.run.plan.plan();
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let mode = if self.args.embedded { "embedded".to_owned() } else { self.args.workers.to_string() };
        let rows = [
            ("repositories", plan.repositories.to_string()),
            ("sizes", format!("{:?}", plan.sizes)),
            ("layer-bytes", plan.layer_bytes.to_string()),
            ("own-layers", format!("{}+{}", plan.vendor_layers, plan.app_layers)),
            ("seed", plan.seed.to_string()),
            ("latency-ms", self.run.plan.options().faults.latency.as_millis().to_string()),
            ("workers", mode),
            ("cores", cores.to_string()),
            ("build", if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned()),
        ];
        for (name, value) in rows {
            self.measured.setting(name, value);
        }
    }

    /// How many of what the profile counts.
    fn count(&self, default: u32) -> u32 {
        self.args.count.unwrap_or(default)
    }

    /// Workers, one where the server works itself.
    fn workers(&self) -> u32 {
        if self.args.embedded { 1 } else { self.args.workers }
    }

    fn database(&self) -> anyhow::Result<PathBuf> {
        database(&self.strata, self.home.path())
    }

    fn deploy(&self) -> anyhow::Result<Deployment> {
        let workers = if self.args.embedded { 0 } else { usize::try_from(self.args.workers)? };
        Deployment::start(&self.strata, &self.database()?, workers)
    }

    /// A registry of this content, with what the arguments say of its behaviour.
    async fn registry(&self, content: &Arc<Synthetic>) -> anyhow::Result<Registry> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen on a loopback port")?;
        Registry::serve(listener, Arc::clone(content) as _, self.run.plan.options())
            .context("start the registry")
    }

    fn content(&self) -> Arc<Synthetic> {
        Arc::new(Synthetic::new(self.run.plan.plan()))
    }

    /// Content of the same shape and other layers.
    fn other_content(&self, number: u64) -> Arc<Synthetic> {
        let plan = self.run.plan.plan();
        Arc::new(Synthetic::new(Plan { seed: plan.seed + number, ..plan }))
    }

    fn target(&self, url: &str) -> TargetArgs {
        TargetArgs { server: url.to_owned(), timeout: self.run.target.timeout, json: None }
    }

    /// Sweeps a registry to its end, which must be a good one.
    async fn sweep(&mut self, url: &str, registry: &Registry) -> anyhow::Result<Measured> {
        let measured = sweep::sweep(&self.target(url), &registry.host(), None).await?;
        self.complete(&measured);
        Ok(measured)
    }

    fn complete(&mut self, measured: &Measured) {
        let failures = measured.failures.first().map(|failure| format!(": {failure}")).unwrap_or_default();
        self.measured
            .must(measured.is_complete(), || format!("a sweep ended as {}{failures}", measured.state));
    }

    /// What the processes had of the machine, at all and for each image.
    fn spending(
        &mut self,
        prefix: &str,
        deployment: &Deployment,
        before: &deployment::Spent,
        images: u64,
    ) -> anyhow::Result<()> {
        for (role, seconds) in deployment.spent()?.since(before) {
            self.measured.figure(format!("{prefix}.{role}.cpu"), seconds, "s", Better::Lower);
            let each = seconds * 1e6 / images.max(1) as f64;
            self.measured.figure(format!("{prefix}.{role}.cpu-per-image"), each, "us", Better::Lower);
        }
        for (role, mib) in deployment.memory()? {
            self.measured.figure(format!("{role}.memory"), mib, "MiB", Better::Lower);
        }
        Ok(())
    }
}
