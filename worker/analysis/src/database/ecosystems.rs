//! What the compiler knows about OSV's ecosystems: the order of their versions, how their names are spelled, and
//! whether they are distributions. An ecosystem that is not here is kept as it is and counted.

use std::borrow::Cow;

use crate::version::{self, Scheme};

/// How the packages of an ecosystem are spelled as keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// As they are.
    Exact,
    /// Without regard to case (`NuGet`, Packagist).
    Lower,
    /// PEP 503: lower case, each run of `-`, `_` and `.` is one `-`.
    Pep503,
}

/// One ecosystem of the OSV schema, by the name before the first colon.
#[derive(Debug)]
pub(super) struct Row {
    name: &'static str,
    /// Name of the row in [`version::TABLE`].
    scheme: &'static str,
    spelling: Spelling,
    /// Whether its advisories speak of a distribution's packages: they answer flaws rather than name them.
    pub(super) distribution: bool,
    /// Whether an advisory's summary begins with the vendor's rating (`Important: nodejs:14 security update`).
    pub(super) errata: bool,
}

const fn language(name: &'static str, scheme: &'static str) -> Row {
    Row { name, scheme, spelling: Spelling::Exact, distribution: false, errata: false }
}

const fn distribution(name: &'static str, scheme: &'static str) -> Row {
    Row { name, scheme, spelling: Spelling::Exact, distribution: true, errata: false }
}

const fn errata(name: &'static str) -> Row {
    Row { name, scheme: "rpm", spelling: Spelling::Exact, distribution: true, errata: true }
}

/// The ecosystems of the OSV schema that have an order of versions here.
const TABLE: &[Row] = &[
    errata("AlmaLinux"),
    distribution("Alpaquita", "apk"),
    distribution("Alpine", "apk"),
    distribution("Amazon Linux", "rpm"),
    distribution("Azure Linux", "rpm"),
    distribution("BellSoft Hardened Containers", "apk"),
    language("Bitnami", "bitnami"),
    distribution("Chainguard", "apk"),
    distribution("CleanStart", "apk"),
    language("ConanCenter", "semver"),
    language("CRAN", "dotted"),
    language("crates.io", "semver"),
    distribution("Debian", "deb"),
    distribution("Docker Hardened Images", "deb"),
    distribution("Echo", "deb"),
    language("GHC", "dotted"),
    language("GitHub Actions", "semver"),
    language("Go", "go"),
    language("Hackage", "dotted"),
    language("Hex", "semver"),
    language("Julia", "semver-build"),
    distribution("Mageia", "rpm"),
    language("Maven", "maven"),
    distribution("MinimOS", "apk"),
    language("npm", "npm"),
    Row { name: "NuGet", scheme: "nuget", spelling: Spelling::Lower, distribution: false, errata: false },
    language("opam", "opam"),
    distribution("openEuler", "rpm"),
    distribution("openSUSE", "rpm"),
    distribution("Oracle Linux", "rpm"),
    Row {
        name: "Packagist",
        scheme: "packagist",
        spelling: Spelling::Lower,
        distribution: false,
        errata: false,
    },
    distribution("Photon OS", "rpm"),
    language("Pub", "semver-build"),
    Row { name: "PyPI", scheme: "pep440", spelling: Spelling::Pep503, distribution: false, errata: false },
    errata("Red Hat"),
    errata("Rocky Linux"),
    language("RubyGems", "gem"),
    distribution("SUSE", "rpm"),
    language("SwiftURL", "semver"),
    distribution("Ubuntu", "deb"),
    language("VSCode", "semver"),
    distribution("Wolfi", "apk"),
];

/// The names of all rows.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.name)
}

/// The row of an ecosystem, whatever release or channel follows the colon.
pub(super) fn row(ecosystem: &str) -> Option<&'static Row> {
    let base = ecosystem.split(':').next().unwrap_or(ecosystem);
    TABLE.iter().find(|row| row.name == base)
}

/// The order of an ecosystem's versions.
pub(super) fn scheme(ecosystem: &str) -> Option<&'static Scheme> {
    row(ecosystem).and_then(|row| version::by_name(row.scheme))
}

/// The name under which a package stands in the database.
pub(super) fn package_key<'a>(ecosystem: &str, name: &'a str) -> Cow<'a, str> {
    // Asked for every look-up: an ecosystem that is spelled as it is never reaches the table.
    let spelled = matches!(ecosystem.as_bytes().first(), Some(b'N' | b'P'));
    let row = if spelled { row(ecosystem) } else { None };
    match row.map_or(Spelling::Exact, |row| row.spelling) {
        Spelling::Exact => Cow::Borrowed(name),
        Spelling::Lower if name.bytes().any(|byte| byte.is_ascii_uppercase()) => {
            Cow::Owned(name.to_ascii_lowercase())
        }
        Spelling::Lower => Cow::Borrowed(name),
        Spelling::Pep503 if is_pep503(name) => Cow::Borrowed(name),
        Spelling::Pep503 => Cow::Owned(pep503(name)),
    }
}

fn is_pep503(name: &str) -> bool {
    !name.contains("--")
        && name.bytes().all(|byte| byte != b'_' && byte != b'.' && !byte.is_ascii_uppercase())
}

fn pep503(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if key.ends_with('-') => {}
            '-' | '_' | '.' => key.push('-'),
            c => key.push(c.to_ascii_lowercase()),
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::{Spelling, TABLE, package_key, row, scheme};
    use crate::version;

    #[test]
    fn every_row_has_an_order_and_they_are_sorted() {
        for row in TABLE {
            assert!(version::by_name(row.scheme).is_some(), "{}: {}", row.name, row.scheme);
        }
        assert!(TABLE.is_sorted_by_key(|row| row.name.to_ascii_lowercase()));
        let mut spelled = TABLE.iter().filter(|row| row.spelling != Spelling::Exact);
        assert!(
            spelled.all(|row| row.name.starts_with(['N', 'P'])),
            "`package_key` looks at the first letter"
        );
    }

    #[test]
    fn releases_and_channels_belong_to_their_ecosystem() {
        assert_eq!(scheme("Ubuntu:Pro:18.04:LTS").map(|scheme| scheme.name), Some("deb"));
        assert_eq!(scheme("Alpine:v3.10").map(|scheme| scheme.name), Some("apk"));
        assert!(row("Debian").is_some_and(|row| row.distribution));
        assert!(row("Debianish:1").is_none());
    }

    #[test]
    fn names_are_spelled_as_their_registry_compares_them() {
        for (ecosystem, name, key) in [
            ("PyPI", "Zope.Interface", "zope-interface"),
            ("PyPI", "a__b-.c", "a-b-c"),
            ("PyPI", "requests", "requests"),
            ("NuGet", "Newtonsoft.Json", "newtonsoft.json"),
            ("npm", "JSONStream", "JSONStream"),
            ("Packagist", "Symfony/Yaml", "symfony/yaml"),
        ] {
            assert_eq!(package_key(ecosystem, name), key);
        }
    }
}
