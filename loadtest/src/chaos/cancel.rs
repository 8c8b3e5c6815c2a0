//! How fast a cancelled sweep is over on every worker.

use std::{
    fmt,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use strata_client::{
    Client,
    v1::{RegistryTarget, ScanState, SubmitRequest},
};
use tokio::{sync::watch, time::Instant};

use super::{
    Options,
    cluster::{Cluster, Layout},
    follow::{Follow, Progress},
    leftovers,
};
use crate::{
    content::{Plan, Synthetic},
    registry::{Faults, Options as RegistryOptions, Registry},
};

/// What a worker calls the number of jobs that it is at.
const RUNNING: &str = "strata_jobs_running";
/// A sweep that is still in some worker's hands after it is not cancelled at all.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// Nothing happens for so long: nothing more comes.
const QUIET: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(5);

/// One sweep that was cancelled in its middle. Times count from the moment of the call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cancelled {
    /// Jobs that ran at that moment, on all workers together.
    pub jobs: u64,
    /// When the call was answered.
    pub answered: Duration,
    /// The last request that the registry got.
    pub last_request: Duration,
    /// The last bytes that it sent.
    pub last_bytes: Duration,
    /// When no worker was at any job of it.
    pub idle: Duration,
}

impl Cancelled {
    /// When the sweep had no effect any more.
    #[must_use]
    pub fn over(&self) -> Duration {
        self.last_request.max(self.last_bytes).max(self.idle)
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_millis();
        write!(
            f,
            "{:>4} jobs ran: answered after {} ms, last request {} ms, last bytes {} ms, no job {} ms",
            self.jobs,
            ms(self.answered),
            ms(self.last_request),
            ms(self.last_bytes),
            ms(self.idle)
        )
    }
}

/// Cancels so many sweeps, each in its middle, on one cluster.
///
/// # Errors
/// When a server or role does not start, a sweep does not get going, or does not end as cancelled; when anything is left over.
pub async fn cancel(options: &Options, times: u64) -> anyhow::Result<Vec<Cancelled>> {
    let mut layout = Layout::new(&options.strata, &options.database);
    layout.metrics = true;
    let cluster = tokio::task::block_in_place(|| Cluster::start(&layout))?;
    let mut all = Vec::new();
    for number in 0..times {
        all.push(cancel_one(options, &cluster, number).await?);
    }
    let left = leftovers::leftovers(&cluster).await?;
    ensure!(left.is_empty(), "leave nothing behind: {}", left.join("; "));
    Ok(all)
}

async fn cancel_one(options: &Options, cluster: &Cluster, number: u64) -> anyhow::Result<Cancelled> {
    // Layers that take many seconds each, in small portions.
    let plan = Plan { seed: options.seed + number, ..Plan::scaled(options.images, 1 << 20) };
    let faults = Faults { bandwidth: Some(24_000), ..Faults::default() };
    let options = RegistryOptions { faults, ..RegistryOptions::default() };
    let registry = Registry::start(Synthetic::new(plan), options).await.context("start a registry")?;
    let registry = Arc::new(registry);
    let follow = Follow { urls: cluster.urls(), deadline: Instant::now() + 10 * GIVEN_UP, leave_every: None };
    let request = SubmitRequest {
        registry: Some(RegistryTarget { host: registry.host(), ..RegistryTarget::default() }),
        platform: "linux/amd64".to_owned(),
        tenant: "chaos".to_owned(),
        ..SubmitRequest::default()
    };
    let scan = follow.submit(&request).await?;
    let jobs = until_busy(cluster).await?;
    let url = cluster.urls().into_iter().next().context("find a coordinator")?;
    let mut client = Client::connect(&url).await.context("connect")?;
    let begin = Instant::now();
    let watching = tokio::spawn(last_signs(Arc::clone(&registry), begin));
    client.cancel(&scan).await.context("cancel a sweep")?;
    let answered = begin.elapsed();
    while running(cluster)? > 0 {
        ensure!(begin.elapsed() < GIVEN_UP, "cancel a sweep: jobs still run after {GIVEN_UP:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let idle = begin.elapsed();
    let (last_request, last_bytes) = watching.await.context("watch the registry")??;
    let seen = follow.follow(&scan, &watch::channel(Progress::default()).0).await?;
    ensure!(seen.state == Some(ScanState::Cancelled), "cancel a sweep: it is {:?}", seen.state);
    Ok(Cancelled { jobs, answered, last_request, last_bytes, idle })
}

/// Waits until every worker is at several jobs and has been for a moment, and says at how many all are.
async fn until_busy(cluster: &Cluster) -> anyhow::Result<u64> {
    let deadline = Instant::now() + GIVEN_UP;
    let mut busy = 0;
    while busy < 10 {
        ensure!(Instant::now() < deadline, "wait: the workers do not get busy");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let each = cluster.metrics.iter().map(|worker| gauge(*worker, RUNNING));
        let each: Vec<u64> = each.collect::<anyhow::Result<_>>()?;
        busy = if each.iter().all(|jobs| *jobs >= 2) { busy + 1 } else { 0 };
    }
    running(cluster)
}

fn running(cluster: &Cluster) -> anyhow::Result<u64> {
    cluster.metrics.iter().map(|worker| gauge(*worker, RUNNING)).sum()
}

/// Watches a registry until it is quiet, and says when it got its last request and sent its last bytes.
async fn last_signs(registry: Arc<Registry>, begin: Instant) -> anyhow::Result<(Duration, Duration)> {
    let mut before = registry.counts();
    let (mut request, mut bytes) = (Duration::ZERO, Duration::ZERO);
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = registry.counts();
        let elapsed = begin.elapsed();
        if now.requests != before.requests {
            request = elapsed;
        }
        if now.blob_bytes != before.blob_bytes {
            bytes = elapsed;
        }
        before = now;
        if elapsed > request.max(bytes) + QUIET {
            return Ok((request, bytes));
        }
        ensure!(elapsed < GIVEN_UP, "cancel a sweep: the registry is still asked after {GIVEN_UP:?}");
    }
}

/// A value from a role's metrics; 0 before it was first set.
fn gauge(address: SocketAddr, name: &str) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).context("reach a worker's metrics")?;
    stream.set_read_timeout(Some(TIMEOUT)).context("ask for a worker's metrics")?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").context("ask for a worker's metrics")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("read a worker's metrics")?;
    let (_, page) = answer.split_once("\r\n\r\n").context("read a worker's metrics")?;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value: f64 = line.map_or(Ok(0.0), |text| text.trim().parse()).context("read a worker's metrics")?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    Ok(value.max(0.0) as u64)
}
