//! Dart: Pub's lock file. YAML of one form, written by Pub itself: names at two spaces, their fields at four.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "dart",
    revision: 1,
    reads: "pubspec.lock",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::SEMVER_BUILD,
    system: false,
};

fn wants(candidate: Candidate<'_>) -> Want {
    if candidate.name == "pubspec.lock" { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    let mut inside = false;
    let mut name = "";
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let Some((key, value)) = line.trim().split_once(':') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        match (indent, key) {
            (0, key) => inside = key == "packages",
            (2, key) => name = key,
            (4, "version") if inside && !name.is_empty() => facts.package(file, Package::plain(name, value)),
            _ => {}
        }
    }
    if facts.packages.is_empty() && !text.contains("packages:") {
        facts.problem("malformed", file, "it has no list of packages");
    }
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    purl("pub", &[], &package.name, &package.version, &[])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    AdvisoryKey::plain("Pub", package)
}
