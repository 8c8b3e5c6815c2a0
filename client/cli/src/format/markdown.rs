//! `markdown`: for merge requests, issues and job summaries. The findings of the greatest risk first and a bounded number of
//! them, as such pages are bounded; what is left out is told. Names stand in `<code>` with every mark as a number, so that
//! `@scope/name` calls nobody and nothing becomes a link or a table cell.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use strata_proto::v1::{Severity, SeverityCounts};

use super::Format;
use crate::{
    order::Order,
    results::{Image, Results},
    row::{self, Row},
    text,
};

/// The row.
pub(super) const FORMAT: Format =
    Format { name: "markdown", about: "for merge requests and job summaries", streams: false, write };

/// Findings that are listed of one image, and of all.
const MAX_OF_IMAGE: usize = 100;
const MAX_OF_ALL: usize = 400;
/// Characters of a name, a version or a message.
const MAX_TEXT: usize = 300;

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Strata\n")?;
    let mut room = MAX_OF_ALL;
    for mut image in results.images() {
        results.order.unwrap_or(Order::Risk).sort(&mut image.report);
        room = room.saturating_sub(write_image(&image, room.min(MAX_OF_IMAGE), out)?);
    }
    if !results.failed.is_empty() {
        writeln!(out, "### Failed\n\nNothing is known of these:\n")?;
        for failed in &results.failed {
            let names = code(&failed.references.join(", "));
            writeln!(out, "- {names} ({}): {}", code(&failed.code), escaped(&failed.message))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_image(image: &Image, most: usize, out: &mut dyn Write) -> io::Result<usize> {
    let report = &image.report;
    let rows = row::rows(report);
    writeln!(out, "### {}\n", code(&row::title(image)))?;
    let system = row::system(report);
    let system = if system.is_empty() { "unknown distribution".to_owned() } else { escaped(&system) };
    writeln!(out, "{system} · {} packages · {}\n", report.packages.len(), code(&report.image_digest))?;
    writeln!(out, "{}\n", summary(&rows))?;
    for problem in &report.problems {
        writeln!(out, "> **Problem** {}: {}\n", code(&problem.code), escaped(&row::said(problem)))?;
    }
    let counted: Vec<&Row<'_>> = rows.iter().filter(|row| !row.is_suppressed()).collect();
    let shown = counted.len().min(most);
    if shown > 0 {
        writeln!(out, "| Severity | Risk | Package | Installed | Fixed in | Vulnerability |")?;
        writeln!(out, "|---|---:|---|---|---|---|")?;
        for row in counted.iter().take(shown) {
            writeln!(out, "{}", line(row))?;
        }
        writeln!(out)?;
    }
    if counted.len() > shown {
        writeln!(out, "… and {} more that are not listed here.\n", counted.len() - shown)?;
    }
    Ok(shown)
}

fn summary(rows: &[Row<'_>]) -> String {
    let mut counts = SeverityCounts::default();
    for row in rows.iter().filter(|row| !row.is_suppressed()) {
        counts.add(row.finding.severity());
    }
    let parts: Vec<String> = Severity::WORST_FIRST
        .into_iter()
        .filter(|severity| counts.get(*severity) > 0)
        .map(|severity| format!("{} {}", severity.name(), counts.get(severity)))
        .collect();
    let mut text = match parts.as_slice() {
        [] => "**0 findings**".to_owned(),
        parts => format!("**{} findings**: {}", counts.total(), parts.join(", ")),
    };
    let suppressed = rows.iter().filter(|row| row.is_suppressed()).count();
    if suppressed > 0 {
        let _ = write!(text, "; {suppressed} suppressed");
    }
    text
}

fn line(row: &Row<'_>) -> String {
    let Row { finding, package, .. } = row;
    let id = match row::url(&finding.id) {
        Some(url) => format!("[{}]({url})", finding.id),
        None => code(&finding.id),
    };
    let fixed = match finding.fixed_version.as_str() {
        "" => row::fix_state(finding.fix_state()).replace('-', " "),
        version => code(version),
    };
    let exploited = if finding.known_exploited { " (exploited)" } else { "" };
    format!(
        "| {}{exploited} | {:.1} | {} | {} | {fixed} | {id} |",
        finding.severity().name(),
        row.risk(),
        code(&package.name),
        code(&package.version),
    )
}

/// A name in `<code>`.
pub(crate) fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// Every ASCII mark but `-`, `.` and the space as a number: none of them means anything then.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text::cut(&text::plain(text), MAX_TEXT).chars() {
        if c.is_ascii_punctuation() && c != '-' && c != '.' {
            let _ = write!(out, "&#{};", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}
