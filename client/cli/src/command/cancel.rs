//! `strata cancel`.

use std::{io::Write as _, process::ExitCode};

use crate::{args::CancelArgs, exit::Failure, security, settings::Settings};

pub(super) async fn run(args: CancelArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let mut client = security::connect(&args.server.server, &args.server.connection, settings).await?;
    let scan = client.cancel(&args.scan).await?;
    let ledger = scan.summary.clone().unwrap_or_default().ledger.unwrap_or_default();
    let state = super::sweeps::state(scan.state());
    let _ = writeln!(
        std::io::stdout(),
        "{} is {state}: {} references had a report",
        scan.id,
        ledger.reported + ledger.unchanged
    );
    Ok(ExitCode::SUCCESS)
}
