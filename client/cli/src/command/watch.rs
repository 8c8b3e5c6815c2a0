//! `strata watch`: follow a scan of a server, from any event on.

use std::process::ExitCode;

use crate::{args::WatchArgs, backend::Backend, exit::Failure, follow, security, settings::Settings, shared};

pub(super) async fn run(args: WatchArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    crate::vex::no_attached(&args.output.vex)?;
    let mut output = follow::Output::new(&args.output, true)?;
    let client = security::connect(&args.server.server, &args.server.connection, settings).await?;
    shared::accept(Some(&client), &mut output.gate).await;
    let backend = Backend::Remote(client);
    // Leaving does not stop somebody else's scan.
    let interrupt = follow::Interrupt::of_watched(&args.scan, &args.server.server);
    follow::follow(&backend, &args.scan, args.after, &output, interrupt, settings).await
}
