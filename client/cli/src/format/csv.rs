//! `csv`: one line for each finding, problem and failed image (RFC 4180). A cell never starts a formula: spreadsheets run
//! what begins with `=`, `+`, `-` or `@`, so such a cell gets an apostrophe in front.

use std::io::{self, Write};

use super::Format;
use crate::{
    results::{Image, Results},
    row::{self, Row},
    text,
};

/// The row.
pub(super) const FORMAT: Format =
    Format { name: "csv", about: "one line for each finding, for spreadsheets", streams: false, write };

const COLUMNS: [&str; 23] = [
    "kind",
    "image",
    "digest",
    "distribution",
    "severity",
    "risk",
    "id",
    "aliases",
    "package",
    "installed",
    "fix_state",
    "fixed",
    "ecosystem",
    "purl",
    "file",
    "layer",
    "cvss",
    "epss",
    "known_exploited",
    "suppressed",
    "title",
    "message",
    "platform",
];

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    line(out, COLUMNS.iter().map(|name| (*name).to_owned()))?;
    for image in results.images() {
        for row in row::rows(&image.report) {
            line(out, finding(&image, &row).into_iter())?;
        }
        for problem in &image.report.problems {
            let mut cells = blank("problem", row::name(&image));
            set(&mut cells, "digest", &image.report.image_digest);
            set(&mut cells, "platform", &row::platform(&image.report));
            set(&mut cells, "id", &problem.code);
            set(&mut cells, "file", &problem.file);
            set(&mut cells, "layer", &problem.layer);
            set(&mut cells, "message", &problem.message);
            line(out, cells.into_iter())?;
        }
    }
    for failed in &results.failed {
        let mut cells = blank("failure", &failed.references.join(" "));
        set(&mut cells, "id", &failed.code);
        set(&mut cells, "message", &failed.message);
        line(out, cells.into_iter())?;
    }
    Ok(())
}

fn blank(kind: &str, image: &str) -> Vec<String> {
    let mut cells = vec![String::new(); COLUMNS.len()];
    set(&mut cells, "kind", kind);
    set(&mut cells, "image", image);
    cells
}

fn set(cells: &mut [String], column: &str, value: &str) {
    let at = COLUMNS.iter().position(|name| *name == column);
    if let Some(cell) = at.and_then(|at| cells.get_mut(at)) {
        *cell = value.to_owned();
    }
}

fn finding(image: &Image, row: &Row<'_>) -> Vec<String> {
    let Row { finding, package, layer } = row;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut cells = blank("finding", row::name(image));
    for (column, value) in [
        ("digest", image.report.image_digest.as_str()),
        ("distribution", &row::system(&image.report)),
        ("severity", finding.severity().name()),
        ("risk", &row.risk().to_string()),
        ("id", &finding.id),
        ("aliases", &row.other_ids().join(" ")),
        ("package", &package.name),
        ("installed", &package.version),
        ("fix_state", row::fix_state(finding.fix_state())),
        ("fixed", &finding.fixed_version),
        ("ecosystem", &package.ecosystem),
        ("purl", &package.purl),
        ("file", &package.file),
        ("layer", layer.map_or("", |layer| layer.digest.as_str())),
        ("cvss", &number(row.cvss())),
        ("epss", &number(row.epss())),
        ("known_exploited", if finding.known_exploited { "true" } else { "false" }),
        ("suppressed", &finding.suppressed),
        ("title", &finding.title),
        ("platform", &row::platform(&image.report)),
    ] {
        set(&mut cells, column, value);
    }
    cells
}

fn line(out: &mut dyn Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    let cells: Vec<String> = cells.map(|value| cell(&value)).collect();
    write!(out, "{}\r\n", cells.join(","))
}

fn cell(value: &str) -> String {
    let mut value = text::plain(value);
    // A full-width sign counts as well where the spreadsheet's locale says so; white space before it is dropped.
    if value.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
        value.insert(0, '\'');
    }
    if value.contains([',', '"', '\'', ' ', ';']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}
