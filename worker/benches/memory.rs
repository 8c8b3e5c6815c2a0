//! The most memory that a worker takes for layers that are made to take much: one of ten gigabytes, one of three million empty
//! files, a thousand jobs at once in its queue.
//!
//! `cargo bench -p strata-worker --bench memory`: each case runs in a process of its own and tells its peak (`VmHWM` of proc(5)).
//! The layers are made while they are read, twice: for their digest, and for the job.

#![expect(clippy::print_stdout, reason = "measurements say what they measure")]
#![expect(clippy::unwrap_used, reason = "a measurement without its data is none")]

#[path = "layers/clock.rs"]
mod clock;
#[path = "layers/giant.rs"]
mod giant;
#[path = "layers/worker.rs"]
mod worker;

use std::{collections::HashMap, env, fs, process::Command, sync::Arc};

use clock::took;
use futures::{StreamExt as _, stream};
use giant::Giant;
use worker::Layers;

/// Jobs of the case of many.
const JOBS: u64 = 1_000;
/// Of them at once: the most that a worker takes by itself on two cores.
const SLOTS: usize = 8;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [case] = arguments.as_slice() {
        return run(case);
    }
    println!("case                    layers  entries  tar MB  seconds  cpu  peak MiB");
    for case in ["nothing", "ten-gigabytes", "three-million-files", "thousand-jobs"] {
        let output = Command::new(env::current_exe().unwrap()).arg(case).output().unwrap();
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        print!("{}", String::from_utf8(output.stdout).unwrap());
    }
}

fn run(case: &str) {
    let giants: Vec<Giant> = match case {
        "ten-gigabytes" => vec![Giant::Large { mebibytes: 10_240, number: 0 }],
        "three-million-files" => vec![Giant::Empty { files: 3_000_000 }],
        "thousand-jobs" => (0..JOBS).map(|number| Giant::Large { mebibytes: 16, number }).collect(),
        _ => Vec::new(),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let layers: Vec<(String, worker::Open)> =
        giants.iter().map(|giant| (giant.digest(), giant.open())).collect();
    let digests: Vec<String> = layers.iter().map(|(digest, _)| digest.clone()).collect();
    let images = Arc::new(Layers(layers.into_iter().collect::<HashMap<_, _>>()));
    let context = worker::context(&images);
    let (took, bytes) = took(|| {
        runtime.block_on(async {
            let jobs = digests.iter().map(|digest| worker::run(&context, digest));
            stream::iter(jobs).buffer_unordered(SLOTS).map(|indexed| indexed.bytes).collect::<Vec<_>>().await
        })
    });
    assert_eq!(bytes.len(), giants.len());
    let entries: u64 = giants.iter().map(Giant::entries).sum();
    let tar: u64 = giants.iter().map(Giant::tar_bytes).sum();
    println!(
        "{case:22}  {:6}  {entries:7}  {:6}  {:7.1}  {:3.0}  {:8}",
        giants.len(),
        tar / 1_000_000,
        took.wall,
        took.cpu,
        peak() >> 10
    );
}

/// The most memory that this process had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
