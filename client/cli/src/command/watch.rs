//! `strata watch`: follow a scan of a server, from any event on.

use std::process::ExitCode;

use strata_client::Client;

use crate::{args::WatchArgs, backend::Backend, exit::Failure, follow, settings::Settings};

pub(super) async fn run(args: WatchArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let output = follow::Output::new(&args.output, true)?;
    let backend = Backend::Remote(Client::connect(&args.server.server).await?);
    // Leaving does not stop somebody else's scan.
    follow::follow(&backend, &args.scan, args.after, &output, follow::Interrupt::Detach, settings).await
}
