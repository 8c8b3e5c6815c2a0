//! Many layers on one core and on two: how the index jobs of a worker share the processors.
//!
//! `cargo bench -p strata-worker --bench sweep -- LAYER…` takes files or an OCI layout's `blobs/sha256`; without any, the layers of
//! images of the synthetic registry are measured. The program runs itself with `taskset` (util-linux) on processor 0, and on 0
//! and 1, in turn. On a machine with other load the wall tells little: beside it stand CPU seconds, whose ratio is what sharing
//! costs, and what two free cores would gain by it. Where there is perf(1) it also says which share of the CPU went to
//! decompression, hashing and reading.

#![expect(clippy::print_stdout, reason = "measurements say what they measure")]
#![expect(clippy::unwrap_used, reason = "a measurement without its data is none")]

#[path = "layers/blobs.rs"]
mod blobs;
#[path = "layers/clock.rs"]
mod clock;
#[path = "layers/median.rs"]
mod median;
#[path = "layers/share.rs"]
mod share;
#[path = "layers/worker.rs"]
mod worker;

use std::{env, process::Command, sync::Arc};

use clock::{Took, took};
use futures::{StreamExt as _, stream};
use median::median;
use worker::Layers;

/// Pairs, after one that does not count.
const PAIRS: usize = 7;
/// Jobs at once on each core, as many as a worker takes by itself.
const JOBS: usize = 2;
/// Sweeps of which samples are taken.
const SAMPLED: usize = 10;

fn main() {
    let arguments = blobs::arguments();
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("--child", layers)) => return sweep(layers, false),
        Some(("--sampled-child", layers)) => return sweep(layers, true),
        Some(("--share", layers)) => return share(layers),
        _ => {}
    }
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for pair in 0..=PAIRS {
        let (first, second) = (child("0", &arguments), child("0,1", &arguments));
        if pair > 0 {
            one.push(first);
            two.push(second);
        }
    }
    let of = |side: &[Took], figure: fn(&Took) -> f64| median(side.iter().map(figure).collect());
    let ratio = |figure: fn(&Took) -> f64| {
        median(one.iter().zip(&two).map(|(one, two)| figure(one) / figure(two)).collect())
    };
    println!("{PAIRS} pairs; seconds are medians, ratios are medians of the pairs' ratios");
    println!("one core:  wall {:.2} cpu {:.2}", of(&one, |took| took.wall), of(&one, |took| took.cpu));
    println!("two cores: wall {:.2} cpu {:.2}", of(&two, |took| took.wall), of(&two, |took| took.cpu));
    println!("rate of two cores: {:.2} × that of one", ratio(|took| took.wall));
    println!("rate of two cores that are free, by CPU seconds: {:.2} ×", 2.0 * ratio(|took| took.cpu));
    share(&arguments);
}

/// Where the time of a sweep on all cores goes. Alone: `--share LAYER…`.
fn share(layers: &[String]) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg("--sampled-child").args(layers);
    match share::Shares::of(command) {
        Some(shares) => shares.lines().iter().for_each(|line| println!("{line}")),
        None => println!("the shares of the CPU were not measured: perf does not run here"),
    }
}

/// One sweep in a process of its own, that sees these processors and no others.
fn child(processors: &str, layers: &[String]) -> Took {
    let output = Command::new("taskset")
        .args(["--cpu-list", processors])
        .arg(env::current_exe().unwrap())
        .arg("--child")
        .args(layers)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
    match figures.as_slice() {
        [wall, cpu] => Took { wall: *wall, cpu: *cpu },
        _ => panic!("the sweep told no figures: {text}"),
    }
}

/// Sampled: begins when it is told, and sweeps several times.
fn sweep(layers: &[String], sampled: bool) {
    let mut layers = blobs::named(layers);
    if layers.is_empty() {
        layers = blobs::synthetic(20, 2 << 20);
    }
    // The same order on both sides.
    layers.sort_by(|left, right| left.name.cmp(&right.name));
    let images = Arc::new(Layers(layers.iter().map(|layer| (layer.digest.clone(), layer.open())).collect()));
    let cores = std::thread::available_parallelism().unwrap().get();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build().unwrap();
    if sampled {
        println!("ready");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }
    for _ in 1..if sampled { SAMPLED } else { 1 } {
        once(&runtime, &layers, &images, cores);
    }
    let took = once(&runtime, &layers, &images, cores);
    println!("{} {}", took.wall, took.cpu);
}

fn once(
    runtime: &tokio::runtime::Runtime,
    layers: &[blobs::Layer],
    images: &Arc<Layers>,
    cores: usize,
) -> Took {
    let context = worker::context(images);
    let (took, analysed) = took(|| {
        runtime.block_on(async {
            let jobs = layers.iter().map(|layer| worker::run(&context, &layer.digest));
            stream::iter(jobs).buffer_unordered(cores * JOBS).count().await
        })
    });
    assert_eq!(analysed, layers.len());
    took
}
