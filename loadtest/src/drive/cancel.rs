//! `cancel`: sweeps that are cancelled in their middle, and how long workers and registry noticed them still.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use anyhow::Context as _;
use clap::Args as Arguments;
use strata_loadtest::chaos::{self, Options};
use tempfile::TempDir;

use super::chaos::{ProgramArgs, database};

/// A cancelled sweep is over on every worker after it.
const PROMISE: Duration = Duration::from_secs(2);

/// Arguments of `cancel`.
#[derive(Debug, Arguments)]
pub(crate) struct CancelArgs {
    /// How many sweeps, one after the other
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    times: u64,
    /// About this many images a sweep
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    images: u32,
    #[command(flatten)]
    program: ProgramArgs,
}

/// Cancels. True when every sweep was over within two seconds.
pub(crate) async fn cancel(args: CancelArgs) -> anyhow::Result<bool> {
    let home = TempDir::new().context("make a directory")?;
    let strata = args.program.strata();
    let database = database(&strata, home.path())?;
    let options = Options {
        strata,
        database,
        images: args.images,
        short: false,
        patience: Duration::from_secs(600),
        seed: 7,
    };
    let all = chaos::cancel::cancel(&options, args.times).await?;
    let mut out = io::stdout().lock();
    for one in &all {
        writeln!(out, "{one}").context("print")?;
    }
    let longest = all.iter().map(chaos::cancel::Cancelled::over).max().unwrap_or_default();
    writeln!(out, "over after {} ms at most", longest.as_millis()).context("print")?;
    Ok(longest <= PROMISE)
}
