//! *assess*: contents and an advisory database → findings.

use crate::{
    database::Database,
    model::{Contents, Problem},
};

/// How bad an advisory says that it is, worst last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No rating: unknown is not harmless.
    #[default]
    Unknown,
    /// The distribution calls it negligible or unimportant.
    Negligible,
    /// CVSS 0.1 to 3.9.
    Low,
    /// CVSS 4.0 to 6.9.
    Medium,
    /// CVSS 7.0 to 8.9.
    High,
    /// CVSS 9.0 to 10.0.
    Critical,
}

/// Whether, and how, the package's distributor answers an advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FixState {
    /// The first version without the flaw.
    Fixed(String),
    /// Affected, and no fixed version is known.
    NotFixed,
    /// The distributor has said that it will not fix it.
    WillNotFix,
    /// Postponed by the distributor.
    Deferred,
    /// The distributor has not decided yet.
    UnderInvestigation,
    /// The release gets no fixes any more.
    EndOfLife,
}

/// One package that one advisory affects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Index in `Contents::packages`.
    pub package: usize,
    /// Best-known identifier: the CVE where there is one.
    pub id: String,
    /// The advisory's identifier in its source.
    pub advisory: String,
    /// All other identifiers, ordered.
    pub aliases: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Where the severity comes from: `advisory`, `cvss-v3`, `alias`; empty when it is unknown.
    pub severity_source: &'static str,
    /// CVSS base score in tenths; 0 when there is none.
    pub cvss_tenths: u32,
    /// Whether there is a fix.
    pub fix: FixState,
    /// One line for people; may be empty.
    pub title: String,
    /// EPSS probability in millionths; 0 when not known.
    pub epss_millionths: u32,
    /// In the catalogue of known exploited vulnerabilities.
    pub known_exploited: bool,
}

/// What *assess* found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Ordered by package, then identifier.
    pub findings: Vec<Finding>,
    /// What could not be assessed: a distribution without advisories in the database, a version that is none.
    pub problems: Vec<Problem>,
}

/// Matches an image's packages against the database.
#[must_use]
pub fn assess(_contents: &Contents, _database: &Database<'_>) -> Assessment {
    Assessment::default()
}
