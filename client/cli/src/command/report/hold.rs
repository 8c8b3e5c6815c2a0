//! `strata report hold` and `strata report release`.

use std::{io::Write as _, process::ExitCode};

use strata_coordinator::{
    handle::check_reason,
    ports::{Holds as _, PortError},
};
use strata_proto::v1::ReportHold;

use super::Source;
use crate::{
    args::ArchiveArgs,
    command::{sweeps::when, token::now_ms},
    exit::Failure,
    settings::Settings,
    text::plain,
};

/// Who holds in an archive that has no callers.
const LOCAL: &str = "this machine";

pub(super) async fn hold(
    report: &str,
    reason: &str,
    archive: &ArchiveArgs,
    settings: &Settings,
) -> Result<ExitCode, Failure> {
    let reason = check_reason(reason).map_err(Failure::usage)?;
    let held = match Source::open(archive, settings).await? {
        Source::Server(mut server) => server.hold_report(report, &reason).await?,
        Source::Machine(local) => {
            let hold = ReportHold {
                report_id: report.to_owned(),
                held_by: LOCAL.to_owned(),
                held_unix_ms: now_ms(),
                reason,
                ..ReportHold::default()
            };
            let held = local.hold_report(&hold).await.map_err(unwritten)?;
            held.ok_or_else(|| {
                Failure::usage(format!("there is no report {report} in this machine's archive"))
            })?
        }
    };
    let (by, since) = (plain(&held.held_by), when(held.held_unix_ms));
    let _ = writeln!(std::io::stdout(), "held by {by} since {since}: {}", plain(&held.reason));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn release(
    report: &str,
    archive: &ArchiveArgs,
    settings: &Settings,
) -> Result<ExitCode, Failure> {
    let released = match Source::open(archive, settings).await? {
        Source::Server(mut server) => server.release_report(report).await?,
        Source::Machine(local) => {
            let released = local.release_report(report, LOCAL, now_ms()).await.map_err(unwritten)?;
            released.ok_or_else(|| {
                Failure::usage(format!("no report {report} is held in this machine's archive"))
            })?
        }
    };
    let (by, since) = (plain(&released.held_by), when(released.held_unix_ms));
    let _ = writeln!(std::io::stdout(), "released; it was held by {by} since {since}");
    Ok(ExitCode::SUCCESS)
}

fn unwritten(error: PortError) -> Failure {
    Failure::incomplete(error.to_string())
}
