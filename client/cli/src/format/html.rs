//! `html`: one page that needs nothing else, with search, filters by severity, sorting and a chart. All text is escaped;
//! a policy in the page lets only its own style and script run, and nothing be fetched.

use std::io::{self, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use strata_proto::v1::{Severity, SeverityCounts};

use super::Format;
use crate::{
    order::Order,
    results::{Image, Results},
    row::{self, Row},
    text::markup,
};

/// The row.
pub(super) const FORMAT: Format = Format {
    name: "html",
    about: "one self-contained page with search, sorting and a chart",
    streams: false,
    write,
};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

const IMAGE: &str = "Image";

/// Title of a column, and whether it sorts by number.
const COLUMNS: [(&str, bool); 10] = [
    ("Severity", true),
    ("Risk", true),
    ("Package", false),
    ("Installed", false),
    ("Fixed in", false),
    ("Vulnerability", false),
    ("CVSS", true),
    ("EPSS", true),
    (IMAGE, false),
    ("File", false),
];

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let mut images = results.images();
    for image in &mut images {
        results.order.unwrap_or(Order::Risk).sort(&mut image.report);
    }
    write_head(out)?;
    writeln!(out, "<h1>Strata</h1>")?;
    writeln!(out, "<p class=\"when\">{}</p>", markup(&results.now.text()))?;
    let mut counts = SeverityCounts::default();
    let mut suppressed = 0_usize;
    for row in images.iter().flat_map(|image| row::rows(&image.report)) {
        if row.is_suppressed() {
            suppressed += 1;
        } else {
            counts.add(row.finding.severity());
        }
    }
    write_chart(&counts, out)?;
    write_failures(results, &images, out)?;
    write_images(&images, out)?;
    write_controls(&counts, suppressed, out)?;
    write_findings(&images, out)?;
    write!(out, "<script>{SCRIPT}</script>\n</body>\n</html>\n")
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

fn write_head(out: &mut dyn Write) -> io::Result<()> {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<meta name=\"referrer\" content=\"no-referrer\">")?;
    writeln!(out, "<title>Strata report</title>\n<style>{STYLE}</style>\n</head>\n<body>")
}

/// A bar for each severity. Widths are attributes: the page's policy lets no style stand in an element.
fn write_chart(counts: &SeverityCounts, out: &mut dyn Write) -> io::Result<()> {
    let most =
        Severity::WORST_FIRST.into_iter().map(|severity| counts.get(severity)).max().unwrap_or(0).max(1);
    writeln!(
        out,
        "<svg id=\"chart\" class=\"chart\" role=\"img\" aria-label=\"Findings by severity\" viewBox=\"0 0 640 156\" \
         width=\"640\" height=\"156\">"
    )?;
    for (at, severity) in Severity::WORST_FIRST.into_iter().enumerate() {
        let (name, count) = (severity.name(), counts.get(severity));
        let y = at * 26;
        // Wide enough to be seen where there is one.
        let width = if count == 0 { 0 } else { (count.saturating_mul(440) / most).max(3) };
        writeln!(out, "<text x=\"0\" y=\"{}\">{name}</text>", y + 16)?;
        writeln!(
            out,
            "<rect class=\"bar {}\" x=\"110\" y=\"{}\" width=\"{width}\" height=\"18\" rx=\"2\"/>",
            name.to_lowercase(),
            y + 2
        )?;
        writeln!(out, "<text x=\"{}\" y=\"{}\">{count}</text>", 118 + width, y + 16)?;
    }
    writeln!(out, "</svg>")
}

fn write_failures(results: &Results, images: &[Image], out: &mut dyn Write) -> io::Result<()> {
    for failed in &results.failed {
        let names = markup(&failed.references.join(", "));
        let (code, message) = (markup(&failed.code), markup(&failed.message));
        writeln!(out, "<p class=\"failed\"><b>FAILED</b> {names} ({code}): {message}</p>")?;
    }
    for image in images {
        for problem in &image.report.problems {
            let (name, code) = (markup(&row::title(image)), markup(&problem.code));
            let (message, file) = (markup(&problem.message), markup(&problem.file));
            writeln!(out, "<p class=\"failed\"><b>PROBLEM</b> {name} ({code}): {message} {file}</p>")?;
        }
    }
    Ok(())
}

