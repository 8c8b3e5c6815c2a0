//! `table`: for people. Grouped by image, the greatest risk first unless another order is asked for; every colour has its word.

use std::io::{self, Write};

use strata_proto::v1::{Distribution, Severity, SeverityCounts};

use super::Format;
use crate::{
    age::Moment,
    results::{Image, Results},
    row,
    screen::{Screen, Tone},
    text::plain,
};

mod findings;
#[cfg(test)]
mod tests;

/// The row.
pub(super) const FORMAT: Format = Format { name: "table", about: "for people", streams: true, write };

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    for mut image in results.images() {
        results.order.unwrap_or_default().sort(&mut image.report);
        write_image(&image, results.now, results.screen, out)?;
    }
    for failed in &results.failed {
        let message = plain(&failed.message);
        let names = plain(&failed.references.join(", "));
        let line = format!("FAILED {names} ({}): {message}", plain(&failed.code));
        let line =
            results.screen.fold(&line, 2).replacen("FAILED", &results.screen.paint(Tone::Alarm, "FAILED"), 1);
        writeln!(out, "\n{line}")?;
    }
    results.since.as_ref().map_or(Ok(()), |delta| super::since_lines(delta, out))
}

/// `registry/app:1 (debian 12): 120 packages, 3 findings (CRITICAL 1, HIGH 2), 1 problem`.
#[must_use]
pub fn heading(references: &[String], packages: u64, findings: &SeverityCounts, problems: u64) -> String {
    let more = references.len().saturating_sub(1);
    let name = references.first().map_or_else(|| "?".to_owned(), |name| plain(name));
    let also = if more > 0 { format!(" (+{more} with the same digest)") } else { String::new() };
    let problems = match problems {
        0 => String::new(),
        1 => ", 1 PROBLEM".to_owned(),
        n => format!(", {n} PROBLEMS"),
    };
    format!("{name}{also}: {}, {}{problems}", plural(packages, "package"), counts(findings))
}

/// `3 findings (CRITICAL 1, HIGH 2)`.
#[must_use]
pub fn counts(findings: &SeverityCounts) -> String {
    let parts: Vec<String> = Severity::WORST_FIRST
        .into_iter()
        .filter(|severity| findings.get(*severity) > 0)
        .map(|severity| format!("{} {}", severity.name(), findings.get(severity)))
        .collect();
    let total = plural(findings.total(), "finding");
    if parts.is_empty() { total } else { format!("{total} ({})", parts.join(", ")) }
}

/// `1 report`, `2 reports`.
#[must_use]
pub fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn write_image(image: &Image, now: Moment, screen: Screen, out: &mut dyn Write) -> io::Result<()> {
    let report = &image.report;
    let mut findings = SeverityCounts::default();
    for finding in report.findings.iter().filter(|finding| finding.suppressed.is_empty()) {
        findings.add(finding.severity());
    }
    let packages = u64::try_from(report.packages.len()).unwrap_or(u64::MAX);
    let problems = u64::try_from(report.problems.len()).unwrap_or(u64::MAX);
    let mut names = image.references.clone();
    if let Some(first) = names.first_mut() {
        *first = row::with_platform(first, image);
    }
    writeln!(out, "\n{}", screen.fold(&heading(&names, packages, &findings, problems), 2))?;
    let distribution = report.distribution.as_ref().map_or_else(|| "unknown".to_owned(), distribution);
    let mut line = |text: &str| writeln!(out, "{}", screen.fold(text, 4));
    line(&format!("  distribution: {}   digest: {}", plain(&distribution), report.image_digest))?;
    line(&format!(
        "  database: {} of {} ({} old)   fingerprint: {}",
        short(&report.database_digest),
        report.database_modified.split('T').next().filter(|day| !day.is_empty()).unwrap_or("?"),
        now.age(&report.database_modified),
        short(&report.fingerprint)
    ))?;
    if !report.submitted_by.is_empty() {
        writeln!(out, "  origin: submitted by {}", plain(&report.submitted_by))?;
    }
    for document in &report.vex {
        writeln!(out, "  attached VEX: {} ({} statements)", short(&document.digest), document.statements)?;
    }
    for problem in &report.problems {
        let (code, message) = (plain(&problem.code), plain(&row::said(problem)));
        let line = screen.fold(&format!("  PROBLEM {code}: {message}"), 4);
        writeln!(out, "{}", line.replacen("PROBLEM", &screen.paint(Tone::Warning, "PROBLEM"), 1))?;
    }
    if report.findings.is_empty() {
        let verdict = match (report.packages.is_empty(), report.problems.is_empty()) {
            (_, false) => "  no findings, but see the problems: this image is not known to be clean",
            (true, true) => "  no packages",
            (false, true) => "  no findings",
        };
        return writeln!(out, "{verdict}");
    }
    findings::write(report, screen, out)
}

/// Name and release, and when it ends.
fn distribution(found: &Distribution) -> String {
    let name =
        if found.title.is_empty() { format!("{} {}", found.id, found.version) } else { found.title.clone() };
    let end = match (found.end_of_life.as_str(), found.ended) {
        ("", _) => return name,
        (date, true) => format!("END OF LIFE since {date}"),
        (date, false) => format!("end of life {date}"),
    };
    match found.extended_support.as_str() {
        "" => format!("{name} ({end})"),
        date => format!("{name} ({end}, extended support until {date})"),
    }
}

/// The first twelve hexadecimal digits, as people write digests.
fn short(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap_or(digest).chars().take(12).collect()
}
