//! `strata-loadtest`: serves the synthetic registry, sweeps it through the SDK, and says how fast that was.

mod drive;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    drive::run(drive::Args::parse()).await
}