fn write_images(images: &[Image], out: &mut dyn Write) -> io::Result<()> {
    let count = if images.len() == 1 { "1 image".to_owned() } else { format!("{} images", images.len()) };
    writeln!(out, "<details open><summary>{count}</summary>\n<ul>")?;
    for image in images {
        let system = row::system(&image.report);
        let system = if system.is_empty() { "unknown distribution" } else { &system };
        writeln!(
            out,
            "<li><b>{}</b> {} · {} packages · {} findings · <code>{}</code></li>",
            markup(&row::with_platform(&image.references.join(", "), image)),
            markup(system),
            image.report.packages.len(),
            image.report.findings.len(),
            markup(&image.report.image_digest)
        )?;
    }
    writeln!(out, "</ul>\n</details>")
}

fn write_controls(counts: &SeverityCounts, suppressed: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<div class=\"controls\">")?;
    writeln!(
        out,
        "<label>Search <input id=\"search\" type=\"search\" placeholder=\"package, CVE, file …\" autocomplete=\"off\"></label>"
    )?;
    for severity in Severity::WORST_FIRST {
        let (name, count) = (severity.name(), counts.get(severity));
        writeln!(
            out,
            "<label><input type=\"checkbox\" class=\"severity\" value=\"{}\" checked> {name} ({count})</label>",
            severity as i32
        )?;
    }
    writeln!(
        out,
        "<label><input type=\"checkbox\" id=\"suppressed\" checked> suppressed ({suppressed})</label>"
    )?;
    writeln!(out, "<output id=\"shown\"></output>\n</div>")
}

fn write_findings(images: &[Image], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<table id=\"findings\">\n<thead><tr>")?;
    // The image is a column where there are several.
    let several = images.len() > 1;
    for (title, is_number) in COLUMNS.into_iter().filter(|(title, _)| several || *title != IMAGE) {
        let kind = if is_number { "number" } else { "text" };
        writeln!(out, "<th data-kind=\"{kind}\"><button type=\"button\">{title}</button></th>")?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    for image in images {
        for row in row::rows(&image.report) {
            write_finding(several.then_some(image), &row, out)?;
        }
    }
    writeln!(out, "</tbody>\n</table>")
}

fn write_finding(image: Option<&Image>, row: &Row<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Row { finding, package, .. } = row;
    let severity = finding.severity();
    let mut word = severity.name().to_owned();
    if finding.known_exploited {
        word.push_str(" (exploited)");
    }
    if row.is_suppressed() {
        word.push_str(" (suppressed)");
    }
    let fixed = match finding.fixed_version.as_str() {
        "" => row::fix_state(finding.fix_state()).replace('-', " "),
        version => version.to_owned(),
    };
    // Unknown sorts below the least that can be known.
    let number = |value: Option<f64>| match value {
        Some(value) => (value.to_string(), value.to_string()),
        None => ("-1".to_owned(), String::new()),
    };
    let (cvss, cvss_text) = number(row.cvss());
    let (epss, epss_text) = number(row.epss());
    let class = if row.is_suppressed() { " class=\"suppressed\"" } else { "" };
    write!(out, "<tr{class} data-severity=\"{}\">", severity as i32)?;
    let tag = severity.name().to_lowercase();
    write!(out, "<td data-sort=\"{}\"><span class=\"tag {tag}\">{word}</span></td>", severity as i32)?;
    write!(out, "<td data-sort=\"{0}\">{0:.1}</td>", row.risk())?;
    write!(out, "<td>{}</td><td>{}</td>", markup(&package.name), markup(&package.version))?;
    let mut title = row.title();
    if row.is_suppressed() {
        title = format!("{title} ({})", finding.suppressed);
    }
    let also = row.other_ids().join(" ");
    write!(out, "<td>{}</td>", markup(&fixed))?;
    write!(
        out,
        "<td title=\"{}\">{} <small>{}</small></td>",
        markup(&title),
        markup(&finding.id),
        markup(&also)
    )?;
    write!(out, "<td data-sort=\"{cvss}\">{cvss_text}</td><td data-sort=\"{epss}\">{epss_text}</td>")?;
    if let Some(image) = image {
        write!(out, "<td>{}</td>", markup(&row::title(image)))?;
    }
    writeln!(out, "<td>{}</td></tr>", markup(&package.file))
}
