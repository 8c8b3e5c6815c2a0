//! `strata report`: look into the archive of a server, or of this machine.

use std::{io::Write as _, process::ExitCode};

use comfy_table::{Table, presets};
use strata_coordinator::{access::sight::Sight, ports::Archive as _};
use strata_proto::v1::{ImageReported, Report, ReportSummary, SearchReportsRequest};

use crate::{
    args::{ArchiveArgs, ReportCommand},
    command::sweeps::when,
    embedded,
    exit::Failure,
    follow, format,
    gate::Seen,
    results::Results,
    security,
    settings::Settings,
};

pub(super) async fn run(command: ReportCommand, settings: &Settings) -> Result<ExitCode, Failure> {
    match command {
        ReportCommand::Show { report, archive, output } => {
            crate::vex::no_attached(&output.vex)?;
            let output = follow::Output::new(&output, false)?;
            let found = show(&report, &archive, settings).await?;
            let mut shown = ImageReported {
                database_modified: found.database_modified.clone(),
                report: Some(found),
                ..ImageReported::default()
            };
            let mut seen = Seen::default();
            output.judge(&mut shown, &mut seen);
            let mut results = Results::of_report(&report, shown.report.unwrap_or_default(), output.order);
            (results.seen, results.now) = (seen, output.gate.now);
            output.write(&results)?;
            output.gate.explain(&results.seen);
            return Ok(ExitCode::from(output.gate.code(
                results.worst(),
                results.problems,
                &results.seen,
                None,
            )));
        }
        ReportCommand::Search { cve, package, digest, reference, commit, limit, archive } => {
            let query = SearchReportsRequest {
                image_digest: digest.unwrap_or_default(),
                reference: reference.unwrap_or_default(),
                vulnerability: cve.unwrap_or_default(),
                package: package.unwrap_or_default(),
                commit: commit.map_or(Ok(String::new()), |text| commit_prefix(&text))?,
                limit,
            };
            print(&search(query, &archive, settings).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The archive of this machine is asked without a coordinator that would check.
pub(super) fn commit_prefix(text: &str) -> Result<String, Failure> {
    let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hexadecimal || !(7..=64).contains(&text.len()) {
        return Err(Failure::usage(format!("`{text}` is neither a commit nor at least seven digits of one")));
    }
    Ok(text.to_ascii_lowercase())
}

pub(super) async fn show(id: &str, archive: &ArchiveArgs, settings: &Settings) -> Result<Report, Failure> {
    if let Some(url) = &archive.server {
        return Ok(security::connect(url, &archive.connection, settings).await?.get_report(id).await?);
    }
    let local = embedded::open_archive(&settings.cache_dir(archive.cache_dir.as_ref())).await?;
    let found = local.report(id).await.map_err(|error| Failure::incomplete(error.to_string()))?;
    found.ok_or_else(|| {
        Failure::usage(format!("there is no report {id} in this machine's archive"))
            .hint("`strata report search` lists those that there are")
    })
}

pub(super) async fn search(
    query: SearchReportsRequest,
    archive: &ArchiveArgs,
    settings: &Settings,
) -> Result<Vec<ReportSummary>, Failure> {
    if let Some(url) = &archive.server {
        return Ok(security::connect(url, &archive.connection, settings)
            .await?
            .search_reports(query)
            .await?);
    }
    let local = embedded::open_archive(&settings.cache_dir(archive.cache_dir.as_ref())).await?;
    local.search(&query, &Sight::default()).await.map_err(|error| Failure::incomplete(error.to_string()))
}

fn print(reports: &[ReportSummary]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "Report",
        "References",
        "Created",
        "Findings",
        "Problems",
    ]);
    for report in reports {
        table.add_row([
            report.report_id.clone(),
            report.references.join("\n"),
            when(report.created_unix_ms),
            format::counts(&report.findings.unwrap_or_default()),
            report.problems.to_string(),
        ]);
    }
    let _ = writeln!(std::io::stdout(), "{table}\n{} reports", reports.len());
}
