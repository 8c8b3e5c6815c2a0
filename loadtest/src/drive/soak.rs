//! `soak`: a cluster under load for a while, sweep after sweep of images that it has not seen, and the resident memory of each of its
//! processes.

mod load;
mod memory;
mod table;

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Args as Arguments;
use strata_loadtest::chaos::{
    cluster::{Cluster, Layout},
    leftovers::redis,
};
use tempfile::TempDir;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::{
    load::Load,
    memory::Memory,
    table::{Watched, table},
};
use super::chaos::{ProgramArgs, database};

/// Arguments of `soak`.
#[derive(Debug, Arguments)]
pub(crate) struct SoakArgs {
    /// How long
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    minutes: u64,
    /// About this many images a sweep
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    images: u32,
    /// New images a minute; 0: as fast as they are scanned
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Also write every sample here: seconds since the start and KiB of each process, separated by commas
    #[arg(long, value_name = "FILE")]
    samples: Option<PathBuf>,
    #[command(flatten)]
    program: ProgramArgs,
}

/// How often memory is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// Redis forgets what was not used for longest when it has so many bytes, as the runbook says it is to be set up.
const REDIS_BYTES: u64 = 32 << 20;

/// Sweeps until the time is over. True when every sweep was complete and the memory of all processes flat.
pub(crate) async fn soak(args: SoakArgs) -> anyhow::Result<bool> {
    let home = TempDir::new().context("make a directory")?;
    let strata = args.program.strata();
    let layout = Layout::new(&strata, &database(&strata, home.path())?);
    let cluster = tokio::task::block_in_place(|| Cluster::start(&layout))?;
    redis(cluster.redis_address, &format!("CONFIG SET maxmemory {REDIS_BYTES}"))?;
    redis(cluster.redis_address, "CONFIG SET maxmemory-policy volatile-lru")?;
    let mut watched = watched(&cluster);
    let begin = Instant::now();
    let load = Load {
        urls: cluster.urls(),
        images: args.images,
        every: pause(args.images, args.rate),
        end: begin + Duration::from_secs(args.minutes * 60),
    };
    let mut samples = args.samples.as_deref().map(|file| open(file, &watched)).transpose()?;
    let load = tokio::spawn(load.run());
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !load.is_finished() {
        ticks.tick().await;
        let seconds = begin.elapsed().as_secs();
        for process in &mut watched {
            process.samples.push((seconds, process.memory.kib()?));
        }
        if let Some(file) = &mut samples {
            let of = |process: &Watched| process.samples.last().map_or(0, |(_, kib)| *kib).to_string();
            let line: Vec<String> = watched.iter().map(of).collect();
            writeln!(file, "{seconds},{}", line.join(",")).context("write samples")?;
        }
    }
    let done = load.await.context("sweep")??;
    let (table, flat) = table(&watched);
    writeln!(io::stdout().lock(), "{done} in {} minutes\n{table}", args.minutes).context("print")?;
    Ok(flat)
}

/// From the start of one sweep to that of the next.
fn pause(images: u32, rate: u32) -> Duration {
    match rate {
        0 => Duration::ZERO,
        rate => Duration::from_secs(60).saturating_mul(images) / rate,
    }
}

fn open(file: &Path, watched: &[Watched]) -> anyhow::Result<File> {
    let mut samples = File::create(file).with_context(|| format!("write {}", file.display()))?;
    let names: Vec<&str> = watched.iter().map(|process| process.name.as_str()).collect();
    writeln!(samples, "seconds,{}", names.join(",")).context("write samples")?;
    Ok(samples)
}

fn watched(cluster: &Cluster) -> Vec<Watched> {
    let of = |name: String, memory| Watched { name, memory, samples: Vec::new() };
    let mut all = Vec::new();
    for (number, server) in cluster.coordinators.iter().enumerate() {
        all.push(of(format!("coordinator {number}"), Memory::Resident(server.pid())));
    }
    for (number, server) in cluster.workers.iter().enumerate() {
        all.push(of(format!("worker {number}"), Memory::Resident(server.pid())));
    }
    all.push(of("nats".to_owned(), Memory::Resident(cluster.nats.pid())));
    all.push(of("redis".to_owned(), Memory::Resident(cluster.redis.pid())));
    all.push(of("postgres".to_owned(), Memory::PrivateOfAll(cluster.postgres.pid())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_says_when_the_next_sweep_begins() {
        assert_eq!(pause(200, 0), Duration::ZERO);
        assert_eq!(pause(200, 600), Duration::from_secs(20));
        assert_eq!(pause(100, 100), Duration::from_secs(60));
    }
}
