//! `strata diff`: what changed from one image to another.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    process::{Command, ExitCode, Stdio},
};

use strata_proto::v1::{Report, ReportSummary, SearchReportsRequest};

use super::{gather::Gather, report};
use crate::{
    args::{ArchiveArgs, DiffArgs},
    diff::{self, Diff, Image},
    exit::{self, Failure},
    gate, output, row,
    settings::Settings,
};

/// Reports of a commit that are looked at.
const MOST: u32 = 1_000;

pub(super) async fn run(args: DiffArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    let limit = args.fail_on_new.as_deref().map(gate::severity).transpose()?;
    for (_, path) in &args.output {
        output::check_file(path)?;
    }
    let (before, after) = match (&args.base, &args.head) {
        (Some(base), Some(head)) => commits(base, head, &args, settings).await?,
        _ => images(&args, settings).await?,
    };
    let diff = Diff::new(&before, &after);
    for (form, path) in &args.output {
        output::write_file(path, &mut |out| diff::write(&diff, *form, out))?;
    }
    print(&mut |out| diff::write(&diff, args.format, out))?;
    let failed = limit.is_some_and(|limit| diff.introduces(limit))
        || (args.fail_on_problems && !diff.after.problems.is_empty());
    Ok(ExitCode::from(if failed { args.exit_code.unwrap_or(exit::POLICY) } else { exit::PASSED }))
}

/// Writes to stdout; a reader that has enough is no failure.
pub(super) fn print(write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    output::goes_on(write(&mut out).and_then(|()| out.flush())).map(drop)
}

fn archive(args: &DiffArgs) -> ArchiveArgs {
    ArchiveArgs {
        server: args.target.server.clone(),
        connection: args.target.connection.clone(),
        cache_dir: args.target.cache_dir.clone(),
    }
}

async fn images(args: &DiffArgs, settings: &Settings) -> Result<(Image, Image), Failure> {
    let mut gather = Gather::new(&args.target, archive(args), settings);
    let images = gather.images(&args.images).await;
    gather.close().await;
    let mut images = images?.into_iter();
    match (images.next(), images.next()) {
        (Some(before), Some(after)) => Ok((before, after)),
        _ => Err(Failure::usage("two images are compared")),
    }
}

/// The newest reports of two commits, of the same repository.
async fn commits(
    base: &str,
    head: &str,
    args: &DiffArgs,
    settings: &Settings,
) -> Result<(Image, Image), Failure> {
    let archive = archive(args);
    let (base, head) = (commit(base)?, commit(head)?);
    let mut found = Vec::new();
    for commit in [&base, &head] {
        let query = SearchReportsRequest {
            commit: commit.clone(),
            reference: args.reference.clone().unwrap_or_default(),
            limit: MOST,
            ..SearchReportsRequest::default()
        };
        let reports = by_repository(report::search(query, &archive, settings).await?);
        if reports.is_empty() {
            return Err(Failure::usage(format!("there is no report of an image of commit {commit}"))
                .hint("a scan keeps its commit where the build's environment tells it: `strata scan --print-context`"));
        }
        found.push(reports);
    }
    let (before, after) = match found.as_slice() {
        [before, after] => pair(before, after)?,
        _ => return Err(Failure::usage("two commits are compared")),
    };
    let load = async |summary: &ReportSummary, commit: &str| -> Result<Image, Failure> {
        let report: Report = report::show(&summary.report_id, &archive, settings).await?;
        let name = summary.references.first().unwrap_or(&summary.image_digest);
        let name = format!("{name} of commit {commit}");
        Ok(Image { name, report_id: summary.report_id.clone(), report })
    };
    Ok((load(before, &base).await?, load(after, &head).await?))
}

/// The newest report of each repository.
fn by_repository(reports: Vec<ReportSummary>) -> BTreeMap<String, ReportSummary> {
    let mut newest: BTreeMap<String, ReportSummary> = BTreeMap::new();
    for report in reports {
        let repositories: Vec<String> =
            report.references.iter().map(|name| row::repository_of(name)).collect();
        for repository in repositories {
            let known = newest.entry(repository).or_insert_with(|| report.clone());
            if report.created_unix_ms > known.created_unix_ms {
                *known = report.clone();
            }
        }
    }
    newest
}

/// The reports of the one repository that both have; of two that have one each, those.
fn pair<'r>(
    before: &'r BTreeMap<String, ReportSummary>,
    after: &'r BTreeMap<String, ReportSummary>,
) -> Result<(&'r ReportSummary, &'r ReportSummary), Failure> {
    let both: Vec<_> =
        before.iter().filter_map(|(name, report)| Some((name, report, after.get(name)?))).collect();
    if let [(_, before, after)] = both.as_slice() {
        return Ok((before, after));
    }
    let single =
        |reports: &'r BTreeMap<String, ReportSummary>| reports.values().next().filter(|_| reports.len() == 1);
    if let (true, Some(before), Some(after)) = (both.is_empty(), single(before), single(after)) {
        return Ok((before, after));
    }
    let names = |reports: &BTreeMap<String, ReportSummary>| {
        reports.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    Err(Failure::usage(format!(
        "it is not clear which images to compare: the first commit has {}, the second {}",
        names(before),
        names(after)
    ))
    .hint("name a part of the reference with --reference"))
}

/// A commit, or what git says that the text stands for.
fn commit(text: &str) -> Result<String, Failure> {
    let plain = report::commit_prefix(text);
    if plain.is_ok() {
        return plain;
    }
    let output = Command::new("git")
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{text}^{{commit}}")])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            report::commit_prefix(String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => Err(Failure::usage(format!(
            "`{text}` is no commit, and git knows none of that name in the working directory"
        ))),
    }
}
