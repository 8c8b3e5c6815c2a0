//! The most memory that a worker takes, a real one with its queue, its dispatcher and its cache, for what is made to take much: a
//! layer of gigabytes, a layer of millions of empty files, a thousand jobs that wait at once. Each meets a worker of its own.

use std::{
    collections::BTreeSet,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use clap::Args as Arguments;
use futures::StreamExt as _;
use strata_client::{
    Client,
    v1::{ScanFinished, ScanState, SubmitRequest, Summary, event::Kind},
};
use strata_coordinator::{
    ports::JobQueue as _,
    queue::nats::{NatsConfig, NatsQueue},
};
use strata_loadtest::{
    chaos::cluster::{Cluster, Layout},
    content::{Fixed, Giant},
    registry::Registry,
};
use strata_proto::{
    WIRE_VERSION, subject,
    trace::TraceHeaders,
    v1::{IndexJob, Job, Lane, SourceOptions, job::Verb, outcome::Result as Answer},
};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout_at},
};

use super::Stage;
use crate::drive::{process, result::Better};

/// What a worker may take, in MiB, besides the database that it maps.
const TARGET: f64 = 192.0;
/// Mebibytes of each layer of the many jobs.
const EACH: u64 = 16;
const REPOSITORY: &str = "giants/one";

/// Sizes of the profile `memory`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct MemoryArgs {
    /// Mebibytes of the large layer of the profile `memory`, whose jobs are `--count`
    #[arg(long, default_value_t = 10_240, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    giant_mib: u64,
    /// Empty files of its other large layer
    #[arg(long, default_value_t = 3_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    giant_files: u64,
}

/// The servers, and one worker after the other.
struct Crew {
    cluster: Cluster,
    database: PathBuf,
    /// The most that any worker took so far, in MiB.
    most: f64,
}

/// One case: a registry in this process.
struct Case {
    registry: Registry,
    layers: Vec<Giant>,
    end: Instant,
}

/// What a worker had at its end.
struct Taken {
    /// The most that was resident, in MiB.
    most: f64,
    /// Of the database that it mapped.
    database: f64,
}

pub(super) async fn memory(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let (MemoryArgs { giant_mib, giant_files }, jobs) = (stage.args.memory.clone(), stage.count(1_000));
    ensure!(!stage.args.embedded, "measure a worker alone: leave --embedded out");
    for (name, value) in
        [("workers", 1), ("giant-mib", giant_mib), ("giant-files", giant_files), ("jobs", jobs.into())]
    {
        stage.measured.setting(name, value);
    }
    stage.measured.figure("worker.memory.target", TARGET, "MiB", Better::Neither);
    let database = stage.database()?;
    let layout = Layout { workers: 1, ..Layout::new(&stage.strata, &database) };
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(&layout)).await??;
    let mut crew = Crew { cluster, database, most: 0.0 };
    let case = Case::start(stage, move || Giant::family(giant_mib, 1)).await?;
    case.scan(&crew, stage).await?;
    case.end(&mut crew, stage, "large-layer").await?;
    let case = Case::start(stage, move || Ok(vec![Giant::of_empty_files(giant_files)?])).await?;
    case.scan(&crew, stage).await?;
    case.end(&mut crew, stage, "many-files").await?;
    let case = Case::start(stage, move || Giant::family(EACH, jobs.into())).await?;
    case.queue(&mut crew, stage).await?;
    case.end(&mut crew, stage, "many-jobs").await?;
    stage.measured.figure("worker.memory", crew.most, "MiB", Better::Lower);
    tokio::task::spawn_blocking(move || drop(crew)).await.context("stop the servers")
}

impl Case {
    async fn start(
        stage: &Stage<'_>,
        layers: impl FnOnce() -> std::io::Result<Vec<Giant>> + Send + 'static,
    ) -> anyhow::Result<Self> {
        let layers = tokio::task::spawn_blocking(layers).await?.context("make layers")?;
        let mut content = Fixed::new();
        content.giant(REPOSITORY, "1", &layers);
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen on a loopback port")?;
        let registry = Registry::serve(listener, Arc::new(content), stage.run.plan.options())
            .context("start the registry")?;
        let end = Instant::now() + Duration::from_secs(stage.run.target.timeout);
        Ok(Self { registry, layers, end })
    }

    fn reference(&self) -> String {
        format!("{}/{REPOSITORY}:1", self.registry.host())
    }

