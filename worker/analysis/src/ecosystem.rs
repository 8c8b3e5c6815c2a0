//! Package formats: one row and one file each. A newcomer adds `ecosystem/<name>.rs`, its `mod` line and its row in
//! [`TABLE`]; the fingerprint, the documentation table and the fuzz targets derive from the table.

use crate::{
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
}

/// What a parser found in one file. Bad content gives facts plus problems, never an error and never a panic.
#[derive(Debug, Default)]
pub struct Facts {
    /// Packages, in the file's order.
    pub packages: Vec<Package>,
    /// Normalised paths that these packages own.
    pub owned: Vec<String>,
    /// What could not be read.
    pub problems: Vec<Problem>,
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
    /// The key under which advisories stand in OSV's export: (ecosystem, package name), for example
    /// `("Debian:12", "openssl")` by source name, `("npm", "lodash")`, `("PyPI", "jinja2")` by normalised name.
    /// `None` when there can be no advisories (an unknown distribution).
    pub advisory_key: fn(&Package, Option<&Distribution>) -> Option<(String, String)>,
    /// Order of its versions.
    pub order: &'static Scheme,
    /// Whether it is an operating system's package database: its `owned` paths hide language packages,
    /// and its packages belong to the distribution.
    pub system: bool,
}

/// Every package format, in the order in which they are asked.
pub const TABLE: &[&Ecosystem] = &[];

/// The row of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Ecosystem> {
    TABLE.iter().copied().find(|row| row.name == name)
}
