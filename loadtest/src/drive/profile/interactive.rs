//! How long somebody waits for the scan of one image: alone, and while a sweep keeps the workers busy.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use futures::StreamExt as _;
use strata_client::{
    Client,
    v1::{ScanState, SubmitRequest, event::Kind},
};
use strata_loadtest::{
    content::{Plan, Store as _, Synthetic},
    registry::Registry,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::Stage;
use crate::drive::{
    meter::Measured,
    result::{Better, Latencies},
    sweep,
};

/// The longest that one scan may take before the profile gives up.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn interactive(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let count = stage.count(60);
    stage.measured.setting("scans", count);
    let deployment = stage.deploy()?;
    let url = deployment.url()?;
    // Images of their own, so that each scan has layers to read; the bases are known after the first ones.
    let plan = stage.run.plan.plan();
    let each = Plan { repositories: 2 * count, tags_per_repository: 2, seed: plan.seed + 1, ..plan };
    let single = Arc::new(Synthetic::new(each));
    let single_host = stage.registry(&single).await?;
    let host = single_host.host();
    let names = single.repositories(None, usize::MAX);
    let reference = |name: &String| format!("{host}/{name}:latest");
    let (alone, during) = names.split_at(names.len() / 2);
    // The first scan of a process warms connections and bases: it is no one's latency.
    let mut client = Client::connect(&url).await.context("connect")?;
    for reference in during.iter().rev().take(10).map(reference) {
        scan(&mut client, &reference).await?;
    }
    let mut idle = Latencies::new()?;
    for reference in alone.iter().map(reference) {
        idle.note(scan(&mut client, &reference).await?);
    }
    let mut sweep = Sweep::start(stage, &url, 0).await?;
    let mut sweeps = Vec::new();
    let mut busy = Latencies::new()?;
    // The first scan of a sweep meets its listing only.
    let mut counts = false;
    let fresh = during.len().saturating_sub(10);
    // When each began, after its sweep, and how long it took.
    let mut timeline = Vec::new();
    for reference in during.iter().take(fresh).map(reference) {
        let began = sweep.began.elapsed();
        let latency = scan(&mut client, &reference).await?;
        if sweep.task.is_finished() {
            sweeps.push(sweep.end(stage).await?);
            sweep = Sweep::start(stage, &url, sweeps.len()).await?;
            counts = false;
            continue;
        }
        if counts {
            busy.note(latency);
            timeline.push((latency, began));
        }
        counts = true;
    }
    sweeps.push(sweep.end(stage).await?);
    say_slowest(timeline);
    stage.measured.latencies("idle", &idle);
    stage.measured.latencies("during-sweep", &busy);
    if let Some(first) = sweeps.first() {
        super::sweeps::say(&mut stage.measured, "sweep", first);
    }
    stage.measured.figure("sweeps", sweeps.len() as f64, "", Better::Lower);
    let counted = busy.count();
    stage.measured.must(counted >= u64::from(count / 2), || {
        format!("the sweeps left room for {counted} scans only: sweep more images")
    });
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
        let ratio = busy.quantile_ms(quantile) / idle.quantile_ms(quantile);
        stage.measured.figure(format!("during-per-idle.{name}"), ratio, "", Better::Lower);
    }
    single_host.shutdown().await.context("stop the registry")
}

/// A sweep beside the scans. Where it ends before them, another one of other content follows: however fast sweeps are, there is
/// always one, and none of them needs much memory.
struct Sweep {
    registry: Registry,
    began: Instant,
    task: JoinHandle<anyhow::Result<Measured>>,
}

impl Sweep {
    async fn start(stage: &Stage<'_>, url: &str, number: usize) -> anyhow::Result<Self> {
        // The scans' own content has the first seed after the first sweep's.
        let content = match u64::try_from(number)? {
            0 => stage.content(),
            number => stage.other_content(number + 1),
        };
        let registry = stage.registry(&content).await?;
        let (target, host) = (stage.target(url), registry.host());
        let task = tokio::spawn(async move { sweep::sweep(&target, &host, None).await });
        Ok(Self { registry, began: Instant::now(), task })
    }

    /// Waits for its end, which must be a good one.
    async fn end(self, stage: &mut Stage<'_>) -> anyhow::Result<Measured> {
        let measured = self.task.await.context("sweep")??;
        stage.complete(&measured);
        self.registry.shutdown().await.context("stop the registry")?;
        Ok(measured)
    }
}

/// What the highest latencies met: the beginning of a sweep, or its midst.
#[expect(clippy::print_stderr, reason = "for people, beside the figures")]
fn say_slowest(mut timeline: Vec<(Duration, Duration)>) {
    timeline.sort_unstable_by(|one, other| other.cmp(one));
    for (latency, began) in timeline.into_iter().take(8) {
        let (latency, began) = (latency.as_secs_f64() * 1e3, began.as_secs_f64());
        eprintln!("a scan of {latency:.1} ms began {began:.2} s after its sweep");
    }
}

/// Scans one image, and returns how long its report took.
async fn scan(client: &mut Client, reference: &str) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let request = SubmitRequest {
        images: vec![reference.to_owned()],
        platform: "linux/amd64".to_owned(),
        tenant: "interactive".to_owned(),
        ..SubmitRequest::default()
    };
    let id = client.submit(request).await.with_context(|| format!("scan {reference}"))?;
    let mut events = client.watch(&id, 0, true);
    let mut latency = None;
    while let Some(event) =
        timeout(PATIENCE, events.next()).await.with_context(|| format!("wait for {reference}"))?
    {
        match event.with_context(|| format!("follow the scan of {reference}"))?.kind {
            Some(Kind::Reported(_)) => latency = Some(begin.elapsed()),
            Some(Kind::Finished(end)) => {
                let state = end.state();
                ensure!(
                    state == ScanState::Completed,
                    "scan {reference}: it ended as {}",
                    state.as_str_name()
                );
            }
            _ => {}
        }
    }
    latency.with_context(|| format!("scan {reference}: there is no report"))
}
