//! Julia: the manifest of an environment. TOML of one form, written by Julia itself: a table header for each package.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "julia",
    revision: 1,
    reads: "Manifest.toml",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::SEMVER_BUILD,
    system: false,
};

fn wants(candidate: Candidate<'_>) -> Want {
    let manifest = matches!(candidate.name, "Manifest.toml" | "JuliaManifest.toml");
    if manifest { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    let mut current: Option<Package> = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix("[[") {
            finish(current.take(), file, facts);
            let header = header.split(']').next().unwrap_or_default();
            let name = header.strip_prefix("deps.").unwrap_or(header).trim_matches('"');
            current = Some(Package::plain(name, ""));
        } else if let (Some(package), Some((key, value))) = (&mut current, line.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match key.trim() {
                "version" => value.clone_into(&mut package.version),
                "uuid" => *package = std::mem::take(package).with("uuid", value),
                _ => {}
            }
        }
    }
    finish(current, file, facts);
}

/// Parts of Julia itself have no version of their own.
fn finish(package: Option<Package>, file: File<'_>, facts: &mut Facts) {
    if let Some(package) = package.filter(|package| !package.name.is_empty() && !package.version.is_empty()) {
        facts.package(file, package);
    }
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let uuid = package.properties.get("uuid").map_or("", String::as_str);
    purl("julia", &[], &package.name, &package.version, &[("uuid", uuid)])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    AdvisoryKey::plain("Julia", package)
}
