//! `gitlab`: GitLab's container scanning report, schema 15.0.7. Identifiers are made of what a finding is, so that they are
//! unique within a report and the same in the next one.

use std::{
    collections::HashSet,
    io::{self, Write},
};

use serde_json::{Value, json};
use strata_proto::reference::Reference;

use super::Format;
use crate::{
    results::{Image, Results},
    row::{self, Row},
    text, uuid,
};

/// The row.
pub(super) const FORMAT: Format = Format {
    name: "gitlab",
    about: "GitLab's container scanning report, schema 15.0.7",
    streams: false,
    write,
};

/// Bounds of the schema, in characters.
const MAX_NAME: usize = 255;
const MAX_SOLUTION: usize = 7_000;

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let images = results.images();
    let mut used = HashSet::new();
    // One image has one counterpart; which of several it would be is not known.
    let branch = results.default_branch_image.as_deref().filter(|name| images.len() == 1 && is_tagged(name));
    let mut list = Vec::new();
    for image in &images {
        let repository = row::repository(image);
        for row in row::rows(&image.report).iter().filter(|row| !row.is_suppressed()) {
            let mut found = vulnerability(image, &repository, row, &mut used);
            if let (Some(name), Some(location)) = (branch, found["location"].as_object_mut()) {
                location.insert("default_branch_image".to_owned(), json!(name));
            }
            list.push(found);
        }
    }
    let tool = json!({
        "id": "strata", "name": "Strata", "version": env!("CARGO_PKG_VERSION"), "vendor": {"name": "Strata"},
    });
    let document = json!({
        "version": "15.0.7",
        "scan": {
            "analyzer": tool,
            "scanner": tool,
            "type": "container_scanning",
            "status": if results.failed.is_empty() { "success" } else { "failure" },
            "start_time": results.now.plain(),
            "end_time": results.ended.unwrap_or(results.now).plain(),
            "messages": messages(results, &images),
        },
        "vulnerabilities": list,
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// Whether a name is that of a tag: what the schema takes for the image of a branch.
fn is_tagged(name: &str) -> bool {
    let tagged = name.rsplit('/').next().is_some_and(|last| last.contains(':') && !last.ends_with(':'));
    tagged && !name.contains('@') && name.len() <= MAX_NAME && name.parse::<Reference>().is_ok()
}

fn vulnerability(image: &Image, repository: &str, row: &Row<'_>, used: &mut HashSet<String>) -> Value {
    let Row { finding, package, .. } = row;
    let names = [repository, &package.name, &package.version, &package.file, &finding.id];
    let mut id = uuid::of(&names);
    // Two tags of a repository, or a package that is listed twice in a file: the same names, another finding.
    while !used.insert(id.clone()) {
        id = uuid::of(&[&id, row::name(image), &finding.advisory]);
    }
    let mut found = json!({
        "id": id,
        "name": text::cut(&text::plain(&row.title()), MAX_NAME),
        "description": text::plain(&description(row)),
        "severity": row::capitalised(finding.severity()),
        "solution": text::cut(&text::plain(&row.advice()), MAX_SOLUTION),
        "identifiers": identifiers(row),
        "location": {
            "dependency": {"package": {"name": package.name}, "version": package.version},
            "operating_system": or_unknown(&row::system(&image.report)),
            "image": or_unknown(row::name(image)),
        },
    });
    if let (Some(url), Some(fields)) = (row::url(&finding.id), found.as_object_mut()) {
        fields.insert("links".to_owned(), json!([{"name": finding.id, "url": url}]));
    }
    found
}

fn description(row: &Row<'_>) -> String {
    let Row { finding, package, .. } = row;
    let place = if package.file.is_empty() { String::new() } else { format!(", found in {}", package.file) };
    let exploited = if finding.known_exploited { " It is known to be exploited." } else { "" };
    format!("{} affects {} {}{place}.{exploited}", finding.id, package.name, package.version)
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

fn identifiers(row: &Row<'_>) -> Vec<Value> {
    std::iter::once(row.finding.id.as_str())
        .chain(row.other_ids())
        .map(|id| {
            let id = or_unknown(id);
            let kind = ["CVE", "GHSA", "USN", "RHSA", "ELSA", "OSVDB"]
                .iter()
                .find(|kind| id.strip_prefix(**kind).is_some_and(|rest| rest.starts_with('-')))
                .map_or_else(|| "strata".to_owned(), |kind| kind.to_lowercase());
            let mut shown = json!({"type": kind, "name": id, "value": id});
            if let (Some(url), Some(fields)) = (row::url(id), shown.as_object_mut()) {
                fields.insert("url".to_owned(), json!(url));
            }
            shown
        })
        .collect()
}

fn messages(results: &Results, images: &[Image]) -> Vec<Value> {
    let message = |level: &str, text: String| json!({"level": level, "value": text::plain(&text)});
    let failed = results
        .failed
        .iter()
        .map(|failed| message("fatal", format!("{}: {}", failed.references.join(", "), failed.message)));
    let problems = images.iter().flat_map(|image| {
        image.report.problems.iter().map(move |problem| {
            message("warn", format!("{}: {} ({})", row::name(image), row::said(problem), problem.code))
        })
    });
    let suppressed = images.iter().flat_map(|image| {
        row::rows(&image.report).into_iter().filter(Row::is_suppressed).map(move |row| {
            let Row { finding, package, .. } = row;
            message(
                "info",
                format!("{} of {} is suppressed: {}", finding.id, package.name, finding.suppressed),
            )
        })
    });
    failed.chain(problems).chain(suppressed).collect()
}
