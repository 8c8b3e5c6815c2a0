//! `strata archive`: reports for audits.

mod bundle;
mod sign;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use strata_client::Client;
use strata_coordinator::ports::Check as _;

use crate::{
    args::{ArchiveArgs, AuditCommand, ExportArgs},
    command::{announce, report},
    embedded,
    exit::{self, Failure},
    format,
    results::Results,
    security,
    settings::Settings,
    text::plain,
};

/// The archive's file in a cache directory.
const STORE: &str = "archive.sqlite";

pub(super) async fn run(command: AuditCommand, settings: &Settings) -> Result<ExitCode, Failure> {
    match command {
        AuditCommand::Export(args) => export(*args, settings).await,
        AuditCommand::Verify { path, key, archive } => verify(path, key.as_deref(), &archive, settings).await,
    }
}

pub(super) async fn export(args: ExportArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let ExportArgs { search, output, key, archive } = &args;
    let signer = key.as_deref().map(sign::Signer::read).transpose()?;
    let found = report::search(report::query(search)?, archive, settings).await?;
    if found.is_empty() {
        return Err(Failure::usage("there is no such report: nothing is exported"));
    }
    if u32::try_from(found.len()).is_ok_and(|count| count >= search.limit) {
        announce("warning: there may be more reports than --limit allows: only the newest are exported");
    }
    let mut bundle = bundle::Writer::create(output)?;
    for summary in &found {
        // Ids are hexadecimal; a server that says otherwise must not choose where a file goes.
        let id = &summary.report_id;
        if id.is_empty() || id.len() > 200 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Failure::incomplete(format!("the server names a report `{}`", plain(id))));
        }
        let body = report::show(id, archive, settings).await?;
        let results = Results::of_report(id, body, None);
        for (name, form) in [("report.json", "json"), ("sbom.cdx.json", "cyclonedx")] {
            let mut bytes = Vec::new();
            let written = (format::by_name(form)?.write)(&results, &mut bytes);
            written.map_err(|error| Failure::incomplete(format!("failed to write {name}: {error}")))?;
            bundle.add(&format!("{id}/{name}"), &bytes)?;
        }
        let listed = format!("{:#}\n", report::listed(std::slice::from_ref(summary)));
        bundle.add(&format!("{id}/summary.json"), listed.as_bytes())?;
    }
    let digest = bundle.finish(signer.as_ref())?;
    let signed = if signer.is_some() { ", signed" } else { "" };
    let reports = format::plural(u64::try_from(found.len()).unwrap_or(u64::MAX), "report");
    super::say(&format!("{reports}{signed}, SHA256SUMS {digest}"))?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(
    path: Option<PathBuf>,
    key: Option<&Path>,
    archive: &ArchiveArgs,
    settings: &Settings,
) -> Result<ExitCode, Failure> {
    let key = key.map(sign::Verifier::read).transpose()?;
    let directory = settings.cache_dir(archive.cache_dir.as_ref());
    let (wrong, said) = match (path, &archive.server) {
        (None, Some(url)) => server(security::connect(url, &archive.connection, settings).await?).await?,
        (None, None) => store(&directory).await?,
        (Some(path), _) if path.is_dir() && path.join(STORE).is_file() => {
            if key.is_some() {
                return Err(Failure::usage("an archive is not signed: --key is for exports"));
            }
            store(&path).await?
        }
        (Some(path), _) if path.is_dir() => bundle::verify_directory(&path, key.as_ref())?,
        (Some(path), _) => bundle::verify_file(&path, key.as_ref())?,
    };
    for line in &wrong {
        super::say(&format!("WRONG {}", plain(line)))?;
    }
    super::say(&format!("{said}, {} wrong", wrong.len()))?;
    Ok(ExitCode::from(if wrong.is_empty() { exit::PASSED } else { exit::POLICY }))
}

/// What was seen of reports.
#[derive(Default)]
struct Account {
    wrong: Vec<String>,
    count: u64,
    unknown: u64,
}

impl Account {
    fn note(&mut self, report_id: &str, known: bool, wrong: &str) {
        self.count += 1;
        self.unknown += u64::from(!known);
        if !wrong.is_empty() {
            self.wrong.push(format!("report {report_id}: {wrong}"));
        }
    }

    fn told(self) -> (Vec<String>, String) {
        let old = match self.unknown {
            0 => String::new(),
            count => format!(" ({count} of them of an earlier version, which kept no digest)"),
        };
        (self.wrong, format!("{}{old}", format::plural(self.count, "report")))
    }
}

/// Looks at every report of a store.
async fn store(directory: &Path) -> Result<(Vec<String>, String), Failure> {
    let archive = embedded::open_archive(directory).await?;
    let (mut account, mut after) = (Account::default(), 0);
    loop {
        let (checked, next) =
            archive.check(after).await.map_err(|error| Failure::incomplete(error.to_string()))?;
        for one in checked {
            account.note(&one.report_id, one.known, one.wrong.as_deref().unwrap_or_default());
        }
        let Some(next) = next else { return Ok(account.told()) };
        after = next;
    }
}

/// Has a server look at every report that it has.
async fn server(mut server: Client) -> Result<(Vec<String>, String), Failure> {
    let (mut account, mut after) = (Account::default(), 0);
    loop {
        let step = server.check_reports(after).await?;
        for one in step.reports {
            account.note(&one.report_id, one.known, &one.wrong);
        }
        if step.next <= after {
            return Ok(account.told());
        }
        after = step.next;
    }
}
