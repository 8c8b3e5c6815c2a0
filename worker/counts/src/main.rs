//! Counts the instructions of pieces of the core under callgrind and holds them against a baseline: unlike time, a count does
//! not depend on what else the machine does, so that a slower parser fails on the change that made it slower.
//!
//! `strata-counts check` fails where a count is more than a tenth above its baseline; `strata-counts bless` writes the baseline.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports to people")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "its inputs are its own")]

mod cases;

use std::{
    collections::BTreeMap,
    env, fs, hint,
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
};

use cases::Case;

/// Per cent above the baseline that fail.
const MARGIN: u64 = 10;

/// What the C library must not make use of: its copies and comparisons then are the same on every processor.
const FEATURES: [&str; 16] = [
    "AVX",
    "AVX2",
    "AVX512BW",
    "AVX512F",
    "AVX512VL",
    "AVX_Fast_Unaligned_Load",
    "BMI2",
    "ERMS",
    "FSRM",
    "Fast_Copy_Backward",
    "Fast_Unaligned_Copy",
    "LZCNT",
    "MOVBE",
    "SSE4_1",
    "SSE4_2",
    "SSSE3",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", name] => {
            let cases = cases::all(&home().join("../analysis/testdata"));
            let case = cases.iter().find(|case| case.name == *name).expect("a case of that name");
            assert!(counted(case) > 0, "{name} finds something");
            ExitCode::SUCCESS
        }
        ["check"] if cfg!(not(target_arch = "x86_64")) => {
            println!("SKIPPED: the baseline is of x86-64");
            ExitCode::SUCCESS
        }
        ["check"] => judge(&counts()),
        ["bless"] => {
            let lines = counts().into_iter().map(|(name, (count, _))| format!("{name} {count}\n"));
            fs::write(baseline(), lines.collect::<String>()).unwrap();
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: strata-counts check | bless | run CASE");
            ExitCode::from(2)
        }
    }
}

/// The only function whose instructions count, with all that it calls.
#[inline(never)]
fn counted(case: &Case) -> usize {
    hint::black_box((case.work)())
}

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn baseline() -> PathBuf {
    home().join("baseline.txt")
}

/// Instructions of every case, and how many elements it has. Each runs in a process of its own, two at a time.
fn counts() -> BTreeMap<String, (u64, u64)> {
    let mut counts = BTreeMap::new();
    for pair in cases::all(&home().join("../analysis/testdata")).chunks(2) {
        thread::scope(|scope| {
            let running: Vec<_> = pair
                .iter()
                .map(|case| (case.name, case.elements, scope.spawn(|| count(case.name))))
                .collect();
            for (name, elements, running) in running {
                counts.insert(name.to_owned(), (running.join().unwrap(), elements));
            }
        });
    }
    counts
}

fn count(name: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted*"])
        .arg(env::current_exe().unwrap())
        .args(["run", name])
        // Chosen by the processor otherwise: the C library's copies, and how many threads there are.
        .env(
            "GLIBC_TUNABLES",
            format!("glibc.cpu.hwcaps={}", FEATURES.map(|name| format!("-{name}")).join(",")),
        )
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .expect("valgrind is installed (Debian's package valgrind)");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name} failed: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.unwrap_or_else(|| panic!("valgrind told no count of {name}: {said}"))
}

fn judge(counts: &BTreeMap<String, (u64, u64)>) -> ExitCode {
    let text = fs::read_to_string(baseline()).unwrap_or_default();
    let known: BTreeMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, count)| Some((name, count.parse().ok()?)))
        .collect();
    let mut worse = known.keys().filter(|name| !counts.contains_key(**name)).count();
    println!("{:12} {:>12} {:>12} {:>10}  change", "case", "baseline", "now", "for each");
    for (name, (now, elements)) in counts {
        let before = known.get(name.as_str()).copied().unwrap_or(0);
        let thousandths = i128::from(*now) * 1_000 / i128::from(before.max(1)) - 1_000;
        let bad = now * 100 > before * (100 + MARGIN);
        worse += usize::from(bad);
        let mark = if bad { "  TOO MANY" } else { "" };
        println!(
            "{name:12} {before:12} {now:12} {:10}  {:+.1} %{mark}",
            now / elements,
            thousandths as f64 / 10.0
        );
    }
    if worse == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "error: {worse} counts are more than {MARGIN} % above {}, or missing.\n\
         Where that is the price of something, write the new ones: cargo run --locked --profile counts -p strata-counts -- bless",
        baseline().display()
    );
    ExitCode::FAILURE
}
