//! Package URLs → packages of the rows that know them.

use std::collections::BTreeMap;

use super::document::{Document, Item};
use crate::{
    ecosystem::{
        self,
        sbom::document::{Parts, parts},
    },
    model::Package,
};

/// What a document's package URLs come to.
#[derive(Default)]
pub(super) struct Read {
    /// By the file that says so and the row's name.
    pub(super) packages: BTreeMap<(String, &'static str), Vec<Package>>,
    /// Packages that no row knows, by type.
    pub(super) left_out: BTreeMap<String, Vec<String>>,
    /// Whether there are system packages.
    pub(super) system: bool,
    /// Whether one of them names its source package.
    pub(super) sources: bool,
}

/// Types of package URLs and the rows that know such packages. Those of languages keep their URL.
const ROWS: &[(&str, &str)] = &[
    ("deb", "dpkg"),
    ("apk", "apk"),
    ("rpm", "rpm"),
    ("bitnami", "sbom-bitnami"),
    ("npm", "sbom-npm"),
    ("pypi", "sbom-pypi"),
    ("maven", "sbom-maven"),
    ("golang", "sbom-golang"),
    ("cargo", "sbom-cargo"),
    ("gem", "sbom-gem"),
    ("composer", "sbom-composer"),
    ("nuget", "sbom-nuget"),
    ("pub", "dart"),
    ("hex", "erlang"),
    ("cran", "r"),
];

/// Bytes of a path.
const LONGEST: usize = 4096;

/// Types that name the image itself, or nothing that has advisories of its own.
const OTHERS: &[&str] = &["oci", "docker"];

pub(super) fn read(document: &Document) -> Read {
    let mut read = Read::default();
    for item in &document.items {
        let Some(parts) = parts(&item.purl) else {
            read.left_out.entry("unknown (no package URL)".to_owned()).or_default().push(item.purl.clone());
            continue;
        };
        if OTHERS.contains(&parts.kind.as_str()) {
            continue;
        }
        let row = ROWS.iter().find(|(kind, _)| *kind == parts.kind);
        let row = row.and_then(|(_, row)| ecosystem::by_name(row)).filter(|_| !parts.version.is_empty());
        let system = row.is_some_and(|row| row.system);
        read.system |= system;
        read.sources |= system && source(item, &parts).is_some();
        let Some(row) = row else {
            let without = if parts.version.is_empty() { " without a version" } else { "" };
            let name = format!("{}{without}", parts.name);
            read.left_out.entry(parts.kind).or_default().push(name);
            continue;
        };
        // Databases of package managers have rules of their own about their places.
        let file = if row.system || !is_path(&item.file) { super::PLACE } else { &item.file };
        let packages = read.packages.entry((file.to_owned(), row.name)).or_default();
        packages.push(package(item, parts, row.system));
    }
    read
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}

fn package(item: &Item, parts: Parts, system: bool) -> Package {
    if system {
        return system_package(item, &parts);
    }
    let separator = if parts.kind == "maven" { ":" } else { "/" };
    let mut name = parts.namespace;
    if !name.is_empty() {
        name.push_str(separator);
    }
    name.push_str(&parts.name);
    // Package URLs of some ecosystems have the name in a normal form.
    if normal(&item.name) == normal(&name) {
        name.clone_from(&item.name);
    }
    let properties = BTreeMap::from([("purl".to_owned(), item.purl.clone())]);
    Package { name, version: parts.version, properties, ..Package::default() }
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

/// A distribution's package. The source package is what Syft's `upstream` qualifier or Trivy's properties say.
fn system_package(item: &Item, parts: &Parts) -> Package {
    let get = |key: &str| parts.qualifiers.get(key).cloned().unwrap_or_default();
    let mut package = Package {
        name: parts.name.clone(),
        version: with_epoch(&get("epoch"), &parts.version),
        architecture: get("arch"),
        ..Package::default()
    };
    if parts.kind == "deb" && package.architecture == "source" {
        package.architecture.clear();
    }
    let (name, version) = source(item, parts).unwrap_or_default();
    if !name.is_empty() && name != package.name {
        package.source_name = name;
    }
    if !version.is_empty() && version != package.version {
        package.source_version = version;
    }
    for (key, value) in
        [("modularity", get("rpmmod")), ("vendor", property(item, "aquasecurity:trivy:Vendor"))]
    {
        if !value.is_empty() {
            package.properties.insert(key.to_owned(), value);
        }
    }
    package
}

/// `2.36-9` of epoch 1 is `1:2.36-9`; the epoch 0 is not written.
fn with_epoch(epoch: &str, version: &str) -> String {
    if matches!(epoch, "" | "0") || version.contains(':') {
        version.to_owned()
    } else {
        format!("{epoch}:{version}")
    }
}

fn property(item: &Item, name: &str) -> String {
    item.properties.get(name).cloned().unwrap_or_default()
}

/// Name and version of the source package, where they are told; the version is empty where it is not.
fn source(item: &Item, parts: &Parts) -> Option<(String, String)> {
    let upstream = parts.qualifiers.get("upstream").map_or("", String::as_str);
    if let Some(file) = upstream.strip_suffix(".src.rpm") {
        // `bash-5.1.8-6.el9`: the last two dashes part version and release.
        let mut words = file.rsplitn(3, '-');
        let (release, version, name) = (words.next(), words.next(), words.next());
        if let (Some(release), Some(version), Some(name)) = (release, version, name) {
            let epoch = parts.qualifiers.get("epoch").map_or("", String::as_str);
            return Some((name.to_owned(), with_epoch(epoch, &format!("{version}-{release}"))));
        }
    }
    if !upstream.is_empty() {
        let (name, version) = upstream.split_once('@').unwrap_or((upstream, ""));
        return Some((name.to_owned(), version.to_owned()));
    }
    let own = [property(item, "strata:source"), property(item, "strata:source-version")];
    if own.iter().any(|word| !word.is_empty()) {
        let [name, version] = own;
        return Some((if name.is_empty() { parts.name.clone() } else { name }, version));
    }
    if !item.built_from.is_empty() {
        let (name, version) = item.built_from.split_once(' ').unwrap_or((&item.built_from, ""));
        return Some((name.to_owned(), version.to_owned()));
    }
    let trivy = |name: &str| property(item, &format!("aquasecurity:trivy:{name}"));
    let (name, version, release) = (trivy("SrcName"), trivy("SrcVersion"), trivy("SrcRelease"));
    if name.is_empty() {
        return None;
    }
    let version =
        if release.is_empty() || version.is_empty() { version } else { format!("{version}-{release}") };
    let version = if version.is_empty() { version } else { with_epoch(&trivy("SrcEpoch"), &version) };
    Some((name, version))
}

/// The distribution of a system package's URL: `distro=debian-12`, with the namespace where that says no name.
pub(super) fn distribution(purl: &str) -> Option<(String, String)> {
    let parts = parts(purl).filter(|parts| ["deb", "apk", "rpm", "alpm"].contains(&parts.kind.as_str()))?;
    let told = parts.qualifiers.get("distro")?;
    // `3.19.1` and `bookworm` name a release alone.
    match told.rsplit_once('-') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => {
            Some((name.to_owned(), version.to_owned()))
        }
        _ if !parts.namespace.is_empty() => Some((parts.namespace, told.clone())),
        _ => None,
    }
}
