//! `strata archive`: reports for audits.

mod bundle;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use strata_coordinator::ports::Check as _;

use crate::{
    args::{ArchiveArgs, AuditCommand, SearchArgs},
    command::{announce, report},
    embedded,
    exit::{self, Failure},
    format,
    results::Results,
    settings::Settings,
    text::plain,
};

/// The archive's file in a cache directory.
const STORE: &str = "archive.sqlite";

pub(super) async fn run(command: AuditCommand, settings: &Settings) -> Result<ExitCode, Failure> {
    match command {
        AuditCommand::Export { search, output, archive } => {
            export(&search, &output, &archive, settings).await?;
            Ok(ExitCode::SUCCESS)
        }
        AuditCommand::Verify { path } => verify(path, settings).await,
    }
}

async fn export(
    search: &SearchArgs,
    output: &Path,
    archive: &ArchiveArgs,
    settings: &Settings,
) -> Result<(), Failure> {
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
    let digest = bundle.finish()?;
    let _ = writeln!(std::io::stdout(), "{} reports, SHA256SUMS {digest}", found.len());
    Ok(())
}

async fn verify(path: Option<PathBuf>, settings: &Settings) -> Result<ExitCode, Failure> {
    let path = path.unwrap_or_else(|| settings.cache_dir(None));
    let (wrong, said) = if path.is_dir() && path.join(STORE).is_file() {
        store(&path).await?
    } else if path.is_dir() {
        bundle::verify_directory(&path)?
    } else {
        bundle::verify_file(&path)?
    };
    for line in &wrong {
        let _ = writeln!(std::io::stdout(), "WRONG {}", plain(line));
    }
    let _ = writeln!(std::io::stdout(), "{said}, {} wrong", wrong.len());
    Ok(ExitCode::from(if wrong.is_empty() { exit::PASSED } else { exit::POLICY }))
}

/// Looks at every report of a store.
async fn store(directory: &Path) -> Result<(Vec<String>, String), Failure> {
    let archive = embedded::open_archive(directory).await?;
    let (mut wrong, mut count, mut unknown, mut after) = (Vec::new(), 0_u64, 0_u64, 0);
    loop {
        let (checked, next) =
            archive.check(after).await.map_err(|error| Failure::incomplete(error.to_string()))?;
        for one in checked {
            count += 1;
            unknown += u64::from(!one.known);
            wrong.extend(one.wrong.map(|reason| format!("report {}: {reason}", one.report_id)));
        }
        let Some(next) = next else { break };
        after = next;
    }
    let old = match unknown {
        0 => String::new(),
        count => format!(" ({count} of them of an earlier version, which kept no digest)"),
    };
    Ok((wrong, format!("{count} reports{old}")))
}
