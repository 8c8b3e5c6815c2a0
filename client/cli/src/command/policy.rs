//! `strata policy`: tests of policies.

use std::{io::Write as _, path::Path, process::ExitCode};

use crate::{
    args::PolicyCommand,
    document,
    exit::{self, Failure},
    gate,
};

/// A report of an image with tens of thousands of packages.
const LARGEST_FIXTURE: u64 = 256 << 20;

pub(super) fn run(command: PolicyCommand) -> Result<ExitCode, Failure> {
    let PolicyCommand::Test { files } = command;
    let (mut passed, mut failed) = (0_u64, 0_u64);
    let mut out = std::io::stdout().lock();
    for path in &files {
        let file = gate::read_policies(path)?;
        if file.trials.is_empty() {
            return Err(Failure::usage(format!("there are no tests in {}", path.display()))
                .hint("tests are written under `tests:`, beside `policies:`"));
        }
        for trial in &file.trials {
            let (report, references) = fixture(path, &trial.report)?;
            let wrong = trial.run(&file, report, references);
            let word = if wrong.is_empty() { "ok" } else { "FAILED" };
            let _ = writeln!(out, "{word} {}: {}", path.display(), trial.name);
            for line in &wrong {
                let _ = writeln!(out, "  {line}");
            }
            if wrong.is_empty() { passed += 1 } else { failed += 1 }
        }
    }
    let _ = writeln!(out, "{passed} passed, {failed} failed");
    Ok(ExitCode::from(if failed == 0 { exit::PASSED } else { exit::POLICY }))
}

fn fixture(policy: &Path, name: &str) -> Result<(strata_proto::v1::Report, Vec<String>), Failure> {
    let path = gate::beside(policy, name);
    let failed =
        |reason: String| Failure::usage(format!("failed to read the report {}: {reason}", path.display()));
    let text = gate::read_text(&path, LARGEST_FIXTURE).map_err(failed)?;
    document::read(&text).map_err(|error| failed(error.to_string()))
}
