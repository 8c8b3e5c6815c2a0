//! .NET: the dependencies that a published program carries (`*.deps.json`), and NuGet's lists of a project.

use std::collections::{BTreeMap, BTreeSet};

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
    name: "dotnet",
    revision: 1,
    reads: "*.deps.json, packages.lock.json, packages.config",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::NUGET,
    system: false,
};

/// What a self-contained program calls the runtime that it carries, before the name of the runtime's package.
const RUNTIME_PACK: &str = "runtimepack.";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dependencies {
    runtime_target: Option<Target>,
    #[serde(default)]
    targets: BTreeMap<String, BTreeMap<String, Assets>>,
    #[serde(default)]
    libraries: BTreeMap<String, Library>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assets {
    runtime: Option<serde::de::IgnoredAny>,
    runtime_targets: Option<serde::de::IgnoredAny>,
    native: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Deserialize)]
struct Lock {
    dependencies: BTreeMap<String, BTreeMap<String, Locked>>,
}

#[derive(Deserialize)]
struct Locked {
    #[serde(rename = "type", default)]
    kind: String,
    resolved: Option<String>,
}

fn wants(candidate: Candidate<'_>) -> Want {
    let wanted = candidate.name.ends_with(".deps.json")
        || candidate.name == "packages.lock.json"
        || candidate.name == "packages.config";
    if wanted { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    if file.path.ends_with("packages.config") {
        config(file, facts);
    } else if file.path.ends_with(".deps.json") {
        dependencies(file, facts);
    } else {
        lock(file, facts);
    }
}

/// The libraries that the program loads. One without any file in the program's target is there for the compiler only.
fn dependencies(file: File<'_>, facts: &mut Facts) {
    let Some(document) = json::read::<Dependencies>(file, "malformed", facts) else { return };
    let target = document.runtime_target.and_then(|target| document.targets.get(&target.name));
    for (key, library) in &document.libraries {
        let assets = target.and_then(|target| target.get(key));
        let unused = target.is_some()
            && library.kind == "package"
            && assets.is_none_or(|assets| {
                assets.runtime.is_none() && assets.runtime_targets.is_none() && assets.native.is_none()
            });
        if unused {
            continue;
        }
        let Some((name, version)) = key.split_once('/') else {
            facts.problem("malformed", file, format!("library {key:?} has no version"));
            continue;
        };
        let kind = if library.kind == "project" { "project" } else { "" };
        let name = name.strip_prefix(RUNTIME_PACK).unwrap_or(name);
        facts.package(file, Package::plain(name, version).with("kind", kind));
    }
}

fn lock(file: File<'_>, facts: &mut Facts) {
    let Some(document) = json::read::<Lock>(file, "malformed", facts) else { return };
    let mut found = BTreeSet::new();
    for (name, locked) in document.dependencies.into_values().flatten() {
        if let Some(version) = locked.resolved
            && locked.kind != "Project"
        {
            found.insert((name, version));
        }
    }
    for (name, version) in found {
        facts.package(file, Package::plain(name, version));
    }
}

/// XML of one form: `<package id="…" version="…" />`.
fn config(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    for element in text.split("<package ").skip(1) {
        let element = element.split('>').next().unwrap_or_default();
        match (attribute(element, "id"), attribute(element, "version")) {
            (Some(name), Some(version)) => facts.package(file, Package::plain(name, version)),
            _ => facts.problem("malformed", file, "a package without an identifier or a version"),
        }
    }
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split_whitespace().find_map(|part| {
        let value = part.strip_prefix(name)?.strip_prefix('=')?.trim_end_matches('/');
        Some(value.trim_matches(['"', '\''])).filter(|value| !value.is_empty())
    })
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    purl("nuget", &[], &package.name, &package.version, &[])
}

/// The program's own projects are no packages of the registry, whatever their names.
fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    if package.properties.contains_key("kind") {
        return Vec::new();
    }
    AdvisoryKey::plain("NuGet", package)
}
