//! The fuzz targets on a few mutations of their seeds: the same ones in every run, in seconds, without a fuzzer.

#![expect(unreachable_pub, reason = "the targets are a library to the fuzzers and modules here")]

#[path = "../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};

/// Runs one target on its seeds and on about `count` mutations of them.
fn run(name: &str, count: usize) {
    let (_, target) = targets::TABLE.iter().find(|(other, _)| *other == name).expect("a target");
    let seeds = seeds::of(name);
    let mut runner = TestRunner::deterministic();
    for seed in &seeds {
        target(seed);
        for _ in 0..count.div_ceil(seeds.len()) {
            let changes =
                (proptest::collection::vec((0..seed.len(), 0..=255_u8, 0..4_u8), 1..6), 0..16_usize);
            let (changes, cut) = changes.new_tree(&mut runner).expect("a value").current();
            let mut bytes = seed.clone();
            for (at, byte, how) in changes {
                match how {
                    0 => bytes[at % seed.len()] = byte,
                    1 => bytes[at % seed.len()] ^= 1 << (byte % 8),
                    2 => bytes.insert(at, b"\"[{\0\xff/:,"[usize::from(byte % 8)]),
                    _ => bytes.extend_from_slice(&seed[at..seed.len().min(at + usize::from(byte))]),
                }
            }
            bytes.truncate(if cut == 0 { bytes.len() / 2 } else { bytes.len() });
            target(&bytes);
        }
    }
}

#[test]
fn registries() {
    run("registry", 4_000);
}

#[test]
fn archives() {
    run("archive_file", 300);
}
