//! Hostile layers against bounds on memory: each case runs in a process of its own, which says its highest resident size
//! when it is done. The large ones are ignored in an ordinary run; each has a small twin that always runs.

#![expect(clippy::disallowed_methods, reason = "a case runs in a child, and what it took stands in /proc")]
#![expect(clippy::disallowed_types, reason = "a case runs in a child")]
#![expect(clippy::disallowed_macros, clippy::print_stdout, reason = "the child says what it saw")]

#[path = "bounded/cases.rs"]
mod cases;
#[path = "bounded/stream.rs"]
mod stream;

use std::{env, fs, process::Command};

use cases::Seen;

/// Names the case that a child runs, and its size.
const CASE: &str = "STRATA_BOUNDED_CASE";

/// What a child starts with: the test program and the threads of rayon.
const START_MIB: u64 = 64;

/// Runs a case of that size in a child; its highest resident size must stay below `START_MIB + most_mib`.
fn bounded(case: &str, size: u64, most_mib: u64) -> Seen {
    let program = env::current_exe().expect("the test program");
    let child = Command::new(program)
        .args(["child", "--exact", "--nocapture"])
        .env(CASE, format!("{case} {size}"))
        .output()
        .expect("a child");
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{case}: {said}{}", String::from_utf8_lossy(&child.stderr));
    let line = said.lines().find_map(|line| line.split_once("seen ")).expect("what the child saw").1;
    let seen = Seen::parse(line);
    println!("{case} {size}: {line}");
    let most = START_MIB + most_mib;
    assert!(seen.peak_mib <= most, "{case}: {} MiB, at most {most}", seen.peak_mib);
    seen
}

/// What a child does; in the parent, nothing.
#[test]
fn child() {
    let Ok(case) = env::var(CASE) else { return };
    let (name, size) = case.split_once(' ').expect("a name and a size");
    let mut seen = cases::run(name, size.parse().expect("a size"));
    let status = fs::read_to_string("/proc/self/status").expect("a Linux system");
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the highest resident size");
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    seen.peak_mib = kib.div_ceil(1_024);
    println!("seen {}", seen.line());
}

#[test]
fn empty_files() {
    let seen = bounded("empty-files", 50_000, 16);
    assert_eq!((seen.entries, seen.packages, seen.problems.as_str()), (50_000, 0, ""));
}

#[test]
#[ignore = "three million entries"]
fn empty_files_large() {
    let seen = bounded("empty-files", 3_000_000, 16);
    assert_eq!((seen.entries, seen.problems.as_str()), (3_000_000, ""));
}

/// A package database that is larger than its limit is a problem, never an empty list.
#[test]
fn status_above_its_limit() {
    let seen = bounded("status-above-limit", 32 << 20, 16);
    assert_eq!((seen.packages, seen.problems.as_str()), (0, "limit"));
    assert!(seen.image_problems.contains("no-packages"), "{}", seen.image_problems);
}

#[test]
#[ignore = "a database of 1 GB"]
fn status_above_its_limit_large() {
    let seen = bounded("status-above-limit", 1 << 30, 16);
    assert_eq!((seen.packages, seen.problems.as_str()), (0, "limit"));
}

/// The same database below its limit is read in one pass: its bytes, and packages up to their own limit.
#[test]
fn status_within_its_limit() {
    let seen = bounded("status", 16 << 20, 64);
    assert_eq!((seen.packages, seen.problems.as_str()), (16 << 20 >> 9, ""));
}

#[test]
#[ignore = "a database of 1 GB"]
fn status_within_its_limit_large() {
    let seen = bounded("status", 1 << 30, 1_700);
    assert_eq!((seen.packages, seen.problems.as_str()), (500_000, "limit"));
}

/// As many packages as a text can name.
#[test]
fn tiny_stanzas() {
    let seen = bounded("tiny-stanzas", 21 << 20, 300);
    assert_eq!((seen.packages, seen.problems.as_str()), (500_000, "limit"));
}

#[test]
#[ignore = "a database of 176 MB"]
fn tiny_stanzas_large() {
    let seen = bounded("tiny-stanzas", 168 << 20, 450);
    assert_eq!((seen.packages, seen.problems.as_str()), (500_000, "limit"));
}

