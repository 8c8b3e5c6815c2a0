//! PHP: the list of installed packages that Composer keeps. Version 1 is an array, version 2 an object around it.

use serde::Deserialize;

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    json,
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "composer",
    revision: 1,
    reads: "composer/installed.json, versions 1 and 2",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::PACKAGIST,
    system: false,
};

#[derive(Deserialize)]
struct Two {
    #[serde(deserialize_with = "json::list")]
    packages: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: Option<String>,
    version: Option<String>,
}

fn wants(candidate: Candidate<'_>) -> Want {
    let list = candidate.name == "installed.json" && candidate.path.ends_with("composer/installed.json");
    if list { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let entries: Option<Vec<Entry>> = if file.bytes.trim_ascii_start().starts_with(b"[") {
        json::read(file, "malformed", facts).map(|one: json::List<Entry>| one.0)
    } else {
        json::read(file, "malformed", facts).map(|two: Two| two.packages)
    };
    for entry in entries.into_iter().flatten() {
        match (entry.name, entry.version) {
            (Some(name), Some(version)) if !name.is_empty() => {
                facts.package(file, Package::plain(name, version))
            }
            (name, _) => {
                let name = name.unwrap_or_default();
                facts.problem("malformed", file, format!("package {name:?} has no name or no version"));
            }
        }
    }
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let lower = package.name.to_lowercase();
    let (vendor, name) = lower.split_once('/').unwrap_or(("", &lower));
    purl("composer", &[vendor], name, &package.version, &[])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    let name = package.name.to_lowercase();
    let mut keys = AdvisoryKey::named("Packagist", &name, package);
    if name.starts_with("drupal/") {
        // Drupal's extensions stand in the namespace of their own repository.
        let ecosystem = ["Packagist:https://packages", "drupal", "org/8"].join(".");
        keys.extend(AdvisoryKey::named(&ecosystem, &name, package));
    }
    keys
}
