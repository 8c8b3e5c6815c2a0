//! `cyclonedx`: CycloneDX 1.6 (ECMA-424), packages with their vulnerabilities. A suppressed finding has an analysis that
//! says why; the versions of a component that are affected are those that are installed.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde_json::{Map, Value, json};
use strata_proto::v1::{Package, Severity};

use super::Format;
use crate::{
    results::{Image, Results},
    row::{self, Row},
    upstream, uuid,
};

/// The row.
pub(super) const FORMAT: Format = Format {
    name: "cyclonedx",
    about: "CycloneDX 1.6: bill of materials with vulnerabilities",
    streams: false,
    write,
};

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let images = results.images();
    let mut identity = vec![results.now.text()];
    identity.extend(images.iter().map(|image| format!("{}{}", image.report_id, image.report.image_digest)));
    let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
    let mut metadata = json!({
        "timestamp": results.now.text(),
        "tools": {"components": [{
            "type": "application", "name": "strata", "version": env!("CARGO_PKG_VERSION"),
        }]},
        "properties": notes(results, &images),
    });
    let components: Vec<Value> = match (images.as_slice(), metadata.as_object_mut()) {
        ([image], Some(fields)) => {
            fields.insert("component".to_owned(), Value::Object(container(image)));
            parts(image)
        }
        _ => images
            .iter()
            .map(|image| {
                let mut container = container(image);
                container.insert("components".to_owned(), Value::Array(parts(image)));
                Value::Object(container)
            })
            .collect(),
    };
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid::of(&identity)),
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": images.iter().map(dependency).collect::<Vec<_>>(),
        "vulnerabilities": vulnerabilities(&images),
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": format!("strata:{name}"), "value": value})
}

/// Failures and problems: what this bill does not know.
fn notes(results: &Results, images: &[Image]) -> Vec<Value> {
    let failed = results.failed.iter().map(|failed| {
        property(
            "failure",
            &format!("{}: {} ({})", failed.references.join(", "), failed.message, failed.code),
        )
    });
    let problems = images.iter().flat_map(|image| {
        image.report.problems.iter().map(move |problem| {
            property("problem", &format!("{}: {} ({})", row::name(image), row::said(problem), problem.code))
        })
    });
    let databases = images.iter().map(|image| property("database", &image.report.database_digest)).take(1);
    failed.chain(problems).chain(databases).collect()
}

/// The same in every part of the document; an image that lies under several names is in it once.
fn image_ref(image: &Image) -> String {
    format!("image:{}:{}", image.report.image_digest, image.report_id)
}

fn package_ref(image: &Image, at: u32) -> String {
    format!("package:{}:{}:{at}", image.report.image_digest, image.report_id)
}

fn container(image: &Image) -> Map<String, Value> {
    let report = &image.report;
    let mut fields = Map::new();
    fields.insert("type".to_owned(), json!("container"));
    fields.insert("bom-ref".to_owned(), json!(image_ref(image)));
    fields.insert("name".to_owned(), json!(row::repository(image)));
    fields.insert("version".to_owned(), json!(report.image_digest));
    let mut properties: Vec<Value> =
        image.references.iter().map(|name| property("reference", name)).collect();
    properties.push(property("config", &report.config_digest));
    properties.extend(report.layers.iter().map(|layer| property("layer", &layer.digest)));
    fields.insert("properties".to_owned(), Value::Array(properties));
    fields
}

fn parts(image: &Image) -> Vec<Value> {
    let report = &image.report;
    let system = report.distribution.iter().map(|found| {
        json!({
            "type": "operating-system", "bom-ref": format!("{}:os", image_ref(image)), "name": found.id,
            "version": found.version, "description": found.title,
        })
    });
    let packages = (0_u32..).zip(&report.packages).map(|(at, package)| component(image, at, package));
    system.chain(packages).collect()
}

