//! What a cluster is kept busy with: registries of new images, each swept twice, and now and then a sweep that is cancelled.

use std::{fmt, time::Duration};

use anyhow::{Context as _, ensure};
use strata_client::{
    Client,
    v1::{RegistryTarget, ScanState, SubmitRequest},
};
use strata_loadtest::{
    chaos::follow::{Follow, Progress, Seen},
    content::{Plan, Synthetic},
    registry::{Options, Registry},
};
use tokio::{sync::watch, time::Instant};

/// After so many rounds one sweep is cancelled.
const CANCEL_EVERY: u64 = 5;
/// A sweep that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// How a cluster is kept busy.
pub(super) struct Load {
    pub(super) urls: Vec<String>,
    /// New images a round.
    pub(super) images: u32,
    /// From the start of one round to that of the next, at least.
    pub(super) every: Duration,
    /// No round begins after it.
    pub(super) end: Instant,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    rounds: u64,
    reported: u64,
    unchanged: u64,
    cancelled: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, reported, unchanged, cancelled } = self;
        write!(
            f,
            "{rounds} registries, {reported} images, {unchanged} swept again, {cancelled} sweeps cancelled"
        )
    }
}

impl Load {
    /// Sweeps until the time is over.
    pub(super) async fn run(self) -> anyhow::Result<Done> {
        let mut done = Done::default();
        while Instant::now() < self.end {
            let next = Instant::now() + self.every;
            self.round(&mut done).await?;
            done.rounds += 1;
            tokio::time::sleep_until(next.min(self.end)).await;
        }
        Ok(done)
    }

    async fn round(&self, done: &mut Done) -> anyhow::Result<()> {
        if done.rounds % CANCEL_EVERY == CANCEL_EVERY - 1 {
            self.cancelled(200_000 + done.rounds).await?;
            done.cancelled += 1;
        }
        let registry = self.registry(100_000 + done.rounds).await?;
        let seen = self.sweep(&registry).await?;
        done.reported += seen.reports.len() as u64;
        let again = self.sweep(&registry).await?;
        let ledger = again.summary.ledger.unwrap_or_default();
        done.unchanged += ledger.unchanged;
        ensure!(
            ledger.reported + ledger.unchanged == seen.summary.ledger.unwrap_or_default().reported,
            "find the same images again: {ledger:?}"
        );
        Ok(())
    }

    async fn registry(&self, seed: u64) -> anyhow::Result<Registry> {
        let plan = Plan { seed, ..Plan::scaled(self.images, 32 << 10) };
        Registry::start(Synthetic::new(plan), Options::default()).await.context("start a registry")
    }

    fn follow(&self) -> Follow {
        Follow { urls: self.urls.clone(), deadline: Instant::now() + PATIENCE, leave_every: None }
    }

    async fn sweep(&self, registry: &Registry) -> anyhow::Result<Seen> {
        let follow = self.follow();
        let scan = follow.submit(&request(registry)).await?;
        let seen = follow.follow(&scan, &watch::channel(Progress::default()).0).await?;
        ensure!(
            seen.state == Some(ScanState::Completed),
            "complete a sweep: {:?} {:?}",
            seen.state,
            seen.failures
        );
        Ok(seen)
    }

    async fn cancelled(&self, seed: u64) -> anyhow::Result<()> {
        let registry = self.registry(seed).await?;
        let follow = self.follow();
        let scan = follow.submit(&request(&registry)).await?;
        let url = self.urls.first().context("find a coordinator")?;
        Client::connect(url).await.context("connect")?.cancel(&scan).await.context("cancel a sweep")?;
        let seen = follow.follow(&scan, &watch::channel(Progress::default()).0).await?;
        ensure!(seen.state == Some(ScanState::Cancelled), "cancel a sweep: {:?}", seen.state);
        Ok(())
    }
}

fn request(registry: &Registry) -> SubmitRequest {
    SubmitRequest {
        registry: Some(RegistryTarget { host: registry.host(), ..RegistryTarget::default() }),
        tenant: "soak".to_owned(),
        ..SubmitRequest::default()
    }
}
