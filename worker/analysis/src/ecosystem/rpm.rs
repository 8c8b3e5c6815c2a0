//! rpm: the package databases of Red Hat, SUSE, Amazon, Azure, Mageia, Photon and their kin.
//!
//! Three formats behind three directories, told apart by how the file starts: [`sqlite`], [`ndb`], [`bdb`]. Each
//! yields headers ([`header`]). Images without a database may carry a table of text ([`manifest`]). A file that names
//! no package is a problem: an empty list would look clean.

mod bdb;
mod content;
mod distro;
mod dockerfile;
mod header;
mod manifest;
mod ndb;
mod sqlite;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package, Problem},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "rpm",
    revision: 2,
    reads: "rpm databases (SQLite, NDB, Berkeley DB hash), container-manifest-2, Red Hat's content manifests and build labels",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::RPM,
    system: true,
};

const DIRECTORIES: [&str; 3] = ["var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"];
const FILES: [&str; 4] = ["Packages", "Packages.db", "rpmdb.sqlite", "rpmdb.sqlite-wal"];
const MANIFEST: &str = "var/lib/rpmmanifest/container-manifest-2";

/// Bytes of all paths that one database may own: 100 for each of 1.3 million files.
const OWNED_BYTES: usize = 128 << 20;
/// Bytes of one path.
const PATH_BYTES: usize = 4_096;
/// Problems that one database may report; the count of the others is one more.
const PROBLEMS: usize = 16;

/// Vendors whose packages belong to their distribution, by how the vendor's name starts. The files of other vendors'
/// packages hide no language package: the distribution's advisories say nothing about them.
const VENDORS: &[&str] = &[
    "AlmaLinux",
    "Amazon Linux",
    "Amazon.com",
    "CentOS",
    "CloudLinux",
    "Fedora Project",
    "Mageia.Org",
    "Oracle America",
    "Red Hat",
    "Rocky",
    "SUSE",
    "VMware",
    "http://openeuler.org",
    "openEuler",
    "openSUSE",
];

fn wants(candidate: Candidate<'_>) -> Want {
    let database = FILES.contains(&candidate.name)
        && DIRECTORIES.iter().any(|directory| candidate.path.strip_prefix(directory) == Some(candidate.name));
    if database || candidate.path == MANIFEST || content::wants(candidate.path) {
        Want::Whole
    } else {
        Want::No
    }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    if content::wants(file.path) {
        return content::parse(file, facts);
    }
    let mut collector = Collector::new(&file);
    if file.path.ends_with("-wal") {
        if sqlite::log_has_frames(file.bytes) {
            collector.damage("it is a write-ahead log with content that the database may lack".to_owned());
        }
        return collector.finish(facts, false);
    }
    if file.path.ends_with("container-manifest-2") {
        manifest::scan(file.bytes, &mut collector);
    } else if file.bytes.starts_with(sqlite::MAGIC) {
        sqlite::scan(file.bytes, &mut collector);
    } else if file.bytes.starts_with(ndb::MAGIC) {
        ndb::scan(file.bytes, &mut collector);
    } else if let Some(order) = bdb::order(file.bytes) {
        bdb::scan(file.bytes, order, &mut collector);
    } else {
        collector.damage("it is no rpm database of a known format".to_owned());
    }
    collector.finish(facts, true);
}

/// A package as the formats give it.
#[derive(Debug, Default)]
struct Raw {
    name: String,
    version: String,
    release: String,
    /// 0 where there is none: rpm orders both alike.
    epoch: u32,
    architecture: String,
    source_rpm: String,
    vendor: String,
    modularity: String,
}

/// Gathers what the readers of the formats find.
struct Collector<'a> {
    file: &'a str,
    packages: Vec<Package>,
    /// The source package of each of `packages`, and its epoch.
    sources: Vec<(String, u32)>,
    owned: Vec<String>,
    owned_bytes: usize,
    problems: Vec<Problem>,
    suppressed: u64,
    /// Packages that may still come.
    room: usize,
}

impl<'a> Collector<'a> {
    fn new(file: &File<'a>) -> Self {
        Self {
            file: file.path,
            room: file.limits.packages,
            packages: Vec::new(),
            sources: Vec::new(),
            owned: Vec::new(),
            owned_bytes: 0,
            problems: Vec::new(),
            suppressed: 0,
        }
    }

    fn problem(&self, message: String) -> Problem {
        Problem { code: "unreadable-database".into(), message, file: self.file.to_owned() }
    }

    /// Something of the database could not be read.
    fn damage(&mut self, message: String) {
        if self.problems.len() < PROBLEMS {
            let problem = self.problem(message);
            self.problems.push(problem);
        } else {
            self.suppressed += 1;
        }
    }

