//! `strata cancel`.

use std::{io::Write as _, process::ExitCode};

use strata_client::Client;

use crate::{args::CancelArgs, exit::Failure};

pub(super) async fn run(args: CancelArgs) -> Result<ExitCode, Failure> {
    let mut client = Client::connect(&args.server.server).await?;
    let scan = client.cancel(&args.scan).await?;
    let ledger = scan.summary.clone().unwrap_or_default().ledger.unwrap_or_default();
    let state = super::sweeps::state(scan.state());
    let _ =
        writeln!(std::io::stdout(), "{} is {state}: {} references had a report", scan.id, ledger.reported);
    Ok(ExitCode::SUCCESS)
}
