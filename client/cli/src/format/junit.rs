//! `junit`: XML that CI systems show as tests. A finding is a failed test, a suppressed one is skipped, and what could not be
//! known is an error: no suite is green that has one.

use std::io::{self, Write};

use super::Format;
use crate::{
    results::{Failed, Image, Results},
    row::{self, Row},
    text::markup,
};

/// The row.
pub(super) const FORMAT: Format =
    Format { name: "junit", about: "JUnit XML, for the test reports of CI systems", streams: false, write };

/// A suite is counted before it is written.
#[derive(Default)]
struct Suite {
    name: String,
    cases: Vec<String>,
    failures: usize,
    errors: usize,
    skipped: usize,
}

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let suites: Vec<Suite> =
        results.images().iter().map(suite).chain(results.failed.iter().map(failed)).collect();
    let sum = |count: fn(&Suite) -> usize| suites.iter().map(count).sum::<usize>();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="strata" tests="{}" failures="{}" errors="{}" skipped="{}" time="0">"#,
        sum(|suite| suite.cases.len()),
        sum(|suite| suite.failures),
        sum(|suite| suite.errors),
        sum(|suite| suite.skipped),
    )?;
    for suite in &suites {
        writeln!(
            out,
            r#"  <testsuite name="{}" tests="{}" failures="{}" errors="{}" skipped="{}" time="0" timestamp="{}">"#,
            markup(&suite.name),
            suite.cases.len(),
            suite.failures,
            suite.errors,
            suite.skipped,
            results.now.plain(),
        )?;
        for case in &suite.cases {
            out.write_all(case.as_bytes())?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn case(class: &str, name: &str, outcome: &str) -> String {
    let (class, name) = (markup(class), markup(name));
    if outcome.is_empty() {
        return format!("    <testcase classname=\"{class}\" name=\"{name}\" time=\"0\"/>\n");
    }
    format!(
        "    <testcase classname=\"{class}\" name=\"{name}\" time=\"0\">\n      {outcome}\n    </testcase>\n"
    )
}

fn suite(image: &Image) -> Suite {
    let mut suite = Suite { name: row::title(image), ..Suite::default() };
    for row in row::rows(&image.report) {
        let Row { finding, package, .. } = row;
        let severity = finding.severity().name();
        let name = format!("[{severity}] {} in {} {}", finding.id, package.name, package.version);
        let outcome = if row.is_suppressed() {
            suite.skipped += 1;
            format!("<skipped message=\"{}\"/>", markup(&finding.suppressed))
        } else {
            suite.failures += 1;
            format!(
                "<failure message=\"{}\" type=\"{severity}\">{}\n{}\n{}</failure>",
                markup(&row.advice()),
                markup(&row.title()),
                markup(&package.purl),
                markup(&package.file)
            )
        };
        suite.cases.push(case(&class(&row), &name, &outcome));
    }
    for problem in &image.report.problems {
        suite.errors += 1;
        let outcome = format!(
            "<error message=\"{}\" type=\"{}\">{}</error>",
            markup(&problem.message),
            markup(&problem.code),
            markup(&problem.file)
        );
        suite.cases.push(case("strata.problem", &problem.code, &outcome));
    }
    if suite.cases.is_empty() {
        let name = format!("no findings in {} packages", image.report.packages.len());
        suite.cases.push(case("strata", &name, ""));
    }
    suite
}

fn class(row: &Row<'_>) -> String {
    format!("{}.{}", row.package.ecosystem, row.package.name)
}

fn failed(failed: &Failed) -> Suite {
    let name = failed.references.join(", ");
    let outcome =
        format!("<error message=\"{}\" type=\"{}\"/>", markup(&failed.message), markup(&failed.code));
    Suite { cases: vec![case("strata.failed", &name, &outcome)], name, errors: 1, ..Suite::default() }
}
