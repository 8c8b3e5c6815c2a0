//! Python packages that lie packed in an image: wheels, and eggs that are imported without being unpacked.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    unzip::{Archive, Budget, ZipError},
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "wheel",
    revision: 1,
    reads: "Python wheels (*.whl) and packed eggs (*.egg)",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::PEP440,
    system: false,
};

/// Bytes of metadata that are read; the description follows the fields.
const METADATA_BYTES: u64 = 1 << 20;

fn wants(candidate: Candidate<'_>) -> Want {
    let archive = candidate.name.ends_with(".whl") || candidate.name.ends_with(".egg");
    if archive && candidate.size > 0 { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    match metadata(file) {
        Ok(Some(text)) => match (field(&text, "Name"), field(&text, "Version")) {
            (Some(name), Some(version)) => facts.package(file, Package::plain(name, version)),
            _ => facts.problem("malformed", file, "its metadata has no name or no version"),
        },
        Ok(None) => facts.problem("malformed", file, "it holds no metadata"),
        Err(error) => facts.problem(error.code(), file, error.to_string()),
    }
}

/// The metadata's text. The walk ends at the first file of that name: an archive holds one package.
fn metadata(file: File<'_>) -> Result<Option<String>, ZipError> {
    let mut budget = Budget::new(file.limits);
    let archive = Archive::open(file.bytes, &mut budget)?;
    let mut found = None;
    for entry in archive.entries(&mut budget) {
        let entry = entry?;
        let wheel = entry.name.strip_suffix(".dist-info/METADATA").is_some_and(|stem| !stem.contains('/'));
        if wheel || entry.name == "EGG-INFO/PKG-INFO" {
            found = Some(entry);
            break;
        }
    }
    let Some(entry) = found else { return Ok(None) };
    let text = archive.head(&entry, METADATA_BYTES, &mut budget)?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// A field of the head, which ends at the first empty line.
fn field(text: &str, name: &str) -> Option<String> {
    let head = text.lines().take_while(|line| !line.trim_end().is_empty());
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
    head.filter_map(value).find(|value| !value.is_empty())
}

/// PEP 503: lower case, and one hyphen for each run of `-`, `_` and `.`.
fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    purl("pypi", &[], &normalised(&package.name), &package.version, &[])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    AdvisoryKey::named("PyPI", &normalised(&package.name), package)
}
