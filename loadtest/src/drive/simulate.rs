//! `simulate`: a sweep of a size that no machine here holds, and what the planner costs on this one.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;
use clap::Args as Arguments;
use serde::Serialize;
use strata_loadtest::simulate::{self, Moment, Prediction, Scenario};

use super::process;

/// Arguments of `simulate`.
#[derive(Debug, Arguments)]
pub(crate) struct SimulateArgs {
    /// About this many images
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(200..=10_000_000))]
    images: u32,
    /// Workers
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    workers: u32,
    /// Jobs that each worker carries out at once
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    slots: u32,
    /// Everything random follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The archive has a report of every image already
    #[arg(long)]
    unchanged: bool,
    /// Requests that the registry answers in a second
    #[arg(long, default_value_t = 20_000.0)]
    registry_requests: f64,
    /// Bytes that it sends in a second
    #[arg(long, default_value_t = 10e9)]
    registry_bytes: f64,
    /// Bytes of a compressed layer that a worker's core reads in a second
    #[arg(long, default_value_t = 120e6)]
    core_bytes: f64,
    /// Share of jobs that fail and are tried again
    #[arg(long, default_value_t = 0.001)]
    failing: f64,
    /// Also write prediction and costs as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A prediction, and what it cost to make.
#[derive(Debug, Serialize)]
struct Simulated {
    version: u32,
    prediction: Prediction,
    /// Of this machine, and different the next time.
    cost: Cost,
}

#[derive(Debug, Serialize)]
struct Cost {
    /// Resident memory of this process before, and the most that it was: planner and model.
    mib_before: f64,
    mib_most: f64,
    /// Time in the planner alone, by the clock: too long where the machine does other work too.
    planner_seconds: f64,
    /// Processor time of the whole process: planner and model.
    processor_seconds: f64,
    /// The same in microseconds for each image.
    processor_us_per_image: f64,
    /// Share of one core that 2,000 images a second need, the model's part included.
    cores_at_2000_images_per_second: f64,
}

/// Simulates, prints. True when the sweep completed.
pub(crate) async fn simulate(args: SimulateArgs) -> anyhow::Result<bool> {
    tokio::task::spawn_blocking(move || simulate_now(&args)).await?
}

fn simulate_now(args: &SimulateArgs) -> anyhow::Result<bool> {
    let scenario = Scenario {
        images: args.images,
        workers: args.workers,
        slots: args.slots,
        seed: args.seed,
        unchanged: args.unchanged,
        registry_requests: args.registry_requests,
        registry_bytes: args.registry_bytes,
        core_bytes: args.core_bytes,
        failing: args.failing,
        ..Scenario::default()
    };
    let pid = std::process::id();
    let before = process::resident(pid)?;
    let mut told = 0;
    let mut watch = |moment: Moment| {
        if moment.ended >= told {
            told = moment.ended + u64::from(args.images / 10);
            let memory = process::resident(pid).unwrap_or_default() / 1024;
            let Moment { seconds, ended, planner } = moment;
            let planner = planner.as_secs_f64();
            // Only for who looks on.
            let _ = writeln!(
                io::stderr(),
                "{seconds:>9.1} s: {ended:>8} references, {memory} MiB, planner {planner:.1} s"
            );
        }
    };
    let (prediction, planner) = simulate::run(&scenario, &mut watch).map_err(anyhow::Error::msg)?;
    let processor = process::processor(pid)?.as_secs_f64();
    let each = processor / prediction.images.max(1) as f64;
    let cost = Cost {
        mib_before: before as f64 / 1024.0,
        mib_most: process::most_resident(pid)? as f64 / 1024.0,
        planner_seconds: planner.as_secs_f64(),
        processor_seconds: processor,
        processor_us_per_image: each * 1e6,
        cores_at_2000_images_per_second: each * 2000.0,
    };
    let completed = prediction.state == "completed";
    let json = serde_json::to_string_pretty(&Simulated { version: 1, prediction, cost })?;
    writeln!(io::stdout(), "{json}").context("print")?;
    if let Some(path) = &args.json {
        fs::write(path, json).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(completed)
}
