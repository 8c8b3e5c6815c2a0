//! `strata-loadtest run memory` in its short form, on real processes.
#![cfg(target_os = "linux")]

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

#[test]
fn what_a_worker_takes_is_measured_and_held_against_a_threshold() {
    if std::env::var_os("STRATA_TEST_SKIP_SERVERS").is_some() {
        eprintln!("SKIPPED: a worker's memory: STRATA_TEST_SKIP_SERVERS is set");
        return;
    }
    let program = Path::new(env!("CARGO_BIN_EXE_strata-loadtest"));
    let strata = program.with_file_name("strata");
    if !strata.exists() {
        eprintln!("SKIPPED: a worker's memory: {} is not built", strata.display());
        return;
    }
    let home = TempDir::new().expect("a directory");
    let json = home.path().join("measured.json");
    let mut command = Command::new(program);
    command.args(["run", "memory", "--giant-mib", "8", "--giant-files", "4001", "--count", "12"]);
    command.args(["--timeout", "120", "--max", "worker.memory=1", "--strata"]).arg(&strata);
    let output = command.arg("--json").arg(&json).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    // No worker is so small: that is all that is wrong.
    assert_eq!(output.status.code(), Some(3), "{said}");
    let text = fs::read_to_string(&json).unwrap_or_else(|error| panic!("{error}: {said}"));
    let measured: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let wrong = measured["wrong"].as_array().expect("a list");
    assert!(wrong.len() == 1 && wrong[0].as_str().is_some_and(|one| one.contains("worker.memory")), "{text}");
    let figure =
        |name: &str| measured["figures"][name]["value"].as_f64().unwrap_or_else(|| panic!("{name}: {text}"));
    let cases =
        ["large-layer", "many-files", "many-jobs"].map(|case| figure(&format!("{case}.worker.memory")));
    assert!(cases.iter().all(|mib| *mib > 1.0), "{text}");
    assert_eq!(figure("worker.memory"), cases.into_iter().fold(0.0, f64::max));
    assert_eq!((figure("worker.memory.target"), figure("many-jobs.queued")), (192.0, 12.0));
    assert!(figure("many-jobs.layer-bytes") > 12.0 * figure("many-files.layer-bytes"));
}
