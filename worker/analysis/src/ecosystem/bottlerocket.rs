//! Bottlerocket: the inventory that the build puts into the image, which has no package manager.

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
    name: "bottlerocket",
    revision: 1,
    reads: "bottlerocket/application-inventory.json",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::RPM,
    system: true,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    #[serde(deserialize_with = "json::list")]
    content: Vec<Application>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Application {
    name: String,
    version: String,
    #[serde(default)]
    release: String,
    #[serde(default)]
    epoch: String,
    #[serde(default)]
    architecture: String,
}

fn wants(candidate: Candidate<'_>) -> Want {
    let inventory = candidate.name == "application-inventory.json"
        && candidate.path.ends_with("bottlerocket/application-inventory.json");
    if inventory { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(document) = json::read::<Document>(file, "unreadable-database", facts) else { return };
    for item in document.content {
        let mut version = item.version;
        if !item.release.is_empty() {
            version = format!("{version}-{}", item.release);
        }
        if !matches!(item.epoch.as_str(), "" | "0") {
            version = format!("{}:{version}", item.epoch);
        }
        facts
            .packages
            .push(Package { architecture: item.architecture, ..Package::plain(item.name, version) });
    }
    if facts.packages.is_empty() {
        facts.problem("unreadable-database", file, "it names no package");
    }
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    purl("generic", &["bottlerocket"], &package.name, &package.version, &[("arch", &package.architecture)])
}

/// Bottlerocket's advisories are not in OSV.
fn advisory_keys(_package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    Vec::new()
}
