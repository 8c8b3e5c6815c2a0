//! `trivy`: JSON in the shape of Trivy's schema 2, so that filters and dashboards made for it keep working. What it has no
//! field for stands under `X-strata`: failed images, problems, risk.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde_json::{Map, Value, json};
use strata_proto::v1::{FixState, Package, Report, Severity};

use super::Format;
use crate::{
    results::{Failed, Image, Results},
    row::{self, Row},
};

/// The row.
pub(super) const FORMAT: Format = Format {
    name: "trivy",
    about: "JSON in the shape of Trivy's schema 2, for tools that read that",
    streams: false,
    write,
};

/// Trivy's words for distributions, where they are not os-release's.
const FAMILIES: &[(&str, &str)] = &[
    ("rhel", "redhat"),
    ("almalinux", "alma"),
    ("ol", "oracle"),
    ("amzn", "amazon"),
    ("mariner", "cbl-mariner"),
];

/// Trivy's words for ecosystems, and the target that it puts all packages of the image under; without one each file is a
/// target.
const TYPES: &[(&str, &str, Option<&str>)] = &[
    ("npm", "node-pkg", Some("Node.js")),
    ("python", "python-pkg", Some("Python")),
    ("java", "jar", Some("Java")),
    ("gem", "gemspec", Some("Ruby")),
    ("conda", "conda-pkg", Some("Conda")),
    ("go", "gobinary", None),
    ("rust", "rustbinary", None),
    ("composer", "composer-vendor", None),
    ("dotnet", "dotnet-core", None),
    ("dart", "pub", None),
    ("erlang", "hex", None),
];

