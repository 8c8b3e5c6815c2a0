//! `soak`: a cluster under load for a while, sweep after sweep of images that it has not seen, and the resident memory of each of its
//! processes.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args as Arguments;
use strata_client::v1::{RegistryTarget, ScanState, SubmitRequest};
use strata_loadtest::{
    chaos::{
        cluster::{Cluster, Layout},
        follow::{Follow, Progress},
    },
    content::{Plan, Synthetic},
    registry::{Options, Registry},
};
use tempfile::TempDir;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::chaos::{ProgramArgs, database};
use super::process::resident;

/// Arguments of `soak`.
#[derive(Debug, Arguments)]
pub(crate) struct SoakArgs {
    /// How long
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// About this many images a sweep
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    images: u32,
    #[command(flatten)]
    program: ProgramArgs,
}

/// A process and its memory in KiB, oldest first.
struct Watched {
    name: String,
    pid: u32,
    /// Whether it must be flat: a server fills its own buffers.
    judged: bool,
    samples: Vec<u64>,
}

/// How often memory is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// How much more the last third of the time may need than the middle one, which begins after everything was in use once.
const FLAT: f64 = 1.10;

/// Sweeps until the time is over. True when every sweep was complete and the memory of the roles flat.
pub(crate) async fn soak(args: SoakArgs) -> anyhow::Result<bool> {
    let home = TempDir::new().context("make a directory")?;
    let strata = args.program.strata();
    let layout = Layout::new(&strata, &database(&strata, home.path())?);
    let cluster = tokio::task::block_in_place(|| Cluster::start(&layout))?;
    let mut watched = watched(&cluster);
    let end = Instant::now() + Duration::from_secs(args.minutes * 60);
    let urls = cluster.urls();
    let load = tokio::spawn(load(urls, args.images, end));
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !load.is_finished() {
        ticks.tick().await;
        for process in &mut watched {
            process.samples.push(resident(process.pid)?);
        }
    }
    let (sweeps, images) = load.await.context("sweep")??;
    let (table, flat) = table(&watched);
    let minutes = args.minutes;
    writeln!(io::stdout().lock(), "{sweeps} sweeps, {images} images in {minutes} minutes\n{table}")
        .context("print")?;
    Ok(flat)
}

fn watched(cluster: &Cluster) -> Vec<Watched> {
    let of = |name: &str, pid, judged| Watched { name: name.to_owned(), pid, judged, samples: Vec::new() };
    let mut all = Vec::new();
    for (number, server) in cluster.coordinators.iter().enumerate() {
        all.push(of(&format!("coordinator {number}"), server.pid(), true));
    }
    for (number, server) in cluster.workers.iter().enumerate() {
        all.push(of(&format!("worker {number}"), server.pid(), true));
    }
    all.push(of("nats", cluster.nats.pid(), false));
    all.push(of("redis", cluster.redis.pid(), false));
    all
}

/// Sweeps one registry after the other, each of other images. Returns how many, and the reports.
async fn load(urls: Vec<String>, images: u32, end: Instant) -> anyhow::Result<(u64, usize)> {
    let (mut sweeps, mut reports) = (0, 0);
    while Instant::now() < end {
        let plan = Plan { seed: 100_000 + sweeps, ..Plan::scaled(images, 32 << 10) };
        let registry = Registry::start(Synthetic::new(plan), Options::default()).await;
        let registry = registry.context("start a registry")?;
        let request = SubmitRequest {
            registry: Some(RegistryTarget { host: registry.host(), ..RegistryTarget::default() }),
            tenant: "soak".to_owned(),
            ..SubmitRequest::default()
        };
        let deadline = Instant::now() + Duration::from_secs(1_800);
        let follow = Follow { urls: urls.clone(), deadline, leave_every: None };
        let scan = follow.submit(&request).await?;
        let seen = follow.follow(&scan, &watch::channel(Progress::default()).0).await?;
        ensure!(
            seen.state == Some(ScanState::Completed),
            "complete a sweep: {:?} {:?}",
            seen.state,
            seen.failures
        );
        sweeps += 1;
        reports += seen.reports.len();
    }
    Ok((sweeps, reports))
}

fn table(watched: &[Watched]) -> (String, bool) {
    let mut flat = true;
    let mut text = format!(
        "{:<16}{:>10}{:>10}{:>10}{:>12}{:>12}{:>8}\n",
        "process (MiB)", "first", "last", "most", "2nd third", "3rd third", "ratio"
    );
    for process in watched {
        let third = process.samples.len() / 3;
        let middle = mean(process.samples.iter().skip(third).take(third));
        let late = mean(process.samples.iter().skip(2 * third));
        let ratio = if middle > 0.0 { late / middle } else { f64::INFINITY };
        let good = ratio <= FLAT;
        flat &= good || !process.judged;
        let mib = |kib: Option<&u64>| kib.map_or(0.0, |kib| *kib as f64 / 1024.0);
        text.push_str(&format!(
            "{:<16}{:>10.1}{:>10.1}{:>10.1}{:>12.1}{:>12.1}{:>8.3}  {}\n",
            process.name,
            mib(process.samples.first()),
            mib(process.samples.last()),
            mib(process.samples.iter().max()),
            middle / 1024.0,
            late / 1024.0,
            ratio,
            match (good, process.judged) {
                (_, false) => "not judged",
                (true, true) => "flat",
                (false, true) => "GROWS",
            }
        ));
    }
    (text, flat)
}

fn mean<'a>(samples: impl Iterator<Item = &'a u64>) -> f64 {
    let (sum, count) = samples.fold((0_u64, 0_u64), |(sum, count), sample| (sum + sample, count + 1));
    sum as f64 / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(judged: bool, samples: Vec<u64>) -> Watched {
        Watched { name: "x".to_owned(), pid: 0, judged, samples }
    }

    #[test]
    fn what_grows_is_found_and_warming_up_is_no_growth() {
        let warm = process(true, (0..30).map(|at| if at < 10 { at * 100 } else { 1_000 }).collect());
        let leak = process(true, (0..30).map(|at| 1_000 + at * 50).collect());
        let server = process(false, (0..30).map(|at| 1_000 + at * 50).collect());
        assert!(table(std::slice::from_ref(&warm)).1);
        assert!(table(&[warm, server]).1);
        let (text, flat) = table(&[leak]);
        assert!(!flat && text.contains("GROWS"), "{text}");
        assert!(resident(std::process::id()).expect("we run") > 0);
    }
}