fn component(image: &Image, at: u32, package: &Package) -> Value {
    let mut properties = vec![property("ecosystem", &package.ecosystem)];
    if let Some(layer) = row::layer(&image.report, package) {
        properties.push(property("layer", &layer.digest));
    }
    if row::is_of_system(package) {
        let (name, version) = upstream::source(package);
        properties.extend([property("source", name), property("source-version", version)]);
    }
    let mut shown = json!({
        "type": "library",
        "bom-ref": package_ref(image, at),
        "name": package.name,
        "version": package.version,
        "properties": properties,
    });
    if let Some(fields) = shown.as_object_mut() {
        if !package.purl.is_empty() {
            fields.insert("purl".to_owned(), json!(upstream::with_source(package)));
        }
        if !package.file.is_empty() {
            fields.insert("evidence".to_owned(), json!({"occurrences": [{"location": package.file}]}));
        }
    }
    shown
}

fn dependency(image: &Image) -> Value {
    let count = u32::try_from(image.report.packages.len()).unwrap_or(u32::MAX);
    let refs: Vec<String> = (0..count).map(|at| package_ref(image, at)).collect();
    json!({"ref": image_ref(image), "dependsOn": refs})
}

/// A flaw with what is said of it: only findings of which the same is said stand in one entry.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    id: &'a str,
    severity: i32,
    source: &'a str,
    cvss: u32,
    suppressed: &'a str,
    advice: String,
}

fn vulnerabilities(images: &[Image]) -> Vec<Value> {
    let mut groups: BTreeMap<Key<'_>, (Row<'_>, BTreeMap<String, &str>)> = BTreeMap::new();
    for image in images {
        for row in row::rows(&image.report) {
            let finding = row.finding;
            let key = Key {
                id: &finding.id,
                severity: -finding.severity,
                source: &finding.severity_source,
                cvss: finding.cvss_tenths,
                suppressed: &finding.suppressed,
                advice: row.advice(),
            };
            let (_, affects) = groups.entry(key).or_insert_with(|| (row, BTreeMap::new()));
            affects.insert(package_ref(image, finding.package), &row.package.version);
        }
    }
    groups
        .iter()
        .enumerate()
        .map(|(at, (key, (row, affects)))| vulnerability(at, key, row, affects))
        .collect()
}

fn vulnerability(at: usize, key: &Key<'_>, row: &Row<'_>, affects: &BTreeMap<String, &str>) -> Value {
    let Row { finding, .. } = row;
    let status = if row.is_suppressed() { "unaffected" } else { "affected" };
    let affects: Vec<Value> = affects
        .iter()
        .map(|(place, version)| json!({"ref": place, "versions": [{"version": version, "status": status}]}))
        .collect();
    let references: Vec<Value> =
        row.other_ids().iter().map(|id| json!({"id": id, "source": source(id)})).collect();
    let mut rating = json!({"severity": severity(finding.severity()), "method": method(key.source)});
    if let (Some(score), Some(fields)) = (row.cvss(), rating.as_object_mut()) {
        fields.insert("score".to_owned(), json!(score));
    }
    let mut properties = vec![property("risk", &row.risk().to_string())];
    if let Some(epss) = row.epss() {
        properties.push(property("epss", &epss.to_string()));
    }
    if finding.known_exploited {
        properties.push(property("known-exploited", "true"));
    }
    let mut shown = json!({
        "bom-ref": format!("vulnerability:{at}:{}", finding.id),
        "id": finding.id,
        "source": source(&finding.id),
        "references": references,
        "ratings": [rating],
        "description": row.title(),
        "recommendation": key.advice,
        "affects": affects,
        "properties": properties,
    });
    if row.is_suppressed()
        && let Some(fields) = shown.as_object_mut()
    {
        let state = if key.suppressed.starts_with("fixed") { "resolved" } else { "not_affected" };
        fields.insert("analysis".to_owned(), json!({"state": state, "detail": key.suppressed}));
    }
    shown
}

fn source(id: &str) -> Value {
    match row::url(id) {
        Some(url) if id.starts_with("CVE-") => json!({"name": "NVD", "url": url}),
        Some(url) => json!({"name": "OSV", "url": url}),
        None => json!({"name": "advisory"}),
    }
}

fn method(source: &str) -> &'static str {
    match source {
        "cvss-v2" => "CVSSv2",
        "cvss-v4" => "CVSSv4",
        // Which of 3.0 and 3.1 a score is of the report does not say.
        _ => "other",
    }
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Unspecified => "unknown",
        Severity::Negligible => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}
