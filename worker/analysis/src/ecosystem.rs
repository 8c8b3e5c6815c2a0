//! Package formats: one row and one file each. A newcomer adds `ecosystem/<name>.rs`, its `mod` line and its row in
//! [`TABLE`]; the fingerprint, the documentation table and the fuzz targets derive from the table.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod published;

mod apk;
pub(crate) mod binary;
mod bottlerocket;
mod chisel;
mod composer;
mod conda;
mod dart;
mod dotnet;
mod dpkg;
mod erlang;
mod gem;
mod go;
mod java;
mod julia;
mod lua;
mod npm;
mod opkg;
mod pacman;
mod portage;
mod python;
mod r;
mod rpm;
mod rust;
pub(crate) mod sbom;
mod swift;
mod wordpress;

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    limits::Limits,
    model::{Distribution, Package, Problem},
    version::Scheme,
};

/// What a row answers about a path it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Not this row's file.
    No,
    /// The row wants the file's whole content.
    Whole,
}

/// A path as rows see it, with what the tar's header says of the entry.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Normalised path.
    pub path: &'a str,
    /// The last component of `path`.
    pub name: &'a str,
    /// Size in bytes.
    pub size: u64,
    /// Whether a bit of the mode says that it can be executed.
    pub executable: bool,
}

/// A wanted file.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Normalised path.
    pub path: &'a str,
    /// Whole content.
    pub bytes: &'a [u8],
    /// Bounds for what the parser opens in turn (archives within archives).
    pub limits: &'a Limits,
}

/// What a parser found in one file. Bad content gives facts plus problems, never an error and never a panic.
#[derive(Debug, Default)]
pub struct Facts {
    /// Packages, in the file's order.
    pub packages: Vec<Package>,
    /// Paths that installed packages own: with or without a leading slash, all of them; *index* keeps what matters.
    /// Leave out what packages of third-party vendors own: no distribution answers for the libraries in them.
    pub owned: Vec<String>,
    /// The package that owns `owned`, where this file itself names none (dpkg's `info/*.list`); else empty.
    pub owner: String,
    /// What the file says of the image rather than of a package (`content-sets`): it reaches
    /// [`Distribution::fields`] under this key, and so `purl` and `advisory_keys`.
    pub notes: BTreeMap<String, String>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Bytes of the texts of `packages` and `owned`.
    text: usize,
}

/// Problems of one file that are listed.
const PROBLEMS: usize = 200;

/// Bytes of a file that is read as one text: the longest real ones, bills of a whole system's files, have some MiB.
const TEXT_BYTES: usize = 64 << 20;

/// Bytes of all that one file may leave in an inventory: its packages' texts and its owned paths.
const FACTS_BYTES: usize = 64 << 20;

impl Facts {
    /// Adds a problem with this file.
    pub fn problem(&mut self, code: &'static str, file: File<'_>, message: impl Into<String>) {
        let (code, message) = match self.problems.len() {
            ..PROBLEMS => (code, message.into()),
            PROBLEMS => ("limit", "further problems of this file are not listed".to_owned()),
            _ => return,
        };
        self.problems.push(Problem { code: code.into(), message, file: file.path.to_owned() });
    }

    /// Adds a package; beyond the limit on packages, or on their texts, a problem instead, once.
    pub fn package(&mut self, file: File<'_>, package: Package) {
        let text = self.text.saturating_add(package.text_bytes());
        if self.packages.len() < file.limits.packages && text <= FACTS_BYTES {
            self.text = text;
            self.packages.push(package);
        } else if self.problems.last().is_none_or(|problem| problem.code != "limit") {
            self.problem("limit", file, "it names more packages than are read");
        }
    }

    /// Adds a property to the package at that place, as far as it was kept.
    pub(crate) fn property(&mut self, place: usize, name: &str, value: String) {
        if let Some(package) = self.packages.get_mut(place) {
            self.text = self.text.saturating_add(name.len() + value.len());
            package.properties.insert(name.to_owned(), value);
        }
    }

    /// Adds a path that the package owns; beyond the limit on records, or on their texts, a problem instead, once.
    pub fn own(&mut self, file: File<'_>, path: impl Into<String>) {
        let path = path.into();
        let text = self.text.saturating_add(path.len());
        if self.owned.len() < file.limits.records && text <= FACTS_BYTES {
            self.text = text;
            self.owned.push(path);
        } else if self.problems.last().is_none_or(|problem| problem.code != "limit") {
            self.problem("limit", file, "it names more files than are read");
        }
    }

    /// The file as text, invalid UTF-8 replaced. `None` after a problem where it is too long for that: a file that was
    /// spooled because of its size would come into memory as a whole.
    pub fn text<'a>(&mut self, file: File<'a>) -> Option<Cow<'a, str>> {
        if file.bytes.len() > TEXT_BYTES {
            self.problem("limit", file, format!("has more than {TEXT_BYTES} bytes and was not read"));
            return None;
        }
        Some(String::from_utf8_lossy(file.bytes))
    }
}

/// Where advisories on a package stand, and what they are compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdvisoryKey {
    /// Ecosystem as OSV's export spells it in `affected[].package.ecosystem`: `Debian:12`, `npm`.
    pub ecosystem: String,
    /// Package name there: the source package of a Debian package, the normalised name of a Python one.
    pub name: String,
    /// The version that counts there: the source package's for a Debian package.
    pub version: String,
}

