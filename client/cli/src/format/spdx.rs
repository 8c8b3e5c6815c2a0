//! `spdx`: SPDX 2.3 JSON (ISO/IEC 5962), the packages of each image. A bill of materials, without findings: those are in
//! the other formats. What the report does not say is `NOASSERTION`.

use std::io::{self, Write};

use serde_json::{Value, json};
use strata_proto::v1::Package;

use super::Format;
use crate::{
    results::{Image, Results},
    row, text, upstream, uuid,
};

/// The row.
pub(super) const FORMAT: Format =
    Format { name: "spdx", about: "SPDX 2.3: bill of materials, as JSON", streams: false, write };

const DOCUMENT: &str = "SPDXRef-DOCUMENT";

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let images = results.images();
    let mut packages = Vec::new();
    let mut relationships = Vec::new();
    for (at, image) in images.iter().enumerate() {
        let id = format!("SPDXRef-Image-{at}");
        packages.push(container(&id, image));
        relationships.push(relation(DOCUMENT, "DESCRIBES", &id));
        if let Some(system) = &image.report.distribution {
            let part = format!("SPDXRef-OperatingSystem-{at}");
            let mut shown = part_of(&part, &or_unknown(&system.id), &system.version, "OPERATING-SYSTEM");
            set(&mut shown, "summary", json!(text::plain(&system.title)));
            packages.push(shown);
            relationships.push(relation(&id, "CONTAINS", &part));
        }
        for (number, package) in image.report.packages.iter().enumerate() {
            let part = format!("SPDXRef-Package-{at}-{number}");
            packages.push(library(&part, package));
            relationships.push(relation(&id, "CONTAINS", &part));
        }
    }
    let names: Vec<&str> = images.iter().map(row::name).collect();
    let mut identity = vec![results.now.text()];
    identity.extend(images.iter().map(|image| format!("{}{}", image.report_id, image.report.image_digest)));
    let identity: Vec<&str> = identity.iter().map(String::as_str).collect();
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": or_unknown(&names.join(", ")),
        "documentNamespace": format!("https://strata.invalid/spdx/{}", uuid::of(&identity)),
        "creationInfo": {
            "created": results.now.text(),
            "creators": [format!("Tool: strata-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "relationships": relationships,
    });
    let missing = missing(results, &images);
    if !missing.is_empty() {
        set(&mut document, "comment", json!(missing.join("\n")));
    }
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn set(value: &mut Value, name: &str, to: Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.insert(name.to_owned(), to);
    }
}

fn or_unknown(name: &str) -> String {
    if name.is_empty() { "unknown".to_owned() } else { text::plain(name) }
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

fn part_of(id: &str, name: &str, version: &str, purpose: &str) -> Value {
    let mut shown = json!({
        "SPDXID": id,
        "name": name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": purpose,
    });
    if !version.is_empty() {
        set(&mut shown, "versionInfo", json!(text::plain(version)));
    }
    shown
}

fn container(id: &str, image: &Image) -> Value {
    let digest = &image.report.image_digest;
    let mut shown = part_of(id, &or_unknown(&row::repository(image)), digest, "CONTAINER");
    if let Some(hex) = digest.strip_prefix("sha256:") {
        set(&mut shown, "checksums", json!([{"algorithm": "SHA256", "checksumValue": hex}]));
    }
    set(&mut shown, "comment", json!(format!("known as {}", text::plain(&image.references.join(", ")))));
    shown
}

fn library(id: &str, package: &Package) -> Value {
    let mut shown = part_of(id, &or_unknown(&package.name), &package.version, "LIBRARY");
    if !package.purl.is_empty() {
        let reference = json!({
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": upstream::with_source(package),
        });
        set(&mut shown, "externalRefs", json!([reference]));
    }
    // Of a distribution's package Trivy looks here for its source, which the advisories are about.
    let told = if row::is_of_system(package) {
        let (name, version) = upstream::source(package);
        format!("built package from: {name} {version}")
    } else if package.file.is_empty() {
        return shown;
    } else {
        format!("found in {}", package.file)
    };
    set(&mut shown, "sourceInfo", json!(text::plain(told.trim_end())));
    shown
}

/// What this bill does not know.
fn missing(results: &Results, images: &[Image]) -> Vec<String> {
    let failed = results.failed.iter().map(|failed| {
        format!("FAILED {}: {} ({})", failed.references.join(", "), failed.message, failed.code)
    });
    let problems = images.iter().flat_map(|image| {
        image.report.problems.iter().map(move |problem| {
            format!("PROBLEM {}: {} ({})", row::name(image), row::said(problem), problem.code)
        })
    });
    failed.chain(problems).map(|line| text::plain(&line)).collect()
}
