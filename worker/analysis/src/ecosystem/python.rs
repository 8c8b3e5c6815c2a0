//! Python: the core metadata that installers leave beside a distribution's files (PEP 376, 427, 566).

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// Python's row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "python",
    revision: 1,
    reads: "`*.dist-info/METADATA`, `*.egg-info`, `*.egg-info/PKG-INFO`, `EGG-INFO/PKG-INFO`",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::PEP440,
    system: false,
};

fn wants(candidate: Candidate<'_>) -> Want {
    let parent = || candidate.path.rsplit('/').nth(1).unwrap_or_default();
    let wanted = match candidate.name {
        "METADATA" => parent().ends_with(".dist-info"),
        "PKG-INFO" => parent().ends_with(".egg-info") || parent() == "EGG-INFO",
        name => name.ends_with(".egg-info"),
    };
    if wanted { Want::Whole } else { Want::No }
}

/// Header lines as in a mail, up to the first empty line. The encoding is UTF-8, or Latin-1 in old files; the two
/// fields that matter are ASCII in both.
fn parse(file: File<'_>, facts: &mut Facts) {
    let (mut name, mut version) = (String::new(), String::new());
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file.bytes);
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
    facts.packages.push(Package { name, version, ..Package::default() });
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
