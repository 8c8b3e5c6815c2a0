//! Faults to survive: a sweep of the synthetic registry by a cluster of real processes, while one of them is hurt.
//!
//! [`FAULTS`] is the table: one file for each kind of fault, one row for each fault. [`strike`] runs one of them and says
//! what came of it: the ledger must be exact, the reports those of an undisturbed sweep, and nothing may be left behind.

pub mod cancel;
pub mod cluster;
pub mod follow;
pub mod leftovers;

mod content;
mod fault;
mod faults;
mod poison;
mod verdict;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use strata_client::v1::{RegistryTarget, SubmitRequest};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    content::{Expected, Plan, Store},
    random::Random,
    registry::{Options as RegistryOptions, Registry},
};
use cluster::{Cluster, Layout};
use follow::{Follow, Progress, Seen};
use verdict::Must;

pub use fault::{Fault, Stage};
pub use faults::FAULTS;
pub use verdict::Verdict;

/// What is swept, and with what.
#[derive(Debug, Clone)]
pub struct Options {
    /// The executable `strata`.
    pub strata: PathBuf,
    /// An advisory database.
    pub database: PathBuf,
    /// About this many images.
    pub images: u32,
    /// The form that tests run: fewer and shorter faults.
    pub short: bool,
    /// When a sweep is given up.
    pub patience: Duration,
    /// Everything random follows from it.
    pub seed: u64,
}

impl Options {
    fn plan(&self) -> Plan {
        Plan { index_every: 4, signature_every: 5, ..Plan::scaled(self.images, 16 << 10) }
    }
}

/// What a sweep must come to.
#[derive(Debug, Clone)]
pub struct Truth {
    /// As the plan says.
    pub expected: Arc<Expected>,
    /// As an undisturbed sweep said.
    pub calm: Seen,
}

/// A sweep without a fault, by which the others are judged. It is itself judged by the plan.
///
/// # Errors
/// When the cluster does not start or the sweep is not as the plan says.
pub async fn undisturbed(options: &Options) -> anyhow::Result<(Truth, Verdict)> {
    let plan = options.plan();
    let expected = tokio::task::spawn_blocking(move || content::expected(plan));
    let expected = Arc::new(expected.await?.context("work out what the plan holds")?);
    let calm = Fault { name: "calm", breaks: "nothing", ..Fault::NONE };
    let (verdict, seen) = run(&calm, options, &expected, None).await?;
    Ok((Truth { expected, calm: seen }, verdict))
}

/// Runs one fault.
///
/// # Errors
/// When the cluster does not start or cannot be looked at.
pub async fn strike(fault: &Fault, options: &Options, truth: &Truth) -> anyhow::Result<Verdict> {
    Ok(run(fault, options, &truth.expected, Some(&truth.calm)).await?.0)
}

async fn run(
    fault: &Fault,
    options: &Options,
    expected: &Arc<Expected>,
    calm: Option<&Seen>,
) -> anyhow::Result<(Verdict, Seen)> {
    let begin = Instant::now();
    let lost = fault.poison.then(|| poison::choose(expected)).flatten();
    let mut layout = Layout::new(&options.strata, &options.database);
    // Dropped last.
    let _prepared = (fault.prepare)(&mut layout)?;
    let (mut stage, sender) = enter(fault, options, &layout).await?;
    stage.poisoned = lost.and_then(|image| image.layers.last().copied());
    let (follow, scan) = (stage.follow.clone(), stage.scan.clone());
    let following = tokio::spawn(async move { follow.follow(&scan, &sender).await });
    let struck = (fault.strike)(&mut stage).await;
    let seen = following.await.context("follow the scan")?;
    let mut verdict = Verdict { fault: fault.name, wall: begin.elapsed(), ..Verdict::default() };
    let seen = match seen {
        Ok(seen) => {
            verdict.judge(&seen, &Must { expected, calm, lost, forgets: fault.forgets });
            seen
        }
        Err(error) => {
            verdict.wrong.push(format!("failed to {error:#}"));
            Seen::default()
        }
    };
    match struck {
        Ok(count) => verdict.strikes = count,
        Err(error) => verdict.wrong.push(format!("the fault failed to {error:#}")),
    }
    verdict.wrong.append(&mut stage.notes);
    if verdict.strikes == 0 && calm.is_some() {
        verdict.wrong.push("the sweep was over before the fault struck".to_owned());
    }
    let fetched = stage.registry.blob_downloads();
    verdict.downloads = seen.layers.iter().filter_map(|layer| fetched.get(layer)).sum();
    verdict.leftovers = leftovers::leftovers(&stage.cluster).await?;
    if !verdict.is_good() {
        verdict.logs = stage.cluster.logs();
    }
    Ok((verdict, seen))
}

/// Starts the registry and the cluster, and submits the sweep.
async fn enter(
    fault: &Fault,
    options: &Options,
    layout: &Layout,
) -> anyhow::Result<(Stage, watch::Sender<Progress>)> {
    let store: Arc<dyn Store> = Arc::new(content::content(options.plan())?);
    let listener = TcpListener::bind((layout.host, 0)).await.context("listen for the registry")?;
    let faults = (fault.registry)(options.seed);
    let registry =
        Registry::serve(listener, store, RegistryOptions { faults, ..RegistryOptions::default() })?;
    let cluster = tokio::task::block_in_place(|| Cluster::start(layout))?;
    let (sender, progress) = watch::channel(Progress::default());
    let follow = Follow {
        urls: cluster.urls(),
        deadline: tokio::time::Instant::now() + options.patience,
        leave_every: None,
    };
    let request = SubmitRequest {
        registry: Some(RegistryTarget { host: registry.host(), ..RegistryTarget::default() }),
        platform: "linux/amd64".to_owned(),
        tenant: "chaos".to_owned(),
        insecure: !layout.host.is_loopback(),
        ..SubmitRequest::default()
    };
    let stage = Stage {
        scan: follow.submit(&request).await?,
        cluster,
        registry,
        short: options.short,
        random: Random::new(options.seed, &[9]),
        progress,
        follow,
        poisoned: None,
        notes: Vec::new(),
    };
    Ok((stage, sender))
}