/// One package format: everything that Strata knows about it.
pub struct Ecosystem {
    /// Name in code, reports, tests and documents: `dpkg`.
    pub name: &'static str,
    /// Raised whenever the parser's output for some input changes: part of the fingerprint.
    pub revision: u32,
    /// What it reads, for the coverage table.
    pub reads: &'static str,
    /// Whether a path is this row's. Cheap: it is asked for every entry of every layer.
    pub wants: fn(Candidate<'_>) -> Want,
    /// Reads one wanted file.
    pub parse: fn(File<'_>, &mut Facts),
    /// Package URL of one package (purl specification; namespace and qualifiers from the distribution for OS packages).
    pub purl: fn(&Package, Option<&Distribution>) -> String,
    /// Where advisories on the package stand, the most telling first; several where one release has several
    /// channels (`Ubuntu:22.04:LTS`, `Ubuntu:Pro:22.04:LTS`). Empty when there can be none (an unknown distribution).
    pub advisory_keys: fn(&Package, Option<&Distribution>) -> Vec<AdvisoryKey>,
    /// Order of its versions.
    pub order: &'static Scheme,
    /// Whether it is an operating system's package database: its `owned` paths hide language packages,
    /// and its packages belong to the distribution.
    pub system: bool,
}

/// Every package format, in the order in which they are asked.
pub static TABLE: &[&Ecosystem] = &[
    &dpkg::ROW,
    &chisel::ROW,
    &apk::ROW,
    &rpm::ROW,
    &pacman::ROW,
    &opkg::ROW,
    &portage::ROW,
    &bottlerocket::ROW,
    &npm::ROW,
    &python::ROW,
    &java::ROW,
    &go::ROW,
    &rust::ROW,
    &gem::ROW,
    &composer::ROW,
    &dotnet::ROW,
    &conda::ROW,
    &r::ROW,
    &lua::ROW,
    &erlang::ROW,
    &julia::ROW,
    &swift::ROW,
    &dart::ROW,
    &wordpress::ROW,
    &binary::ROW,
    &sbom::BITNAMI,
    &sbom::NPM,
    &sbom::PYPI,
    &sbom::MAVEN,
    &sbom::GO,
    &sbom::CARGO,
    &sbom::GEM,
    &sbom::COMPOSER,
    &sbom::NUGET,
];

/// Where package databases stand, and the row that reads them there: a link may stand at such a path, or at a directory
/// above it, and the database elsewhere under the same last name.
pub(crate) static DATABASES: &[(&str, &str)] = &[
    ("var/lib/dpkg/status", "dpkg"),
    ("lib/apk/db/installed", "apk"),
    ("usr/lib/apk/db/installed", "apk"),
    ("var/lib/rpm/rpmdb.sqlite", "rpm"),
    ("var/lib/rpm/Packages.db", "rpm"),
    ("var/lib/rpm/Packages", "rpm"),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite", "rpm"),
    ("usr/lib/sysimage/rpm/Packages.db", "rpm"),
    ("usr/lib/sysimage/rpm/Packages", "rpm"),
];

/// The row of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Ecosystem> {
    TABLE.iter().copied().find(|row| row.name == name)
}

/// The rows that want this file: for its path, or because it may be a database for which a link stands in.
pub(crate) fn wanting(candidate: Candidate<'_>) -> Vec<&'static Ecosystem> {
    let mut rows: Vec<&'static Ecosystem> = Vec::new();
    // Asked once for all rows: this is done for every entry of every layer.
    let namesake = DATABASES.iter().any(|(path, _)| is_last(path, candidate.name));
    for row in TABLE {
        if (row.wants)(candidate) == Want::Whole || namesake && is_namesake(row, candidate.name) {
            rows.push(row);
        }
    }
    rows
}

/// Rows that read nothing of a program but what [`executable::excerpt`](crate::executable::excerpt) keeps, and the end of the
/// paths that they read as texts.
const EXCERPTED: [(&str, &str); 2] = [("go", "go/VERSION"), ("rust", "Cargo.lock")];

/// Whether an excerpt of the file is enough for all rows that want it.
pub(crate) fn reads_excerpt(candidate: Candidate<'_>) -> bool {
    let is_enough = |row: &&Ecosystem| {
        EXCERPTED.iter().any(|(name, text)| row.name == *name && !candidate.path.ends_with(text))
    };
    let rows = wanting(candidate);
    !rows.is_empty() && rows.iter().all(is_enough)
}

/// Whether the row would not read this path by itself, so that its facts count only where a link leads to them.
pub(crate) fn is_stand_in(row: &Ecosystem, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    row.system
        && is_namesake(row, name)
        && (row.wants)(Candidate { path, name, size: 0, executable: false }) == Want::No
}

fn is_namesake(row: &Ecosystem, name: &str) -> bool {
    row.system && DATABASES.iter().any(|(path, of)| is_last(path, name) && *of == row.name)
}

fn is_last(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|parent| parent.ends_with('/'))
}

/// Whether a language row could want a path of which nothing but its name is known.
pub(crate) fn may_hold_packages(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    // `perl5.36.0` and `python3.11` are programs, and so is `beam.smp`, whose signature is known; what else has an
    // extension is none.
    let plain = |extension: &str| extension.bytes().all(|byte| byte.is_ascii_digit());
    let program = (name.rsplit_once('.').is_none_or(|(_, extension)| plain(extension))
        || binary::is_known(name))
        && ["bin/", "sbin/", "usr/", "opt/", "lib/"].iter().any(|start| path.starts_with(start))
        && !path.starts_with("usr/share/");
    let candidate = Candidate { path, name, size: 1 << 20, executable: program };
    TABLE.iter().any(|row| !row.system && (row.wants)(candidate) == Want::Whole)
}
