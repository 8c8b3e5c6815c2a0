//! Rust: the list of crates that cargo-auditable puts into an executable's section `.dep-v0`, and Cargo's lock file.
//!
//! The list is JSON, compressed by zlib. Crates that only ran during the build are not in the executable and are left out.
//! Source: cargo-auditable's description of its format.

use std::io::Read as _;

use serde::Deserialize;

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    executable::Executable,
    json,
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "rust",
    revision: 1,
    reads: "Rust executables (ELF, PE, Mach-O) built with cargo-auditable, Cargo.lock",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::SEMVER,
    system: false,
};

const SECTION: &str = ".dep-v0";
/// Bytes of the list when unpacked; the largest real ones are a few hundred KiB.
const LIST_BYTES: u64 = 8 << 20;

#[derive(Deserialize)]
struct List {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    kind: String,
}

fn wants(candidate: Candidate<'_>) -> Want {
    let wanted = candidate.name == "Cargo.lock" || crate::executable::is_candidate(candidate);
    if wanted { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    if file.path.ends_with("Cargo.lock") {
        return lock(file, facts);
    }
    let Some(section) = Executable::open(file.bytes).and_then(|executable| executable.section(SECTION))
    else {
        return;
    };
    let mut text = Vec::new();
    if flate2::read::ZlibDecoder::new(section).take(LIST_BYTES + 1).read_to_end(&mut text).is_err() {
        return facts.problem("malformed", file, "its list of crates does not unpack");
    }
    if u64::try_from(text.len()).is_ok_and(|length| length > LIST_BYTES) {
        return facts.problem("limit", file, "its list of crates is too long");
    }
    let list: List = match serde_json::from_slice(&text) {
        Ok(list) => list,
        Err(error) => {
            return facts.problem(
                "malformed",
                file,
                format!("its list of crates is malformed: {}", json::flaw(&error)),
            );
        }
    };
    for item in list.packages.into_iter().filter(|item| item.kind != "build") {
        let mut package = Package { name: item.name, version: item.version, ..Package::default() };
        // Whatever does not come from the default registry may share no more than its name with what is there.
        if matches!(item.source.as_str(), "git" | "local" | "registry") {
            package.properties.insert("source".to_owned(), item.source);
        }
        facts.package(file, package);
    }
}

/// TOML of one form, written by Cargo itself: a header for each package, then its fields.
fn lock(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    for section in text.split("[[package]]").skip(1) {
        let (name, version) = (setting(section, "name"), setting(section, "version"));
        if name.is_empty() || version.is_empty() {
            facts.problem("malformed", file, "a package without a name or a version");
            continue;
        }
        let source = match setting(section, "source") {
            "" => "local",
            source if source.starts_with("git+") => "git",
            _ => "",
        };
        facts.package(file, Package::plain(name, version).with("source", source));
    }
    if facts.packages.is_empty() && facts.problems.is_empty() {
        facts.problem("malformed", file, "it names no package");
    }
}

/// The value of `key = "value"`; empty where there is none.
fn setting<'a>(section: &'a str, key: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(key)?.strip_prefix(" = ");
    section.lines().find_map(value).unwrap_or_default().trim().trim_matches('"')
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    purl("cargo", &[], &package.name, &package.version, &[])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    // OSV names this ecosystem after its registry.
    let ecosystem = ["crates", "io"].join(".");
    vec![AdvisoryKey { ecosystem, name: package.name.clone(), version: package.version.clone() }]
}
