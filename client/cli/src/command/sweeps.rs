//! `strata sweeps`: the scans of a server, newest first.

use std::process::ExitCode;

use strata_proto::v1::{LedgerLine, Scan, ScanState};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{args::SweepsArgs, exit::Failure, format, security, settings::Settings};

pub(super) async fn run(args: SweepsArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let mut client = security::connect(&args.server.server, &args.server.connection, settings).await?;
    let scans = client.list_scans(args.limit, "").await?;
    let titles = ["Scan", "State", "Created", "Of", "With report", "Unchanged", "Failed", "Findings"];
    let rows: Vec<Vec<String>> = scans.iter().map(row).collect();
    super::say(&settings.screen.rows(&titles, &rows))?;
    Ok(ExitCode::SUCCESS)
}

fn row(scan: &Scan) -> Vec<String> {
    let summary = scan.summary.clone().unwrap_or_default();
    let ledger = summary.ledger.clone().unwrap_or_default();
    let sum = |lines: &[LedgerLine]| lines.iter().map(|line| line.count).sum::<u64>();
    vec![
        scan.id.clone(),
        state(scan.state()).to_owned(),
        when(scan.created_unix_ms),
        target(scan),
        format!("{} of {}", ledger.reported + ledger.unchanged, ledger.enumerated),
        ledger.unchanged.to_string(),
        (sum(&ledger.failed) + sum(&ledger.listing_failed)).to_string(),
        format::counts(&summary.findings.unwrap_or_default()),
    ]
}

fn target(scan: &Scan) -> String {
    let request = scan.request.clone().unwrap_or_default();
    match (request.registry, request.images.as_slice()) {
        (Some(registry), _) if registry.prefix.is_empty() => registry.host,
        (Some(registry), _) => format!("{}/{}", registry.host, registry.prefix),
        (None, [one]) => one.clone(),
        (None, many) => format!("{} images", many.len()),
    }
}

/// A moment for people and programs: RFC 3339, UTC.
pub(crate) fn when(unix_ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix_ms / 1000)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_default()
}

pub(super) const fn state(state: ScanState) -> &'static str {
    match state {
        ScanState::Running => "running",
        ScanState::Completed => "completed",
        ScanState::CompletedWithFailures => "completed with failures",
        ScanState::Cancelled => "cancelled",
        ScanState::Unspecified => "unknown",
    }
}
