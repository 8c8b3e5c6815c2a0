//! A nightly sweep: scans a registry, prints a line for each image, and ends with the account of every reference.
//!
//!     nightly_sweep SERVER REGISTRY [NAME]
//!
//! NAME names this night (`2026-11-22`): a job that is started twice follows the sweep that runs already. `STRATA_TOKEN` holds
//! the token, where the server wants one. Exit codes: 0 every reference has its report, 3 some have none.

#![expect(clippy::print_stdout, reason = "a program's output")]

use std::{env, error::Error, process::ExitCode};

use strata_client::{
    Client, RegistrySweep,
    v1::{LedgerLine, ScanFinished, ScanState, event::Kind},
};
use tokio_stream::StreamExt as _;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(server), Some(registry)) = (arguments.next(), arguments.next()) else {
        return Err("usage: nightly_sweep SERVER REGISTRY [NAME]".into());
    };
    let mut builder = Client::builder(&server);
    if let Ok(token) = env::var("STRATA_TOKEN") {
        builder = builder.token(token);
    }
    let mut client = builder.connect().await?;

    let mut sweep = RegistrySweep::new(&registry);
    if let Some(night) = arguments.next() {
        sweep = sweep.idempotency_key(format!("nightly {registry} {night}"));
    }
    let scan = client.submit(sweep).await?;
    println!("scan {scan}");
    // A coordinator that is replaced in the night is no reason to stop: the stream resumes after the last event.
    let mut events = client.watch(&scan, 0, false);
    let mut end = None;
    while let Some(event) = events.next().await {
        match event?.kind {
            Some(Kind::Reported(image)) => {
                let findings = image.findings.unwrap_or_default();
                println!(
                    "{} critical {} high {}",
                    image.references.join(","),
                    findings.critical,
                    findings.high
                );
            }
            Some(Kind::Failed(failed)) => {
                println!("FAILED {}: {}", failed.references.join(","), failed.message)
            }
            Some(Kind::ListingFailed(failed)) => println!("FAILED {}: {}", failed.target, failed.message),
            Some(Kind::Finished(finished)) => end = Some(finished),
            _ => {}
        }
    }
    let Some(end) = end else { return Ok(ExitCode::from(3)) };
    println!("{}", account(&end));
    Ok(if end.state() == ScanState::Completed { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// Enumerated is the sum of all that is said after it.
fn account(end: &ScanFinished) -> String {
    let summary = end.summary.clone().unwrap_or_default();
    let ledger = summary.ledger.unwrap_or_default();
    let sum = |lines: &[LedgerLine]| lines.iter().map(|line| line.count).sum::<u64>();
    let [skipped, unsupported, failed] =
        [&ledger.skipped, &ledger.unsupported, &ledger.failed].map(|lines| sum(lines));
    format!(
        "{} enumerated = {} reported + {} unchanged + {skipped} skipped + {unsupported} unsupported + {failed} failed",
        ledger.enumerated, ledger.reported, ledger.unchanged
    )
}
