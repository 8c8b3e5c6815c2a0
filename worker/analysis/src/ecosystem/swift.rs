//! Swift: the versions that the package manager resolved, in the three versions of its file.

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
    name: "swift",
    revision: 1,
    reads: "Package.resolved",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::SEMVER,
    system: false,
};

#[derive(Deserialize)]
struct Resolved {
    #[serde(default, deserialize_with = "json::list")]
    pins: Vec<Pin>,
    object: Option<Object>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default, deserialize_with = "json::list")]
    pins: Vec<Pin>,
}

#[derive(Deserialize)]
struct Pin {
    #[serde(alias = "repositoryURL")]
    location: String,
    state: State,
}

#[derive(Deserialize)]
struct State {
    version: Option<String>,
}

fn wants(candidate: Candidate<'_>) -> Want {
    if candidate.name == "Package.resolved" { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(document) = json::read::<Resolved>(file, "malformed", facts) else { return };
    for pin in document.pins.into_iter().chain(document.object.into_iter().flat_map(|object| object.pins)) {
        let location = pin.location.split_once("://").map_or(pin.location.as_str(), |(_, rest)| rest);
        let location = location.trim_end_matches('/').trim_end_matches(".git");
        // A package that follows a branch or a revision has no version.
        facts.package(file, Package::plain(location, pin.state.version.unwrap_or_default()));
    }
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let (namespace, name) = package.name.rsplit_once('/').unwrap_or(("", &package.name));
    let namespace: Vec<&str> = namespace.split('/').collect();
    purl("swift", &namespace, name, &package.version, &[])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    AdvisoryKey::plain("SwiftURL", package)
}
