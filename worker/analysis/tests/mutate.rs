//! The fuzz targets on a few mutations of their seeds: the same ones in every run, in seconds, without a fuzzer.

#![expect(clippy::disallowed_methods, reason = "the seeds are the cases of the tests, which are files")]
#![expect(unreachable_pub, reason = "the targets are a library to the fuzzers and modules here")]

#[path = "../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/targets.rs"]
mod targets;

/// A linear congruential generator.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    /// What fuzzers do: change, insert, remove, repeat, and cut.
    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        const TELLING: &[u8] =
            &[0, 1, b'0', b'7', b'9', b'A', b'/', b'.', b'\n', b'"', b'{', 0x7f, 0x80, 0xff];
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let length = self.below(16).min(bytes.len() - at);
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] = TELLING[self.below(TELLING.len())],
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                3 => drop(bytes.drain(at..at + length)),
                4 => {
                    let again = bytes[at..at + length].to_vec();
                    bytes.splice(at..at, again);
                }
                5 if self.below(4) == 0 => bytes.truncate(at),
                _ => {
                    let from = self.below(other.len());
                    let piece = &other[from..other.len().min(from + 32)];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
    }
}

/// Runs one target on its seeds and on about `count` mutations of them.
fn run(name: &str, count: usize) {
    let target = targets::by_name(name);
    let seeds = seeds::of(name);
    let mut random = Random(0x5eed);
    for seed in &seeds {
        target(seed);
        for _ in 0..count.div_ceil(seeds.len()) {
            let mut bytes = seed.clone();
            let other = random.below(seeds.len());
            random.mutate(&mut bytes, &seeds[other]);
            target(&bytes);
        }
    }
}

#[test]
fn layers() {
    run("layer", 1_500);
}

#[test]
fn tables() {
    run("table", 1_500);
}

#[test]
fn ecosystems() {
    let mut rows = 0;
    for family in seeds::FAMILIES {
        rows += seeds::family(family).len();
        run(family, 1_500);
    }
    assert_eq!(rows, strata_analysis::ecosystem::TABLE.len(), "a row is in no family");
}

#[test]
fn documents() {
    run("document", 2_000);
}

#[test]
fn every_target_can_be_built() {
    let manifest = include_str!("../fuzz/Cargo.toml");
    for (name, _) in targets::TABLE {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is in no manifest");
    }
}

#[test]
fn versions() {
    run("version", 20_000);
}

#[test]
fn databases() {
    run("database", 2_000);
}

#[test]
fn advisories() {
    run("osv", 2_000);
}