fn write(results: &Results, out: &mut dyn Write) -> io::Result<()> {
    let images = results.images();
    let several = images.len() > 1;
    let names: Vec<&str> = images.iter().map(row::name).collect();
    let metadata = match images.as_slice() {
        [image] => metadata(image),
        _ => json!({}),
    };
    let document = json!({
        "SchemaVersion": 2,
        "CreatedAt": results.now.text(),
        "ArtifactName": names.join(", "),
        "ArtifactType": "container_image",
        "Metadata": metadata,
        "Results": images.iter().flat_map(|image| groups(image, several)).collect::<Vec<Value>>(),
        "X-strata": extra(results, &images),
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn metadata(image: &Image) -> Value {
    let report = &image.report;
    let platform = report.platform.clone().unwrap_or_default();
    let diff_ids: Vec<&str> = report.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let labels: BTreeMap<&str, &str> =
        report.labels.iter().map(|label| (label.key.as_str(), label.value.as_str())).collect();
    let repository = row::repository(image);
    let is_remote = image.references.iter().any(|name| name.starts_with(&repository));
    let mut metadata = json!({
        "ImageID": report.config_digest,
        "DiffIDs": diff_ids,
        "RepoTags": row::tags(image),
        "RepoDigests": if is_remote { vec![format!("{repository}@{}", report.image_digest)] } else { Vec::new() },
        "ImageConfig": {
            "architecture": platform.architecture,
            "os": platform.os,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "config": {"Labels": labels},
        },
    });
    if let (Some(found), Some(fields)) = (&report.distribution, metadata.as_object_mut()) {
        let os = json!({"Family": family(report), "Name": found.version, "EOSL": found.ended});
        fields.insert("OS".to_owned(), os);
    }
    metadata
}

fn family(report: &Report) -> &str {
    let id = report.distribution.as_ref().map_or("", |found| found.id.as_str());
    FAMILIES.iter().find(|(ours, _)| *ours == id).map_or(id, |(_, theirs)| theirs)
}

/// Class, type and target of a package's group. Groups come in this order.
fn group(package: &Package, image: &Image, name: &str) -> (u8, String, String) {
    if row::is_of_system(package) {
        let family = family(&image.report);
        let kind = if family.is_empty() { &package.ecosystem } else { family };
        let system = row::system(&image.report);
        let system = if system.is_empty() { kind.to_owned() } else { system };
        return (0, kind.to_owned(), format!("{name} ({system})"));
    }
    let known = TYPES.iter().find(|(ours, _, _)| *ours == package.ecosystem);
    let kind = known.map_or(package.ecosystem.as_str(), |(_, theirs, _)| theirs);
    let target = known.and_then(|(_, _, target)| *target).unwrap_or(&package.file);
    (1, kind.to_owned(), target.to_owned())
}

fn groups(image: &Image, several: bool) -> Vec<Value> {
    let name = row::name(image);
    let mut groups: BTreeMap<(u8, String, String), Vec<Value>> = BTreeMap::new();
    let mut modified: BTreeMap<(u8, String, String), Vec<Value>> = BTreeMap::new();
    for package in &image.report.packages {
        groups.entry(group(package, image, name)).or_default();
    }
    for row in row::rows(&image.report) {
        let key = group(row.package, image, name);
        if row.is_suppressed() {
            let fixed = row.finding.suppressed.starts_with("fixed");
            modified.entry(key).or_default().push(json!({
                "Type": "vulnerability",
                "Status": if fixed { "fixed" } else { "not_affected" },
                "Statement": row.finding.suppressed,
                "Finding": vulnerability(&row),
            }));
        } else {
            groups.entry(key).or_default().push(vulnerability(&row));
        }
    }
    let shown = |key: (u8, String, String), found: Vec<Value>| {
        let (class, kind, target) = &key;
        let target = if several && *class > 0 { format!("{name}: {target}") } else { target.clone() };
        let class = if *class == 0 { "os-pkgs" } else { "lang-pkgs" };
        let mut group = json!({"Target": target, "Class": class, "Type": kind});
        if let Some(fields) = group.as_object_mut() {
            // As Trivy does: a target without any has no such field.
            if !found.is_empty() {
                fields.insert("Vulnerabilities".to_owned(), Value::Array(found));
            }
            if let Some(found) = modified.get(&key) {
                fields.insert("ExperimentalModifiedFindings".to_owned(), json!(found));
            }
        }
        group
    };
    groups.into_iter().map(|(key, found)| shown(key, found)).collect()
}

fn vulnerability(row: &Row<'_>) -> Value {
    let Row { finding, package, layer } = row;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        if !empty {
            fields.insert(name.to_owned(), value);
        }
    };
    put("VulnerabilityID", json!(finding.id));
    put("VendorIDs", json!(row.other_ids()));
    put("PkgID", json!(format!("{}@{}", package.name, package.version)));
    put("PkgName", json!(package.name));
    if !row::is_of_system(package) {
        put("PkgPath", json!(package.file));
    }
    put("PkgIdentifier", json!({"PURL": package.purl}));
    put("InstalledVersion", json!(package.version));
    put("FixedVersion", json!(finding.fixed_version));
    put("Status", json!(status(finding.fix_state())));
    if let Some(layer) = layer {
        put("Layer", json!({"Digest": layer.digest, "DiffID": layer.diff_id}));
    }
    put("SeveritySource", json!(finding.severity_source));
    put("PrimaryURL", json!(row::url(&finding.id)));
    put("Title", json!(finding.title));
    put("Severity", json!(severity(finding.severity())));
    let field = match finding.severity_source.as_str() {
        "cvss-v2" => Some("V2Score"),
        "cvss-v3" => Some("V3Score"),
        "cvss-v4" => Some("V40Score"),
        // A score whose version is not known goes under no name that tells one.
        _ => None,
    };
    if let (Some(field), Some(score)) = (field, row.cvss()) {
        put("CVSS", json!({"advisory": {field: score}}));
    }
    put(
        "X-strata",
        json!({
            "cvss": row.cvss(), "epss": row.epss(), "known_exploited": finding.known_exploited,
            "ransomware": finding.ransomware, "risk": row.risk(), "severity": finding.severity().name(),
        }),
    );
    Value::Object(fields)
}

/// Trivy has no `NEGLIGIBLE`: it says low.
const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Negligible => "LOW",
        other => other.name(),
    }
}

const fn status(state: FixState) -> &'static str {
    match state {
        FixState::Fixed => "fixed",
        FixState::NotFixed => "affected",
        FixState::WillNotFix => "will_not_fix",
        FixState::Deferred => "fix_deferred",
        FixState::UnderInvestigation => "under_investigation",
        FixState::EndOfLife => "end_of_life",
        FixState::Unspecified => "unknown",
    }
}

fn extra(results: &Results, images: &[Image]) -> Value {
    let failed = |failed: &Failed| json!({"references": failed.references, "code": failed.code, "message": failed.message});
    let problems: Vec<Value> = images
        .iter()
        .flat_map(|image| image.report.problems.iter().map(move |problem| (image, problem)))
        .map(|(image, problem)| {
            json!({
                "image": row::name(image), "code": problem.code, "message": problem.message,
                "file": problem.file, "layer": problem.layer,
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "images": images.iter().map(|image| json!({
            "references": image.references, "digest": image.report.image_digest, "report": image.report_id,
            "fingerprint": image.report.fingerprint, "database": image.report.database_digest,
        })).collect::<Vec<_>>(),
        "failures": results.failed.iter().map(failed).collect::<Vec<_>>(),
        "skipped": results.skipped.iter().map(failed).collect::<Vec<_>>(),
        "problems": problems,
    })
}
