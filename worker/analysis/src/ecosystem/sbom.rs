//! Bills of materials that lie in an image: CycloneDX and SPDX as JSON, Bitnami's among them.
//!
//! One document names packages of many ecosystems, and each has an order of its versions: so there is a row for each kind of
//! package URL, and each reads the same files for its own kind. Operating system packages are left to the database of
//! their package manager, which knows better.

pub(crate) mod document;

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    version::{self, Scheme},
};

/// The rows.
pub(super) static BITNAMI: Ecosystem = row::<0>("sbom-bitnami", &version::BITNAMI);
pub(super) static NPM: Ecosystem = row::<1>("sbom-npm", &version::NPM);
pub(super) static PYPI: Ecosystem = row::<2>("sbom-pypi", &version::PEP440);
pub(super) static MAVEN: Ecosystem = row::<3>("sbom-maven", &version::MAVEN);
pub(super) static GO: Ecosystem = row::<4>("sbom-golang", &version::GO);
pub(super) static CARGO: Ecosystem = row::<5>("sbom-cargo", &version::SEMVER);
pub(super) static GEM: Ecosystem = row::<6>("sbom-gem", &version::GEM);
pub(super) static COMPOSER: Ecosystem = row::<7>("sbom-composer", &version::PACKAGIST);
pub(super) static NUGET: Ecosystem = row::<8>("sbom-nuget", &version::NUGET);

/// A kind of package URL.
struct Kind {
    /// Its type.
    purl: &'static str,
    /// OSV's ecosystem, in parts where it is a host's name.
    ecosystem: [&'static str; 2],
    /// What parts the namespace from the name in advisories.
    separator: &'static str,
}

const fn kind(purl: &'static str, ecosystem: [&'static str; 2], separator: &'static str) -> Kind {
    Kind { purl, ecosystem, separator }
}

const KINDS: [Kind; 9] = [
    kind("bitnami", ["Bitnami", ""], "/"),
    kind("npm", ["npm", ""], "/"),
    kind("pypi", ["PyPI", ""], "/"),
    kind("maven", ["Maven", ""], ":"),
    kind("golang", ["Go", ""], "/"),
    kind("cargo", ["crates", "io"], "/"),
    kind("gem", ["RubyGems", ""], "/"),
    kind("composer", ["Packagist", ""], "/"),
    kind("nuget", ["NuGet", ""], "/"),
];

const fn row<const N: usize>(name: &'static str, order: &'static Scheme) -> Ecosystem {
    Ecosystem {
        name,
        revision: 1,
        reads: "embedded CycloneDX and SPDX JSON (*.cdx.json, bom.json, *.spdx.json, Bitnami's .spdx-*.spdx)",
        wants,
        parse: parse::<N>,
        purl,
        advisory_keys: advisory_keys::<N>,
        order,
        system: false,
    }
}

/// Names that other documents have too.
const PLAIN_NAMES: [&str; 4] = ["bom.json", "sbom.json", "cyclonedx.json", "spdx.json"];

fn wants(candidate: Candidate<'_>) -> Want {
    let name = candidate.name;
    let wanted = name.ends_with(".cdx.json")
        || name.ends_with(".spdx.json")
        || PLAIN_NAMES.contains(&name)
        || name.starts_with(".spdx-") && name.ends_with(".spdx");
    if wanted { Want::Whole } else { Want::No }
}

fn parse<const N: usize>(file: File<'_>, facts: &mut Facts) {
    let Some(kind) = KINDS.get(N) else { return };
    let mut problems = Facts::default();
    let Some(urls) = document::package_urls(file, &mut problems) else {
        // The first row speaks for all of them, and of files whose names say that they are such documents.
        if N == 0 && !PLAIN_NAMES.iter().any(|name| file.path.rsplit('/').next() == Some(name)) {
            facts.problems.append(&mut problems.problems);
        }
        return;
    };
    for url in urls {
        let Some(parts) = document::parts(&url).filter(|parts| parts.kind == kind.purl) else { continue };
        if parts.version.is_empty() {
            continue;
        }
        let mut name = parts.namespace;
        if !name.is_empty() {
            name.push_str(kind.separator);
        }
        name.push_str(&parts.name);
        facts.package(file, Package::plain(name, parts.version).with("purl", &url));
    }
}

fn purl(package: &Package, _distribution: Option<&Distribution>) -> String {
    package.properties.get("purl").cloned().unwrap_or_default()
}

fn advisory_keys<const N: usize>(
    package: &Package,
    _distribution: Option<&Distribution>,
) -> Vec<AdvisoryKey> {
    let Some(kind) = KINDS.get(N) else { return Vec::new() };
    let [ecosystem, rest] = kind.ecosystem;
    if rest.is_empty() {
        AdvisoryKey::plain(ecosystem, package)
    } else {
        AdvisoryKey::plain(&[ecosystem, rest].join("."), package)
    }
}
