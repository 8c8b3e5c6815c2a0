//! Runtimes, servers and libraries that were built from source, recognised by what their makers compile into them.
//!
//! Official images of languages and servers install without a package manager, so no database names them. A row of the
//! [`table`] names a product's files and where its version stands in them. A file without the signature says nothing:
//! it is another program of the same name. What a package manager owns is left to it.

mod program;
mod signature;
mod table;
#[cfg(test)]
mod tests;

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    executable::Executable,
    model::{Distribution, Package},
    purl::purl,
    version,
};
use signature::Row;
use table::rows;

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "binary",
    revision: 2,
    reads: "runtimes, servers, tools and libraries without a package manager, by signatures in their binaries or, of Go programs, by their modules; release of a JDK",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::BITNAMI,
    system: false,
};

/// Property of a product that is a Go program: the module that advisories and package URLs know it by.
pub(crate) const MODULE: &str = "module";
/// No program or library is smaller.
const LEAST_BYTES: u64 = 1 << 10;

fn wants(candidate: Candidate<'_>) -> Want {
    if is_java_release(candidate.path) {
        return Want::Whole;
    }
    let may_be = candidate.size >= LEAST_BYTES && (candidate.executable || candidate.name.contains(".so"));
    if may_be && is_known(candidate.name) { Want::Whole } else { Want::No }
}

/// Whether a product's file is called so.
pub(super) fn is_known(name: &str) -> bool {
    rows().any(|row| row.matches(name))
}

fn parse(file: File<'_>, facts: &mut Facts) {
    if is_java_release(file.path) {
        return java(file, facts);
    }
    let Some(executable) = Executable::open(file.bytes) else { return };
    let name = file.path.rsplit('/').next().unwrap_or_default();
    for row in rows().filter(|row| row.matches(name)) {
        if let Some(package) = read(row, name, &executable) {
            return facts.package(file, package);
        }
    }
}

fn read(row: &Row, name: &str, file: &Executable<'_>) -> Option<Package> {
    let (version, module) = if row.modules.is_empty() {
        (row.version(name, file.bytes)?, String::new())
    } else {
        let found = program::read(row, file)?;
        (found.version, found.module)
    };
    let cpe = format!("cpe:2.3:a:{}:{version}:*:*:*:*:*:*:*", row.cpe);
    Some(Package::plain(row.product, version).with("cpe", &cpe).with(MODULE, &module))
}

/// Every JDK and JRE since 8 has this file in its root, beside `bin` and `lib`. Other programs have files of this name too:
/// their content tells.
fn is_java_release(path: &str) -> bool {
    path.ends_with("/release") && !path.starts_with("etc/")
}

/// Lines of `KEY="value"`.
fn java(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    let field = |name: &str| {
        let value = |line: &'_ str| {
            Some(line.strip_prefix(name)?.strip_prefix('=')?.trim().trim_matches('"').to_owned())
        };
        text.lines().find_map(value).filter(|value| !value.is_empty())
    };
    let Some(version) = field("JAVA_VERSION") else { return };
    // The full version carries the update of releases that JAVA_VERSION writes as `1.8.0_372`.
    let product = if field("IMAGE_TYPE").is_some_and(|kind| kind == "JRE") { "jre" } else { "java" };
    let runtime = field("JAVA_RUNTIME_VERSION").unwrap_or_default();
    let vendor = field("IMPLEMENTOR").unwrap_or_default();
    facts.package(
        file,
        Package::plain(product, version).with("runtime-version", &runtime).with("vendor", &vendor),
    );
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    if let Some(module) = package.properties.get(MODULE) {
        let module = module.to_lowercase();
        let (namespace, name) = module.rsplit_once('/').unwrap_or(("", &module));
        let namespace: Vec<&str> = namespace.split('/').collect();
        return purl("golang", &namespace, name, &format!("v{}", package.version), &[]);
    }
    purl("generic", &[], &package.name, &package.version, &[])
}

/// Bitnami's advisories are the only ones in OSV on products rather than packages; they know most of the servers and no
/// libraries. A Go program is a module, too.
fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    let listed = match package.name.as_str() {
        "java" | "jre" => "java",
        name => rows().find(|row| row.product == name).map_or("", |row| row.bitnami),
    };
    let mut keys = Vec::new();
    if !listed.is_empty() {
        let version = semantic(&package.version);
        keys.push(AdvisoryKey { ecosystem: "Bitnami".to_owned(), name: listed.to_owned(), version });
    }
    if let Some(module) = package.properties.get(MODULE) {
        let key =
            |name: String| AdvisoryKey { ecosystem: "Go".to_owned(), name, version: package.version.clone() };
        keys.push(key(module.clone()));
        // What was built without modules has the path without the number that its module's would end with.
        let last = module.rsplit('/').next().unwrap_or_default();
        let numbered = last.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok());
        let major = package.version.split('.').next().unwrap_or_default();
        if !numbered && !matches!(major, "0" | "1") {
            keys.push(key(format!("{module}/v{major}")));
        }
    }
    keys
}

/// A product's version as Bitnami writes it: three numbers, a fourth one as a revision, a hyphen before what follows. Nothing of
/// this changes the version: `3.13.0rc2` is `3.13.0-rc2`, Java's `1.8.0_372` is `8.0.372`.
fn semantic(version: &str) -> String {
    if let Some((release, update)) = version.split_once('_')
        && let Some(number) = release.strip_prefix("1.").and_then(|rest| rest.strip_suffix(".0"))
    {
        return format!("{number}.0.{update}");
    }
    let end = version.find(|letter: char| letter != '.' && !letter.is_ascii_digit()).unwrap_or(version.len());
    let (numbers, rest) = version.split_at_checked(end).unwrap_or((version, ""));
    let mut parts = numbers.splitn(4, '.');
    let core: Vec<&str> = parts.by_ref().take(3).collect();
    let mut text = core.join(".");
    if let Some(revision) = parts.next() {
        text.push('-');
        text.push_str(revision);
    } else if !rest.is_empty() {
        let joined = rest.starts_with(['-', '+']);
        text.push_str(if joined { "" } else { "-" });
        text.push_str(rest);
    }
    text
}