    /// One header, as the three formats hold it.
    fn header(&mut self, blob: &[u8]) {
        let Some(header) = header::read(blob) else {
            return self.damage("the header of a package is malformed".to_owned());
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.package(&Raw {
            name: text(header.name),
            version: text(header.version),
            release: text(header.release),
            epoch: header.epoch.unwrap_or(0),
            architecture: text(header.architecture),
            source_rpm: text(header.source_rpm),
            vendor: text(header.vendor),
            modularity: text(header.modularity),
        });
        if of_distribution(&header) {
            self.own(&header.files);
        }
    }

    fn package(&mut self, raw: &Raw) {
        let Some(room) = self.room.checked_sub(1) else {
            return self.damage("it names more packages than are read".to_owned());
        };
        self.room = room;
        let mut package = Package {
            name: raw.name.clone(),
            version: evr(raw.epoch, &raw.version, &raw.release),
            architecture: raw.architecture.clone(),
            ..Package::default()
        };
        for (key, value) in [("vendor", &raw.vendor), ("modularity", &raw.modularity)] {
            if !value.is_empty() {
                package.properties.insert(key.to_owned(), value.clone());
            }
        }
        self.packages.push(package);
        self.sources.push((raw.source_rpm.clone(), raw.epoch));
    }

    fn own(&mut self, files: &header::Files<'_>) {
        let mut skipped = 0_u64;
        for file in files.iter() {
            let Some((directory, name)) = file else {
                skipped += 1;
                continue;
            };
            let directory = directory.strip_prefix(b"/").unwrap_or(directory);
            let length = directory.len().saturating_add(name.len());
            if length > PATH_BYTES || length > OWNED_BYTES - self.owned_bytes {
                skipped += 1;
                continue;
            }
            self.owned_bytes += length;
            let mut path = String::from_utf8_lossy(directory).into_owned();
            path.push_str(&String::from_utf8_lossy(name));
            self.owned.push(path);
        }
        if skipped > 0 {
            let name = self.packages.last().map_or("", |package| package.name.as_str());
            let message = format!("{skipped} paths of package {name} could not be read");
            self.damage(message);
        }
    }

    fn finish(mut self, facts: &mut Facts, expects_packages: bool) {
        if expects_packages && self.packages.is_empty() && self.problems.is_empty() {
            self.damage("it names no package".to_owned());
        }
        self.name_sources();
        if self.suppressed > 0 {
            let message = format!("{} further parts could not be read", self.suppressed);
            let problem = self.problem(message);
            self.problems.push(problem);
        }
        facts.packages.append(&mut self.packages);
        facts.owned.append(&mut self.owned);
        facts.problems.append(&mut self.problems);
    }

    /// Fills in the source packages. The file name of a source package carries no epoch: the binary package of the same
    /// name knows it; where none is installed, the package's own is the best guess that rpm's tools make too.
    fn name_sources(&mut self) {
        let mut epochs: HashMap<&str, u32> = HashMap::new();
        for (package, (source, epoch)) in self.packages.iter().zip(&self.sources) {
            if source_parts(source).is_some_and(|(name, _, _)| name == package.name) {
                epochs.insert(source, *epoch);
            }
        }
        for (package, (source, epoch)) in self.packages.iter_mut().zip(&self.sources) {
            let Some((name, version, release)) = source_parts(source) else { continue };
            if name != package.name {
                name.clone_into(&mut package.source_name);
            }
            let version = evr(epochs.get(source.as_str()).copied().unwrap_or(*epoch), version, release);
            if version != package.version {
                package.source_version = version;
            }
        }
    }
}

/// Whether the distribution answers for a package. Microsoft builds for its own distributions and for others': only the
/// release of the former says `.cm2` or `.azl3`.
fn of_distribution(header: &header::Header<'_>) -> bool {
    let vendor = |name: &str| header.vendor.starts_with(name.as_bytes());
    let release = String::from_utf8_lossy(header.release);
    VENDORS.iter().any(|name| vendor(name))
        || vendor("Microsoft Corporation") && (release.contains(".cm") || release.contains(".azl"))
}

/// `epoch:version-release`, as rpm's `EVR` prints it; an epoch of 0 is not written.
fn evr(epoch: u32, version: &str, release: &str) -> String {
    let mut text = if epoch == 0 { String::new() } else { format!("{epoch}:") };
    text.push_str(version);
    if !release.is_empty() {
        text.push('-');
        text.push_str(release);
    }
    text
}

/// Name, version and release of `bash-4.4.20-1.el8.src.rpm`.
fn source_parts(file: &str) -> Option<(&str, &str, &str)> {
    let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some((name, version, release))
}

fn package_url(package: &Package, distribution: Option<&Distribution>) -> String {
    let (epoch, version) = match package.version.split_once(':') {
        Some((epoch, version)) => (epoch, version),
        None => ("", package.version.as_str()),
    };
    let unknown = Distribution::default();
    let distribution = distribution.unwrap_or(&unknown);
    let namespace = distro::find(distribution).map_or(distribution.id.as_str(), |row| row.namespace);
    let mut distro = distribution.id.clone();
    if !distro.is_empty() && !distribution.version.is_empty() {
        distro.push('-');
        distro.push_str(&distribution.version);
    }
    let qualifiers = [("arch", package.architecture.as_str()), ("epoch", epoch), ("distro", &distro)];
    purl("rpm", &[namespace], &package.name, version, &qualifiers)
}

fn advisory_keys(package: &Package, distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    let Some(distribution) = distribution else { return Vec::new() };
    distro::find(distribution).map_or_else(Vec::new, |row| row.keys(package, distribution))
}
