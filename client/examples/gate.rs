//! A gate for a pipeline: scans one image and fails on findings that are rated high or worse.
//!
//!     gate SERVER IMAGE
//!
//! `STRATA_TOKEN` holds the token, where the server wants one. Exit codes: 0 passed, 1 failed, 3 no report.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]

use std::{env, error::Error, process::ExitCode, time::Duration};

use strata_client::{
    Client, ImageScan,
    v1::{Report, Severity, event::Kind},
};
use tokio_stream::StreamExt as _;

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(server), Some(image)) = (arguments.next(), arguments.next()) else {
        return Err("usage: gate SERVER IMAGE".into());
    };
    let mut builder = Client::builder(&server).deadline(Duration::from_secs(20));
    if let Ok(token) = env::var("STRATA_TOKEN") {
        builder = builder.token(token);
    }
    let mut client = builder.connect().await?;

    let scan = client.submit(ImageScan::new([image])).await?;
    let mut events = client.watch(&scan, 0, true);
    let mut report = None;
    while let Some(event) = events.next().await {
        match event?.kind {
            Some(Kind::Reported(image)) => report = image.report,
            Some(Kind::Failed(failed)) => eprintln!("no report: {}", failed.message),
            _ => {}
        }
    }
    // Nothing was found because nothing was looked at: that is no pass.
    let Some(report) = report else { return Ok(ExitCode::from(3)) };
    for problem in &report.problems {
        println!("PROBLEM {}: {}", problem.code, problem.message);
    }
    let bad = count(&report, Severity::High);
    println!("{bad} findings are high or critical");
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Prints and counts the findings from a rating up that nothing suppresses.
fn count(report: &Report, least: Severity) -> usize {
    let package = |index: u32| report.packages.get(usize::try_from(index).ok()?);
    let bad = report.findings.iter().filter(|finding| finding.suppressed.is_empty());
    let bad = bad.filter(|finding| finding.severity >= i32::from(least));
    bad.inspect(|finding| {
        let name = package(finding.package).map_or("?", |package| package.name.as_str());
        println!("{} {name} {}", finding.id, finding.severity().as_str_name());
    })
    .count()
}
