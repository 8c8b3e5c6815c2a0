//! What a sweep found against the last one of the same target that ended: new findings, fixed ones, and what went with an
//! image. Nothing that could not be looked at counts as gone.

mod compare;
mod find;

use strata_proto::v1::{Event, ImageReported, Report, ScanState, Severity, SeverityCounts, event::Kind};

use futures::StreamExt as _;
use serde::Serialize;

use self::compare::{Groups, Side};
use crate::{backend::Backend, exit::Failure};

/// What changed since the sweep before.
#[derive(Debug, Clone, Default)]
pub struct Delta {
    /// The sweep that this one is compared with; `None` when there is none: then nothing is known to be new.
    pub previous: Option<Previous>,
    /// Images whose report is another one, in the order of their names.
    pub images: Vec<Change>,
    /// Images that were there, and whose references do not exist any more.
    pub gone: Vec<Gone>,
    /// References that had a report and could not be looked at this time.
    pub unknown: Vec<String>,
}

/// The sweep before.
#[derive(Debug, Clone)]
pub struct Previous {
    /// Its id.
    pub scan: String,
    /// When it was submitted, in milliseconds since 1970-01-01 UTC.
    pub created_unix_ms: i64,
    /// Whether every reference had a report.
    pub complete: bool,
}

/// References whose report changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// Their names, in order.
    pub references: Vec<String>,
    /// Id of the report before; `None` when they had none: all their findings are new.
    pub before: Option<String>,
    /// Id of the report now.
    pub after: String,
    /// Findings that were not there before.
    pub new: Vec<Found>,
    /// Findings that are not there any more.
    pub fixed: Vec<Found>,
}

/// References that do not exist any more.
#[derive(Debug, Clone)]
pub struct Gone {
    /// Their names, in order.
    pub references: Vec<String>,
    /// Id of the last report.
    pub report: String,
    /// What went with them.
    pub findings: Vec<Found>,
}

/// A finding, as it is told apart: an advisory on a package, whatever the package's version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Found {
    /// Identifier.
    pub id: String,
    /// Name of the package.
    pub package: String,
    /// Its ecosystem.
    pub ecosystem: String,
    /// Its version, where the finding is or was.
    pub version: String,
    /// The first version without the flaw; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fixed_version: String,
    /// How bad it is.
    #[serde(serialize_with = "name_of")]
    pub severity: Severity,
}

fn name_of<S: serde::Serializer>(severity: &Severity, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(severity.name())
}

impl Delta {
    /// New findings by severity, each image counted once.
    #[must_use]
    pub fn new_counts(&self) -> SeverityCounts {
        counts(self.images.iter().flat_map(|image| &image.new))
    }

    /// Fixed findings by severity.
    #[must_use]
    pub fn fixed_counts(&self) -> SeverityCounts {
        counts(self.images.iter().flat_map(|image| &image.fixed))
    }

    /// Findings that went with their image, by severity.
    #[must_use]
    pub fn gone_counts(&self) -> SeverityCounts {
        counts(self.gone.iter().flat_map(|gone| &gone.findings))
    }

    /// The worst severity of the new findings.
    #[must_use]
    pub fn worst_new(&self) -> Option<Severity> {
        let counts = self.new_counts();
        Severity::WORST_FIRST.into_iter().find(|severity| counts.get(*severity) > 0)
    }
}

fn counts<'a>(found: impl Iterator<Item = &'a Found>) -> SeverityCounts {
    let mut counts = SeverityCounts::default();
    found.for_each(|found| counts.add(found.severity));
    counts
}

/// Compares a sweep that has ended with the one before it. Statements that suppress findings are applied to both sides
/// by the function.
///
/// # Errors
/// When the archive or server cannot be asked.
pub async fn compare(
    backend: &Backend,
    scan: &str,
    suppress: impl Fn(&mut ImageReported),
) -> Result<Delta, Failure> {
    let now = backend.scan(scan).await?;
    let Some(previous) = find::previous(backend, &now).await? else { return Ok(Delta::default()) };
    let before = side(backend, &previous.id).await?;
    let after = side(backend, scan).await?;
    let Groups { pairs, gone, unknown } = compare::groups(&before, &after);
    let report = async |id: String| -> Result<Report, Failure> {
        let report = Some(backend.report(&id).await?);
        let mut reported = ImageReported { report_id: id, report, ..ImageReported::default() };
        suppress(&mut reported);
        Ok(reported.report.unwrap_or_default())
    };
    let mut delta = Delta { unknown, ..Delta::default() };
    // One pair at a time: reports are large, and there may be many.
    for ((before, after), references) in pairs {
        let old = match &before {
            Some(id) => report(id.clone()).await?,
            None => Report::default(),
        };
        let (new, fixed) = compare::differ(&old, &report(after.clone()).await?);
        delta.images.push(Change { references, before, after, new, fixed });
    }
    for (id, references) in gone {
        let findings = compare::findings(&report(id.clone()).await?);
        delta.gone.push(Gone { references, report: id, findings });
    }
    delta.images.sort_by(|a, b| a.references.cmp(&b.references));
    delta.gone.sort_by(|a, b| a.references.cmp(&b.references));
    delta.previous = Some(Previous {
        complete: previous.state() == ScanState::Completed,
        created_unix_ms: previous.created_unix_ms,
        scan: previous.id,
    });
    Ok(delta)
}

/// What became of each reference of a scan that has ended.
async fn side(backend: &Backend, scan: &str) -> Result<Side, Failure> {
    let mut events = backend.watch(scan, 0, false).await?;
    let mut side = Side::default();
    while let Some(event) = events.next().await {
        let Event { kind, .. } = event?;
        match kind {
            Some(Kind::Reported(reported)) => {
                let id = &reported.report_id;
                side.reports.extend(reported.references.iter().map(|name| (name.clone(), id.clone())));
            }
            Some(Kind::Failed(failed)) => side.failed.extend(failed.references),
            // It was not asked for this time: nobody looked whether the image is still there.
            Some(Kind::Skipped(skipped)) if skipped.code == "filtered" => {
                side.left_out.extend(skipped.references)
            }
            Some(Kind::ListingFailed(failed)) => side.unlisted.push(failed.target),
            _ => {}
        }
    }
    Ok(side)
}
