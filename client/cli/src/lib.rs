//! The command line: arguments and settings in, reports out. Each command is one file in `command/`, each output
//! format one file in `format/`.
//!
//! Data goes to stdout; logs and progress to stderr. Exit codes of every command: 0 passed, 1 the policy failed, 2 usage
//! or configuration, 3 the scan could not be completed, 4 a report could not be submitted though that was required.

pub mod advice;
pub mod age;
pub mod args;
pub mod backend;
mod bases;
mod chosen;
pub mod command;
pub mod config;
pub mod diff;
pub mod document;
pub mod embedded;
pub mod exit;
pub mod follow;
pub mod format;
pub mod gate;
pub mod observe;
pub mod order;
pub mod output;
pub mod policy;
pub mod progress;
pub mod results;
pub mod row;
pub mod screen;
pub mod security;
pub mod settings;
pub mod shared;
pub mod since;
pub mod submit;
pub mod telemetry;
pub mod text;
mod upstream;
pub mod uuid;
pub mod vex;
pub mod wiring;

use std::process::ExitCode;

use tracing::Instrument as _;

use crate::{args::Args, config::File, exit::Failure, settings::Settings};

/// Runs one command to its end, with what the configuration file says of settings that are no options.
#[must_use]
pub fn run(args: Args, file: &File) -> ExitCode {
    match start(args, file) {
        Ok(code) => code,
        Err(failure) => {
            exit::print(&failure);
            ExitCode::from(failure.code)
        }
    }
}

fn start(args: Args, file: &File) -> Result<ExitCode, Failure> {
    // These say something of this program, and must work where nothing else can.
    if let Some(code) = command::about_itself(&args)? {
        return Ok(code);
    }
    let settings = Settings::from_environment(&args, file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("failed to start the runtime: {error}")))?;
    let result = runtime.block_on(async {
        let telemetry = telemetry::start(&settings)?;
        let result = command::run(args.command, settings).instrument(tracing::info_span!("command")).await;
        telemetry.stop().await;
        result
    });
    // A task that still blocks (a download that nobody waits for) must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}
