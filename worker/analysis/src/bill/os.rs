//! The distribution that a document is about: its operating-system component, else what all package URLs of system packages
//! name in their qualifiers.

use std::collections::{BTreeMap, BTreeSet};

use super::{document::Document, packages};

/// Names by which other tools know a distribution, and its `ID` in os-release.
const NAMES: &[(&str, &str)] = &[
    ("redhat", "rhel"),
    ("red hat enterprise linux", "rhel"),
    ("amazon", "amzn"),
    ("amazon linux", "amzn"),
    ("oracle", "ol"),
    ("oraclelinux", "ol"),
    ("alma", "almalinux"),
    ("suse linux enterprise server", "sles"),
    ("suse", "sles"),
    ("opensuse leap", "opensuse-leap"),
    ("opensuse.leap", "opensuse-leap"),
    ("opensuse tumbleweed", "opensuse-tumbleweed"),
    ("opensuse.tumbleweed", "opensuse-tumbleweed"),
    ("cbl-mariner", "mariner"),
    ("azure linux", "azurelinux"),
];

/// The fields of an os-release file; `None` where nothing is said, and an error where two things are.
pub(super) fn of(document: &Document) -> Result<Option<BTreeMap<String, String>>, String> {
    let named: BTreeSet<&[String; 3]> = document.systems.iter().collect();
    let mut named = named.into_iter();
    if let Some([name, version, cpe]) = named.next() {
        if let Some([other, another, _]) = named.next() {
            return Err(format!(
                "the document names two operating systems, {name} {version} and {other} {another}"
            ));
        }
        return Ok(Some(fields(name, version, cpe)));
    }
    let told: BTreeSet<(String, String)> =
        document.items.iter().filter_map(|item| packages::distribution(&item.purl)).collect();
    let mut told = told.into_iter();
    match (told.next(), told.next()) {
        (None, _) => Ok(None),
        (Some((name, version)), None) => Ok(Some(fields(&name, &version, ""))),
        (Some((name, version)), Some((other, another))) => Err(format!(
            "the packages are of several distributions, {name} {version} and {other} {another} among them"
        )),
    }
}

fn fields(name: &str, version: &str, cpe: &str) -> BTreeMap<String, String> {
    let lower = name.to_lowercase();
    let known = NAMES.iter().find(|(other, _)| *other == lower);
    let id = known.map_or_else(|| lower.replace(' ', "-"), |(_, id)| (*id).to_owned());
    let mut fields = BTreeMap::from([("ID".to_owned(), id)]);
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            fields.insert(key.to_owned(), value.to_owned());
        }
    };
    // A code name stands where a number could: bookworm.
    let is_number = version.starts_with(|first: char| first.is_ascii_digit());
    add(if is_number { "VERSION_ID" } else { "VERSION_CODENAME" }, version);
    add("PRETTY_NAME", format!("{name} {version}").trim());
    add("CPE_NAME", cpe);
    fields
}