/// A field of a million lines is one field.
#[test]
fn folded_lines() {
    let seen = bounded("folded-lines", 1_000_000, 64);
    assert_eq!((seen.packages, seen.problems.as_str()), (2, ""));
}

/// A layer of zeros that compresses beyond all measure.
#[test]
fn zstd_bomb() {
    let seen = bounded("zstd-bomb", 1 << 30, 32);
    assert!(seen.error.contains("for each compressed one"), "{}", seen.error);
    assert!(seen.read < 1 << 20, "{} compressed bytes", seen.read);
}

/// A map of sparse pieces without end, in each of its forms.
#[test]
fn sparse_maps() {
    let old = bounded("sparse-blocks", 1_000_000_000, 16);
    assert!(old.error.contains("too many pieces"), "{}", old.error);
    assert!(old.read < 4 << 20, "{} bytes", old.read);
    let new = bounded("sparse-count", 1_000_000_000, 16);
    assert_eq!((new.packages, new.problems.as_str()), (1, "malformed"));
}

/// Holes cost nothing in an archive. All together they may have no more than 1 GiB.
#[test]
fn sparse_holes() {
    let seen = bounded("sparse-holes", 2_000, 64);
    assert_eq!(seen.packages, 1);
    assert!(seen.problems.contains("limit"), "{}", seen.problems);
}

/// An extended header that says it has 1 GB is refused before its body is read.
#[test]
fn extended_headers() {
    let seen = bounded("pax-header", 1 << 30, 16);
    assert!(seen.error.contains("extended header"), "{}", seen.error);
    assert!(seen.read < 1 << 20, "{} bytes", seen.read);
    let chain = bounded("long-names", 64, 16);
    assert_eq!((chain.packages, chain.error.as_str()), (1, ""));
}

/// Links that lead to links that lead to links.
#[test]
fn symbolic_links() {
    let seen = bounded("link-chain", 10_000, 48);
    assert!(seen.image_problems.contains("unread-link"), "{}", seen.image_problems);
    let circle = bounded("link-circle", 10_000, 48);
    assert!(circle.image_problems.contains("unread-link"), "{}", circle.image_problems);
    // Every one of them would be looked at in 40 hops: together they are too many.
    let ways = bounded("link-ways", 100_000, 200);
    assert!(ways.image_problems.contains("limit"), "{}", ways.image_problems);
}

/// Each hard link to a database would be another copy of it.
#[test]
fn hard_links() {
    let seen = bounded("hard-links", 20_000, 600);
    assert!(seen.packages <= 500_000, "{}", seen.packages);
    assert!(seen.problems.contains("limit"), "{}", seen.problems);
    let lower = bounded("hard-links-below", 20_000, 900);
    assert!(lower.packages <= 1_002_000, "{}", lower.packages);
    assert!(lower.image_problems.contains("limit"), "{}", lower.image_problems);
}

#[test]
fn deletions() {
    let seen = bounded("whiteouts", 100_000, 200);
    assert_eq!((seen.packages, seen.problems.as_str()), (1, ""));
}

#[test]
#[ignore = "a million deletions"]
fn deletions_large() {
    let seen = bounded("whiteouts", 999_999, 800);
    assert_eq!((seen.packages, seen.problems.as_str()), (1, ""));
}

/// A release file in each of very many root file systems, with fields that nobody reads.
#[test]
fn release_files() {
    let seen = bounded("release-files", 1_100, 64);
    assert!(seen.problems.contains("limit"), "{}", seen.problems);
}

/// Archives whose entries overlap, lie about their number, or hold each other.
#[test]
fn zip_bombs() {
    let seen = bounded("zip-overlap", 10_000, 64);
    assert!(seen.problems.contains("limit"), "{}", seen.problems);
    let seen = bounded("zip-many", 40, 64);
    assert_eq!(seen.problems, "limit");
    let seen = bounded("zip-count", 1, 16);
    assert_eq!(seen.problems, "malformed");
}

/// Texts that are hard for careless readers, for every row of the table.
#[test]
fn awkward_texts() {
    let seen = bounded("awkward-texts", 16 << 10, 64);
    assert_eq!(seen.error, "");
    assert!(seen.entries > 500, "{} texts", seen.entries);
}

#[test]
#[ignore = "texts of 4 MiB"]
fn awkward_texts_large() {
    assert_eq!(bounded("awkward-texts", 4 << 20, 900).error, "");
}
