//! Python: the core metadata that installers leave beside a distribution's files (PEP 376, 427, 566).

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    unzip::{Archive, Budget, ZipError},
    version,
};

/// Python's row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "python",
    revision: 2,
    reads: "`*.dist-info/METADATA`, `*.egg-info`, `*.egg-info/PKG-INFO`, `EGG-INFO/PKG-INFO`, `*.egg`, `*.whl`",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::PEP440,
    system: false,
};

/// Bytes of an archive's metadata that are read; the description follows the fields.
const METADATA_BYTES: u64 = 1 << 20;

fn wants(candidate: Candidate<'_>) -> Want {
    let parent = || candidate.path.rsplit('/').nth(1).unwrap_or_default();
    let wanted = match candidate.name {
        "METADATA" => parent().ends_with(".dist-info"),
        "PKG-INFO" => parent().ends_with(".egg-info") || parent() == "EGG-INFO",
        name => name.ends_with(".egg-info") || is_archive(name),
    };
    if wanted { Want::Whole } else { Want::No }
}

/// Eggs are used as they are, from within the archive; so are wheels that stand on Python's path.
fn is_archive(name: &str) -> bool {
    name.ends_with(".egg") || name.ends_with(".whl")
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if !is_archive(name) {
        read_metadata(file, file.bytes, facts);
    } else if file.bytes.starts_with(b"PK")
        && let Err(error) = read_archive(file, facts)
    {
        facts.problem(error.code(), file, error.to_string());
    }
}

/// An egg has its metadata in `EGG-INFO`, a wheel in the one `dist-info` directory at its top.
fn read_archive(file: File<'_>, facts: &mut Facts) -> Result<(), ZipError> {
    let mut budget = Budget::new(file.limits, file.bytes.len());
    let archive = Archive::open(file.bytes, &mut budget)?;
    let mut found = None;
    for entry in archive.entries(&mut budget) {
        let entry = entry?;
        let is_metadata = match entry.name.split_once('/') {
            Some(("EGG-INFO", name)) => name == "PKG-INFO",
            Some((directory, name)) => directory.ends_with(".dist-info") && name == "METADATA",
            None => false,
        };
        if is_metadata {
            found = Some(entry);
            break;
        }
    }
    let entry = found.ok_or(ZipError::Malformed("it has no metadata"))?;
    let metadata = archive.head(&entry, METADATA_BYTES, &mut budget)?;
    read_metadata(file, &metadata, facts);
    Ok(())
}

/// Header lines as in a mail, up to the first empty line. The encoding is UTF-8, or Latin-1 in old files; the two
/// fields that matter are ASCII in both.
fn read_metadata(file: File<'_>, bytes: &[u8], facts: &mut Facts) {
    let (mut name, mut version) = (String::new(), String::new());
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (key, value) = line.split_at_checked(colon).unwrap_or_default();
        let text = || String::from_utf8_lossy(value.get(1..).unwrap_or_default()).trim().to_owned();
        if key.eq_ignore_ascii_case(b"name") && name.is_empty() {
            name = text();
        } else if key.eq_ignore_ascii_case(b"version") && version.is_empty() {
            version = text();
        }
    }
    if name.is_empty() || version.is_empty() {
        facts.problem("malformed", file, "names no distribution or no version of it");
        return;
    }
    facts.package(file, Package { name, version, ..Package::default() });
}

fn package_url(package: &Package, _: Option<&Distribution>) -> String {
    purl("pypi", &[], &normalised(&package.name), &package.version, &[])
}

fn advisory_keys(package: &Package, _: Option<&Distribution>) -> Vec<AdvisoryKey> {
    let (name, version) = (normalised(&package.name), package.version.clone());
    vec![AdvisoryKey { ecosystem: "PyPI".to_owned(), name, version }]
}

/// PEP 503: lower case, with every run of `-`, `_` and `.` one hyphen.
fn normalised(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '-' | '_' | '.') {
            if !text.ends_with('-') {
                text.push('-');
            }
        } else {
            text.extend(character.to_lowercase());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::normalised;

    #[test]
    fn names() {
        for (name, expected) in
            [("Jinja2", "jinja2"), ("zope.interface", "zope-interface"), ("A__b-._c", "a-b-c")]
        {
            assert_eq!(normalised(name), expected);
        }
    }
}
