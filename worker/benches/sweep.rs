//! Many layers on one core and on two: how the index jobs of a worker share the processors, and how well the machine itself
//! does it: bare decompression and digests of the same layers, one layer a thread, a thread a core.
//!
//! `cargo bench -p strata-worker --bench sweep -- LAYER…` takes files or an OCI layout's `blobs/sha256`; without any, the layers of
//! images of the synthetic registry are measured. The program runs itself with `taskset` (util-linux) on processor 0, and on 0
//! and 1, in turn; each such process sweeps several times without a break, and the time is that of all. On a machine with
//! other load the wall tells little: beside it stand CPU seconds, whose ratio is what sharing costs, and what two free cores
//! would gain by it. Where there is perf(1) it also says which share of the CPU went to decompression, hashing and reading.

#![expect(clippy::print_stdout, reason = "measurements say what they measure")]
#![expect(clippy::unwrap_used, reason = "a measurement without its data is none")]

#[path = "layers/bare.rs"]
mod bare;
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

use std::{
    env,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bare::bare;
use clock::{Took, took};
use futures::{StreamExt as _, stream};
use median::median;
use worker::Layers;

/// Pairs, after one that does not count.
const PAIRS: usize = 7;
/// Jobs at once on each core, as many as a worker takes by itself.
const JOBS: usize = 2;
/// Sweeps of each process.
const SWEEPS: usize = 5;
/// Sweeps of which samples are taken.
const SAMPLED_SWEEPS: usize = 10;
/// What the program does when it runs itself.
const INDEX: &str = "--index-child";
const BARE: &str = "--bare-child";
const SAMPLED: &str = "--sampled-child";

fn main() {
    let arguments = blobs::arguments();
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some((INDEX, layers)) => return told(&measured(layers)),
        Some((BARE, layers)) => return told(&measured_bare(layers)),
        Some((SAMPLED, layers)) => return sampled(layers),
        Some(("--share", layers)) => return share(layers),
        _ => {}
    }
    let mut pairs: [Vec<Pair>; 2] = Default::default();
    for pair in 0..=PAIRS {
        for (side, what) in pairs.iter_mut().zip([INDEX, BARE]) {
            let (one, two) = (child("0", what, &arguments), child("0,1", what, &arguments));
            if pair > 0 {
                side.push(Pair { one, two });
            }
        }
    }
    println!(
        "{PAIRS} pairs of {SWEEPS} sweeps; seconds are medians, ratios are medians of the pairs' ratios"
    );
    println!("          one core: wall, cpu  two cores: wall, cpu  rate: by the clock, by CPU seconds");
    for (name, pairs) in ["index", "bare"].iter().zip(&pairs) {
        let of = |figure: fn(&Pair) -> f64| median(pairs.iter().map(figure).collect());
        println!(
            "{name:8}  {:14.3}  {:4.3}  {:15.3}  {:4.3}  {:18.3}  {:14.3}",
            of(|pair| pair.one.wall),
            of(|pair| pair.one.cpu),
            of(|pair| pair.two.wall),
            of(|pair| pair.two.cpu),
            of(Pair::rate),
            of(Pair::rate_by_cpu),
        );
    }
    let [index, bare] = &pairs;
    let against = |figure: fn(&Pair) -> f64| {
        median(index.iter().zip(bare).map(|(index, bare)| figure(index) / figure(bare)).collect())
    };
    println!(
        "two cores, index ÷ bare: {:.3} of the machine's own by the clock, {:.3} by CPU seconds",
        against(Pair::rate),
        against(Pair::rate_by_cpu)
    );
    println!(
        "wall, index ÷ bare: {:.3} on one core, {:.3} on two",
        against(|pair| pair.one.wall),
        against(|pair| pair.two.wall)
    );
    share(&arguments);
}

/// The same on one core and on two.
struct Pair {
    one: Took,
    two: Took,
}

impl Pair {
    fn rate(&self) -> f64 {
        self.one.wall / self.two.wall
    }

    /// What two cores would gain that nobody else uses and that never wait.
    fn rate_by_cpu(&self) -> f64 {
        2.0 * self.one.cpu / self.two.cpu
    }
}

/// Where the time of a sweep on all cores goes. Alone: `--share LAYER…`.
fn share(layers: &[String]) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg(SAMPLED).args(layers);
    match share::Shares::of(command) {
        Some(shares) => shares.lines().iter().for_each(|line| println!("{line}")),
        None => println!("the shares of the CPU were not measured: perf does not run here"),
    }
}

/// The sweeps of a process of its own, that sees these processors and no others.
fn child(processors: &str, what: &str, layers: &[String]) -> Took {
    let output = Command::new("taskset")
        .args(["--cpu-list", processors])
        .arg(env::current_exe().unwrap())
        .arg(what)
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

fn told(took: &Took) {
    println!("{} {}", took.wall, took.cpu);
}

fn layers(names: &[String]) -> Vec<blobs::Layer> {
    let mut layers = blobs::named(names);
    if layers.is_empty() {
        layers = blobs::synthetic(20, 2 << 20);
    }
    // The same order on both sides.
    layers.sort_by(|left, right| left.name.cmp(&right.name));
    layers
}

fn cores() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

/// A worker's index jobs on all layers.
struct Sweeper {
    layers: Vec<blobs::Layer>,
    images: Arc<Layers>,
    runtime: tokio::runtime::Runtime,
}

impl Sweeper {
    fn new(names: &[String]) -> Self {
        let layers = layers(names);
        let open = layers.iter().map(|layer| (layer.digest.clone(), layer.open()));
        let images = Arc::new(Layers(open.collect()));
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(cores()).enable_all().build().unwrap();
        Self { layers, images, runtime }
    }

    /// So many sweeps of workers that know nothing yet, one after the other without a break: a sweep of many layers has one
    /// end, at which a core may have nothing to do.
    fn sweep(&self, times: usize) {
        let contexts: Vec<_> = (0..times).map(|_| worker::context(&self.images)).collect();
        let analysed = self.runtime.block_on(async {
            let jobs = contexts
                .iter()
                .flat_map(|context| self.layers.iter().map(move |layer| worker::run(context, &layer.digest)));
            stream::iter(jobs).buffer_unordered(cores() * JOBS).count().await
        });
        assert_eq!(analysed, self.layers.len() * times);
    }
}

fn measured(names: &[String]) -> Took {
    let sweeper = Sweeper::new(names);
    took(|| sweeper.sweep(SWEEPS)).0
}

/// Begins when it is told.
fn sampled(names: &[String]) {
    let sweeper = Sweeper::new(names);
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    sweeper.sweep(SAMPLED_SWEEPS);
}

/// The next layer to whoever is free.
fn measured_bare(names: &[String]) -> Took {
    let layers = layers(names);
    let next = AtomicUsize::new(0);
    let following = || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        (number < layers.len() * SWEEPS).then(|| layers.get(number % layers.len()).unwrap())
    };
    let some = || while following().map(bare).is_some() {};
    took(|| std::thread::scope(|scope| (0..cores()).for_each(|_| drop(scope.spawn(some))))).0
}
