//! `strata report`: look into the archive of a server, or of this machine.

mod found;
mod hold;
mod presence;
mod reassess;

pub(super) use self::found::document as listed;

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use strata_client::Client;
use strata_coordinator::{access::sight::Sight, archive::sqlite::SqliteArchive, ports::Archive as _};
use strata_proto::v1::{ImageReported, Report, ReportSummary, SearchReportsRequest};

use crate::{
    age::Moment,
    args::{ArchiveArgs, OutputArgs, ReportCommand, SearchArgs},
    document, embedded,
    exit::{self, Failure},
    follow,
    gate::{self, Seen},
    results::Results,
    security,
    settings::Settings,
    shared, submit,
};

/// A report of an image with tens of thousands of packages.
const LARGEST_DOCUMENT: u64 = 256 << 20;

pub(super) async fn run(command: ReportCommand, settings: &Settings) -> Result<ExitCode, Failure> {
    match command {
        ReportCommand::Export(args) => return super::archive::export(*args, settings).await,
        ReportCommand::Hold { report, reason, archive } => {
            return hold::hold(&report, &reason, &archive, settings).await;
        }
        ReportCommand::Release { report, archive } => {
            return hold::release(&report, &archive, settings).await;
        }
        ReportCommand::Show { report, reassess, check, insecure, db, archive, output, .. } => {
            if check {
                told(&report, insecure, &archive, settings).await?;
            }
            return match reassess {
                true => reassess::run(&report, db.as_ref(), &archive, &output, settings).await,
                false => shown(&report, &archive, &output, settings).await,
            };
        }
        ReportCommand::Search { search, format, check, insecure, archive, .. } => {
            let found = self::search(query(&search)?, &archive, settings).await?;
            let present =
                if check { presence::of(&found, insecure, settings).await? } else { BTreeMap::new() };
            match format.as_str() {
                "json" => found::json(&found, &present)?,
                _ => found::table(&found, &present, settings.screen)?,
            }
        }
        ReportCommand::Submit { report, push_ref, archive } => {
            submit(&report, push_ref, &archive, settings).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One report, as a scan would show it.
async fn shown(
    id: &str,
    archive: &ArchiveArgs,
    args: &OutputArgs,
    settings: &Settings,
) -> Result<ExitCode, Failure> {
    crate::vex::no_attached(&args.vex)?;
    let mut output = follow::Output::new(args, false)?;
    let found = show(id, archive, settings).await?;
    accepted(archive, &mut output, settings).await?;
    let mut shown = ImageReported {
        references: names(id, archive, settings).await?,
        database_modified: found.database_modified.clone(),
        report: Some(found),
        ..ImageReported::default()
    };
    let mut seen = Seen::default();
    output.judge(&mut shown, &mut seen);
    let mut results = Results::of_report(id, shown.report.unwrap_or_default(), output.order);
    (results.seen, results.now) = (seen, output.gate.now);
    results.screen = settings.screen;
    output.write(&mut results)?;
    output.gate.explain(&results.seen);
    Ok(ExitCode::from(output.gate.code(results.worst(), results.problems, &results.seen, None)))
}

/// Says on stderr whether a report's image is still where it was.
async fn told(id: &str, insecure: bool, archive: &ArchiveArgs, settings: &Settings) -> Result<(), Failure> {
    let query = SearchReportsRequest { report_id: id.to_owned(), limit: 1, ..Default::default() };
    let found = search(query, archive, settings).await?;
    for presence in presence::of(&found, insecure, settings).await?.values() {
        exit::note(&format!("the image of report {id}: {}", presence.told()));
    }
    Ok(())
}

/// The risks that the server keeps count as those of a policy file do.
async fn accepted(
    archive: &ArchiveArgs,
    output: &mut follow::Output,
    settings: &Settings,
) -> Result<(), Failure> {
    if let Some(url) = &archive.server {
        let client = security::connect(url, &archive.connection, settings).await?;
        shared::accept(Some(&client), &mut output.gate).await;
    }
    Ok(())
}

/// What is asked for, checked: the archive of this machine is asked without a coordinator that would.
pub(super) fn query(args: &SearchArgs) -> Result<SearchReportsRequest, Failure> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let moment = |text: &Option<String>| match text {
        None => Ok(0),
        Some(text) => Moment::parse(text)
            .map(Moment::unix_ms)
            .ok_or_else(|| Failure::usage(format!("`{text}` is not a date")).hint("for example 2026-11-22")),
    };
    Ok(SearchReportsRequest {
        image_digest: text(&args.digest),
        reference: text(&args.reference),
        vulnerability: text(&args.cve),
        package: text(&args.package),
        commit: args.commit.as_deref().map_or(Ok(String::new()), commit_prefix)?,
        limit: args.limit,
        image_id: text(&args.image_id),
        branch: text(&args.branch),
        tag: text(&args.tag),
        build_id: text(&args.build),
        repository: text(&args.repo),
        since_unix_ms: moment(&args.since)?,
        until_unix_ms: moment(&args.until)?,
        report_id: String::new(),
        before: 0,
    })
}

/// What the image of a report is called. Policies and accepted risks may be for some repositories only: not to know would judge
/// by others, so only who may not search sees none, and is told.
async fn names(id: &str, archive: &ArchiveArgs, settings: &Settings) -> Result<Vec<String>, Failure> {
    let query = SearchReportsRequest { report_id: id.to_owned(), limit: 1, ..Default::default() };
    let found = match Source::open(archive, settings).await? {
        Source::Machine(_) => search(query, archive, settings).await?,
        Source::Server(mut server) => match server.search_reports(query).await {
            Err(error @ strata_client::Error::Denied { .. }) => {
                let so = "what a policy or an accepted risk says of some repositories only does not count";
                exit::warn(&format!("the names of the report's image are not known, so {so}: {error}"));
                Vec::new()
            }
            found => found?,
        },
    };
    Ok(found.into_iter().flat_map(|one| one.references).collect())
}

/// Submits what a file holds, or a report of this machine's archive.
async fn submit(
    named: &str,
    push_refs: Vec<String>,
    archive: &ArchiveArgs,
    settings: &Settings,
) -> Result<(), Failure> {
    let url = archive.server.as_deref().ok_or_else(|| {
        Failure::usage("there is no server to submit to").hint("--server or STRATA_SERVER names it")
    })?;
    let client = security::connect_lazily(url, &archive.connection, settings)?;
    let mut terms = submit::Terms { push_refs, source: settings.source.clone(), verdict: None };
    let items = if Path::new(named).is_file() {
        documents(Path::new(named))?
    } else {
        let here = ArchiveArgs { server: None, ..archive.clone() };
        let report = show(named, &here, settings).await?;
        let of = SearchReportsRequest { report_id: named.to_owned(), limit: 1, ..Default::default() };
        let summary = self::search(of, &here, settings).await?.into_iter().next().unwrap_or_default();
        // What the scan was told counts where the environment of this command tells nothing.
        terms.source = terms.source.or_else(|| summary.origins.into_iter().find_map(|origin| origin.source));
        vec![submit::Item { report, names: summary.references }]
    };
    submit::submit(client, items, &terms).await
}

fn documents(file: &Path) -> Result<Vec<submit::Item>, Failure> {
    let failed =
        |reason: String| Failure::usage(format!("failed to read the report {}: {reason}", file.display()));
    let text = gate::read_text(file, LARGEST_DOCUMENT).map_err(failed)?;
    let (images, hidden) = document::read_all(&text).map_err(|error| failed(error.to_string()))?;
    if hidden > 0 {
        return Err(failed(format!("{hidden} findings were left out of it"))
            .hint("write it without --severity and --ignore-unfixed, or submit the report by its id"));
    }
    if images.is_empty() {
        return Err(failed("it holds no image".to_owned()));
    }
    Ok(images
        .into_iter()
        .map(|image| submit::Item { report: image.report, names: image.references })
        .collect())
}

/// The archive of this machine is asked without a coordinator that would check.
pub(super) fn commit_prefix(text: &str) -> Result<String, Failure> {
    let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !hexadecimal || !(7..=64).contains(&text.len()) {
        return Err(Failure::usage(format!("`{text}` is neither a commit nor at least seven digits of one")));
    }
    Ok(text.to_ascii_lowercase())
}

/// Where reports come from.
pub(super) enum Source {
    Server(Client),
    Machine(SqliteArchive),
}

impl Source {
    pub(super) async fn open(archive: &ArchiveArgs, settings: &Settings) -> Result<Self, Failure> {
        Ok(match &archive.server {
            Some(url) => Self::Server(security::connect(url, &archive.connection, settings).await?),
            None => {
                let directory = settings.cache_dir(archive.cache_dir.as_ref());
                Self::Machine(embedded::open_archive(&directory).await?)
            }
        })
    }
}

pub(super) async fn show(id: &str, archive: &ArchiveArgs, settings: &Settings) -> Result<Report, Failure> {
    let local = match Source::open(archive, settings).await? {
        Source::Server(mut server) => return Ok(server.get_report(id).await?),
        Source::Machine(local) => local,
    };
    let found = local.report(id).await.map_err(|error| Failure::incomplete(error.to_string()))?;
    found.ok_or_else(|| {
        Failure::usage(format!("there is no report {id} in this machine's archive"))
            .hint("`strata report search` lists those that there are")
    })
}

/// As many as the query's limit says, one page after the other.
pub(super) async fn search(
    mut query: SearchReportsRequest,
    archive: &ArchiveArgs,
    settings: &Settings,
) -> Result<Vec<ReportSummary>, Failure> {
    /// What one answer holds at most.
    const PAGE: usize = 1_000;
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX).max(1);
    let mut source = Source::open(archive, settings).await?;
    let mut found: Vec<ReportSummary> = Vec::new();
    loop {
        let asked = wanted.saturating_sub(found.len()).min(PAGE);
        query.limit = u32::try_from(asked).unwrap_or(u32::MAX);
        let page = match &mut source {
            Source::Server(server) => server.search_reports(query.clone()).await?,
            Source::Machine(local) => {
                let page = local.search(&query, &Sight::default()).await;
                page.map_err(|error| Failure::incomplete(error.to_string()))?
            }
        };
        let (full, last) = (page.len() >= asked, page.last().map_or(0, |last| last.number));
        found.extend(page);
        // A server of an earlier version does not number them, and has no further pages.
        if !full || found.len() >= wanted || last == 0 {
            return Ok(found);
        }
        query.before = last;
    }
}