    /// Scans the image to its report.
    async fn scan(&self, crew: &Crew, stage: &mut Stage<'_>) -> anyhow::Result<()> {
        let url = crew.cluster.urls().into_iter().next().context("find the coordinator")?;
        let mut client = Client::connect(&url).await.context("connect")?;
        let request = SubmitRequest {
            images: vec![self.reference()],
            platform: "linux/amd64".to_owned(),
            tenant: "memory".to_owned(),
            ..SubmitRequest::default()
        };
        let id = client.submit(request).await.context("scan a large image")?;
        let mut events = client.watch(&id, 0, false);
        let finished: ScanFinished = loop {
            let event = timeout_at(self.end, events.next()).await.context("wait for a large image")?;
            match event.context("follow a scan to its end")?.context("follow a scan")?.kind {
                Some(Kind::Finished(finished)) => break finished,
                Some(Kind::Failed(failed)) => {
                    bail!("scan a large image: {}: {}", failed.code, failed.message)
                }
                _ => {}
            }
        };
        let (state, summary) = (finished.state(), finished.summary.unwrap_or_default());
        let Summary { images, layers_analysed, bytes_read, .. } = summary;
        let bytes: u64 = self.layers.iter().map(|layer| layer.descriptor.size).sum();
        let whole = (images, layers_analysed, bytes_read) == (1, self.layers.len() as u64, bytes);
        stage.measured.must(state == ScanState::Completed && whole, || {
            format!(
                "a scan ended as {state:?} after {layers_analysed} layers and {bytes_read} bytes of {bytes}"
            )
        });
        Ok(())
    }

    /// Puts a job for each layer into the queue, lets the worker see them all at once, and waits for their outcomes. The coordinator,
    /// which would publish as many as the worker has slots for, is not there.
    async fn queue(&self, crew: &mut Crew, stage: &mut Stage<'_>) -> anyhow::Result<()> {
        for coordinator in &mut crew.cluster.coordinators {
            coordinator.terminate()?;
        }
        let worker = crew.cluster.workers.first().context("find the worker")?;
        let nats = format!("nats://127.0.0.1:{}", crew.cluster.nats.port);
        let queue = NatsQueue::connect(NatsConfig::new(&nats)).await?;
        worker.freeze()?;
        let mut open = BTreeSet::new();
        for layer in &self.layers {
            let job = self.job(layer);
            queue.publish(&job, &TraceHeaders::default()).await?;
            open.insert(job.key);
        }
        let lag: u64 = queue.lag().await?.iter().map(|lane| lane.waiting + lane.running).sum();
        stage.measured.figure("many-jobs.queued", lag as f64, "", Better::Neither);
        stage.measured.must(lag == self.layers.len() as u64, || format!("{lag} jobs were queued at once"));
        worker.signal("CONT")?;
        let bytes: u64 = self.layers.iter().map(|layer| layer.descriptor.size).sum();
        let mut read = 0;
        while !open.is_empty() {
            let outcomes = timeout_at(self.end, queue.outcomes(256)).await.context("wait for outcomes")??;
            for delivery in outcomes {
                delivery.handle.done().await?;
                if !open.remove(&delivery.outcome.key) {
                    continue;
                }
                match delivery.outcome.result {
                    Some(Answer::Indexed(indexed)) => read += indexed.bytes,
                    other => bail!("index a layer: {other:?}"),
                }
            }
        }
        stage.measured.must(read == bytes, || format!("{read} of {bytes} bytes were read"));
        Ok(())
    }

    fn job(&self, layer: &Giant) -> Job {
        let descriptor = &layer.descriptor;
        let mut job = Job {
            wire_version: WIRE_VERSION,
            key: subject::index_job_key(&descriptor.digest, ""),
            scan_id: "memory".to_owned(),
            verb: Some(Verb::Index(IndexJob {
                digest: descriptor.digest.to_string(),
                size: descriptor.size,
                media_type: descriptor.compression.media_type().to_owned(),
                reference: self.reference(),
                options: Some(SourceOptions::default()),
                table: None,
            })),
            ..Job::default()
        };
        job.set_lane(Lane::Sweep);
        job
    }

    /// Says what the worker took, and puts another in its place.
    async fn end(self, crew: &mut Crew, stage: &mut Stage<'_>, name: &str) -> anyhow::Result<()> {
        let worker = crew.cluster.workers.first_mut().context("find the worker")?;
        let Taken { most, database } = taken(worker.pid(), &crew.database)?;
        let own = most - database;
        crew.most = crew.most.max(own);
        let seconds = process::processor(worker.pid())?.as_secs_f64();
        let bytes: u64 = self.layers.iter().map(|layer| layer.descriptor.size).sum();
        let figures = [
            ("layer-bytes", bytes as f64, "", Better::Neither),
            ("worker.memory", own, "MiB", Better::Lower),
            ("worker.memory-with-database", most, "MiB", Better::Neither),
            ("worker.cpu", seconds, "s", Better::Lower),
        ];
        for (what, value, unit, better) in figures {
            stage.measured.figure(format!("{name}.{what}"), value, unit, better);
        }
        worker.restart()?;
        self.registry.shutdown().await.context("stop the registry")
    }
}

fn taken(pid: u32, database: &Path) -> anyhow::Result<Taken> {
    let bytes = fs::metadata(database).context("look at the database")?.len();
    let most = process::most_resident(pid)? as f64 / 1024.0;
    Ok(Taken { most, database: process::mapped(pid, bytes)? as f64 / 1024.0 })
}
