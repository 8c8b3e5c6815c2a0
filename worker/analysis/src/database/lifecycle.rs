//! When releases of distributions end. A table of facts (`lifecycle/facts.csv`) is compiled into every database; the files of
//! Debian's package distro-info-data (`debian.csv`, `ubuntu.csv`) and documents of endoflife.date (`alpine-linux.json`) replace
//! what it says.
//!
//! Whether an end has passed is asked of the day of which the database speaks, never of a clock: the same image and database
//! give the same report. The date itself is in the report, for whoever wants to ask a clock.

mod readers;

use std::collections::BTreeMap;

use super::{DatabaseError, read::Cursor};
use crate::model::Distribution;

const FACTS: &str = include_str!("lifecycle/facts.csv");

/// Why a table of dates could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the table of ends of life is malformed: {0}")]
pub struct LifecycleError(String);

/// What is known of one release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// `2026-06-30`.
    pub(super) end: String,
    /// End of longer support that not everybody has; may be empty.
    pub(super) extended: String,
    /// Who says so.
    pub(super) source: String,
}

/// Ends of life by distribution (`ID` of os-release) and release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifecycles {
    rows: BTreeMap<(String, String), Facts>,
}

impl Lifecycles {
    /// The table that comes with Strata.
    ///
    /// # Errors
    /// Never: a test reads it.
    pub fn built_in() -> Result<Self, LifecycleError> {
        Self::read("facts.csv", FACTS.as_bytes())
    }

    /// Reads a file: a table with the columns of ours, one of distro-info-data, or a document of endoflife.date. `name` is the
    /// file's: the latter two name the distribution there.
    ///
    /// # Errors
    /// When it is none of them, or one of its lines is not as it should be. Nothing of it is used then.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, LifecycleError> {
        readers::read(name, bytes)
    }

    /// Releases in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds another table, whose rows replace those of the same release.
    pub(super) fn merge(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&(String, String), &Facts)> {
        self.rows.iter()
    }
}

/// When a release ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle<'a> {
    /// The last day of support for everybody: `2026-06-30`.
    pub end: &'a str,
    /// The last day of longer support; empty when there is none.
    pub extended: &'a str,
    /// Who says so.
    pub source: &'a str,
}

impl Lifecycle<'_> {
    /// Whether the end had passed at a moment, in RFC 3339. Not when the moment is not known.
    #[must_use]
    pub fn has_ended(&self, moment: &str) -> bool {
        moment.get(..10).is_some_and(|day| self.end < day)
    }

    /// The rows that may speak of a distribution, as distribution and release: the whole version, and what stands before
    /// each of its dots.
    pub(crate) fn keys(distribution: &Distribution) -> impl Iterator<Item = (&str, &str)> {
        let id = known_as(distribution);
        let version = distribution.version.as_str();
        let before_dots = version.match_indices('.').filter_map(|(at, _)| version.get(..at));
        before_dots.chain([version]).map(move |release| (id, release))
    }
}

/// The rows of a section: distribution, release, and when it ends.
pub(super) fn rows<'a>(
    section: &'a [u8],
) -> impl Iterator<Item = Result<(&'a str, &'a str, Lifecycle<'a>), DatabaseError>> {
    let mut cursor = Cursor::new(section);
    std::iter::from_fn(move || {
        if cursor.is_empty() {
            return None;
        }
        let row = row(&mut cursor);
        if row.is_err() {
            // What follows a broken row cannot be read either.
            cursor = Cursor::new(&[]);
        }
        Some(row)
    })
}

/// Texts of a row.
const TEXTS: usize = 5;

fn row<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a str, &'a str, Lifecycle<'a>), DatabaseError> {
    let (of, release) = (cursor.text()?, cursor.text()?);
    Ok((of, release, Lifecycle { end: cursor.text()?, extended: cursor.text()?, source: cursor.text()? }))
}

/// Distributions whose releases are those of another one.
const SAME: &[(&str, &str)] =
    &[("rhel_container", "rhel"), ("redhat", "rhel"), ("sled", "sles"), ("sles_sap", "sles")];

/// Under which name the table has a distribution.
fn known_as(distribution: &Distribution) -> &str {
    let id = distribution.id.as_str();
    let id = SAME.iter().find(|(alias, _)| *alias == id).map_or(id, |(_, of)| of);
    // CentOS Stream has the identity of CentOS, which ended long before it.
    if id == "centos" && distribution.title.contains("Stream") { "centos-stream" } else { id }
}

/// The row of a section that speaks of the distribution: the longest release that its version belongs to.
pub(super) fn find<'a>(
    section: &'a [u8],
    distribution: &Distribution,
) -> Result<Option<Lifecycle<'a>>, DatabaseError> {
    let id = known_as(distribution);
    let mut found: Option<(usize, Lifecycle<'a>)> = None;
    let mut cursor = Cursor::new(section);
    while !cursor.is_empty() {
        // Most rows are of others, and only compared.
        let mut ahead = cursor;
        if ahead.bytes_of_text()? != id.as_bytes() {
            for _ in 1..TEXTS {
                ahead.bytes_of_text()?;
            }
            cursor = ahead;
            continue;
        }
        let (_, release, row) = row(&mut cursor)?;
        let rest = distribution.version.strip_prefix(release);
        let belongs = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if belongs && found.as_ref().is_none_or(|(length, _)| release.len() > *length) {
            found = Some((release.len(), row));
        }
    }
    Ok(found.map(|(_, row)| row))
}

#[cfg(test)]
mod tests;
