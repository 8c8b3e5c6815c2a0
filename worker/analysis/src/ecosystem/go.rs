//! Go: the modules that the linker records in every executable, and the toolchain's own `VERSION`.
//!
//! An executable names its main module, all dependencies with their replacements, and the release of Go, which is the
//! version of the standard library in it.

#[cfg(test)]
mod tests;

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    executable::Executable,
    gobuild::{self, DEVELOPMENT},
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "go",
    revision: 1,
    reads: "Go executables (ELF, PE, Mach-O): main module, dependencies, standard library; go/VERSION",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::GO,
    system: false,
};

/// How the standard library is called in the Go vulnerability database.
const STANDARD_LIBRARY: &str = "stdlib";
/// And the commands of the distribution.
const TOOLCHAIN: &str = "toolchain";

fn wants(candidate: Candidate<'_>) -> Want {
    let version = candidate.name == "VERSION" && candidate.path.ends_with("go/VERSION");
    if version || crate::executable::is_candidate(candidate) { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    if file.path.ends_with("go/VERSION") {
        return toolchain(file, facts);
    }
    let Some(executable) = Executable::open(file.bytes) else { return };
    let Some(info) = gobuild::read(&executable) else { return };
    if let Some(version) = release(&info.version) {
        facts.package(file, package(STANDARD_LIBRARY, &version));
    } else {
        facts.problem("malformed", file, format!("the Go release {:?} is unknown", info.version));
        facts.package(file, package(STANDARD_LIBRARY, &info.version));
    }
    modules(file, &info, facts);
}

fn package(name: &str, version: &str) -> Package {
    Package { name: name.to_owned(), version: version.to_owned(), ..Package::default() }
}

fn toolchain(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    match text.lines().next().and_then(release) {
        Some(version) => facts.package(file, package(TOOLCHAIN, &version)),
        None => facts.problem("malformed", file, "it does not start with a release of Go"),
    }
}

/// `go1.21.3` as the semantic version that advisories use: `1.21.3`; `go1.22rc1` is `1.22.0-rc.1`. What follows a space
/// are experiments that were turned on. `None` for development builds.
fn release(text: &str) -> Option<String> {
    let text = text.split_whitespace().next()?.strip_prefix("go")?;
    // Builds with replaced cryptography append `-X:boringcrypto` or `b7`.
    let text = text.split('-').next()?;
    let end = text.find(|letter: char| letter != '.' && !letter.is_ascii_digit()).unwrap_or(text.len());
    let (numbers, rest) = text.split_at_checked(end)?;
    let count = numbers.split('.').count();
    if !(2..=3).contains(&count) || numbers.split('.').any(str::is_empty) {
        return None;
    }
    let mut version = numbers.to_owned();
    if count == 2 {
        version.push_str(".0");
    }
    let early = ["rc", "beta"].into_iter().find_map(|kind| Some((kind, rest.strip_prefix(kind)?)));
    if let Some((kind, number)) = early {
        version.push_str(&format!("-{kind}.{number}"));
    }
    Some(version)
}

/// The text that `go version -m` prints: a kind and its fields on each line, parted by tabs.
fn modules(file: File<'_>, info: &gobuild::BuildInfo, facts: &mut Facts) {
    if let Some(main) = info.main(file.bytes).module {
        facts.package(file, main);
    }
    let first = facts.packages.len();
    for line in info.modules.lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or_default();
        let name = fields.next().unwrap_or_default();
        let version = fields.next().unwrap_or_default();
        match kind {
            "dep" if name.is_empty() => facts.problem("malformed", file, "a dependency without a name"),
            "dep" => facts.package(file, package(name, version)),
            "=>" if facts.packages.len() > first => {
                if let Some(replaced) = facts.packages.last_mut() {
                    replace(replaced, name, version);
                }
            }
            _ => {}
        }
    }
}

/// A module that was replaced by another is that other; one that was replaced by a directory keeps its name.
fn replace(package: &mut Package, name: &str, version: &str) {
    let key = if version.is_empty() { "replaced-by" } else { "replaces" };
    let value = if version.is_empty() { name.to_owned() } else { std::mem::take(&mut package.name) };
    package.properties.insert(key.to_owned(), value);
    if !version.is_empty() {
        name.clone_into(&mut package.name);
        version.clone_into(&mut package.version);
    }
}

/// The type's rules ask for lower case.
fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let lower = package.name.to_lowercase();
    let (namespace, name) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let namespace: Vec<&str> = namespace.split('/').collect();
    let version = if package.version == DEVELOPMENT { "" } else { package.version.as_str() };
    purl("golang", &namespace, name, version, &[])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    vec![AdvisoryKey {
        ecosystem: "Go".to_owned(),
        name: package.name.clone(),
        version: package.version.clone(),
    }]
}
