//! What changed since the sweep before, for people and for programs.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;
use strata_proto::v1::{Severity, SeverityCounts};

use super::counts;
use crate::{
    command::when,
    since::{Change, Delta, Found, Gone},
    text::plain,
};

/// Lines for people: the sum first, then what is new, fixed and gone, image by image.
///
/// # Errors
/// When the output cannot be written.
pub fn lines(delta: &Delta, out: &mut dyn Write) -> io::Result<()> {
    let Some(previous) = &delta.previous else {
        return writeln!(out, "\nSINCE LAST: there is no earlier sweep of this target to compare with");
    };
    writeln!(out, "\nSINCE {} ({})", previous.scan, when(previous.created_unix_ms))?;
    if !previous.complete {
        writeln!(out, "  that sweep was incomplete: what it could not look at counts as new here")?;
    }
    writeln!(out, "  new    {}", counts(&delta.new_counts()))?;
    writeln!(out, "  fixed  {}", counts(&delta.fixed_counts()))?;
    writeln!(out, "  gone   {} with {} images", counts(&delta.gone_counts()), delta.gone.len())?;
    for change in delta.images.iter().filter(|change| !change.new.is_empty() || !change.fixed.is_empty()) {
        let first = if change.before.is_none() { " (not in that sweep)" } else { "" };
        writeln!(out, "\n{}{first}", names(&change.references))?;
        findings("NEW", &change.new, out)?;
        findings("FIXED", &change.fixed, out)?;
    }
    for gone in &delta.gone {
        writeln!(out, "\n{} does not exist any more", names(&gone.references))?;
        findings("GONE", &gone.findings, out)?;
    }
    if !delta.unknown.is_empty() {
        writeln!(out, "\nUNKNOWN: these could not be looked at: {}", delta.unknown.join(", "))?;
    }
    Ok(())
}

fn names(references: &[String]) -> String {
    match references {
        [] => String::new(),
        [one] => one.clone(),
        [one, more @ ..] => format!("{one} (+{} with the same report)", more.len()),
    }
}

fn findings(word: &str, found: &[Found], out: &mut dyn Write) -> io::Result<()> {
    for Found { id, package, version, fixed_version, severity, .. } in found {
        let fix =
            if fixed_version.is_empty() { String::new() } else { format!(", fixed in {fixed_version}") };
        writeln!(
            out,
            "  {word:5} {:10} {} {} {}{}",
            severity.name(),
            plain(id),
            plain(package),
            plain(version),
            plain(&fix)
        )?;
    }
    Ok(())
}

/// The part of the JSON document.
#[derive(Serialize)]
pub(super) struct JsonSince {
    /// Null when there is no earlier sweep of the target.
    previous: Option<JsonPrevious>,
    summary: JsonSum,
    images: Vec<JsonChange>,
    gone: Vec<JsonGone>,
    unknown: Vec<String>,
}

#[derive(Serialize)]
struct JsonPrevious {
    scan: String,
    created: String,
    complete: bool,
}

#[derive(Serialize)]
struct JsonSum {
    new: BTreeMap<&'static str, u64>,
    fixed: BTreeMap<&'static str, u64>,
    gone: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct JsonChange {
    references: Vec<String>,
    before: Option<String>,
    after: String,
    new: Vec<Found>,
    fixed: Vec<Found>,
}

#[derive(Serialize)]
struct JsonGone {
    references: Vec<String>,
    report: String,
    findings: Vec<Found>,
}

pub(super) fn json(delta: &Delta) -> JsonSince {
    let by_severity = |counts: SeverityCounts| {
        let each = Severity::WORST_FIRST.into_iter();
        each.map(|severity| (severity.name(), counts.get(severity))).collect()
    };
    JsonSince {
        previous: delta.previous.as_ref().map(|previous| JsonPrevious {
            scan: previous.scan.clone(),
            created: when(previous.created_unix_ms),
            complete: previous.complete,
        }),
        summary: JsonSum {
            new: by_severity(delta.new_counts()),
            fixed: by_severity(delta.fixed_counts()),
            gone: by_severity(delta.gone_counts()),
        },
        images: delta.images.iter().map(change).collect(),
        gone: delta.gone.iter().map(gone).collect(),
        unknown: delta.unknown.clone(),
    }
}

fn change(change: &Change) -> JsonChange {
    JsonChange {
        references: change.references.clone(),
        before: change.before.clone(),
        after: change.after.clone(),
        new: change.new.clone(),
        fixed: change.fixed.clone(),
    }
}

fn gone(gone: &Gone) -> JsonGone {
    JsonGone {
        references: gone.references.clone(),
        report: gone.report.clone(),
        findings: gone.findings.clone(),
    }
}
