//! Advisories and flaws as the file keeps them.

use super::{
    DatabaseError, Score,
    entry::severity,
    read::{Cursor, Table},
    time,
};
use crate::assess::Severity;

/// One advisory of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory<'a> {
    /// Identifier in its source.
    pub id: &'a str,
    /// Seconds since 1970 of its last modification; 0 when it does not tell.
    pub(super) modified: u64,
    /// The source's rating; `Unknown` when it gives none.
    pub rating: Severity,
    /// The score of its vectors.
    pub score: Score,
    /// One line for people; may be empty.
    pub title: &'a str,
    /// Numbers of the flaws that it is about: at least one.
    pub flaws: Vec<usize>,
    /// Other identifiers of the same flaw.
    pub aliases: Vec<&'a str>,
}

impl<'a> Advisory<'a> {
    pub(super) fn read(strings: Table<'a>, record: &'a [u8]) -> Result<Self, DatabaseError> {
        let mut cursor = Cursor::new(record);
        let mut advisory = Self {
            id: cursor.text()?,
            modified: cursor.varint()?,
            rating: severity(cursor.byte()?)?,
            score: score(&mut cursor)?,
            title: strings.text(cursor.index()?)?,
            flaws: Vec::new(),
            aliases: Vec::new(),
        };
        for _ in 0..cursor.index()? {
            advisory.flaws.push(cursor.index()?);
        }
        for _ in 0..cursor.index()? {
            advisory.aliases.push(strings.text(cursor.index()?)?);
        }
        Ok(advisory)
    }

    /// Its last modification, RFC 3339; empty when it does not tell.
    #[must_use]
    pub fn modified(&self) -> String {
        time::format(self.modified)
    }
}

/// What findings are named after, with what is known about it from all advisories together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw<'a> {
    /// The CVE where there is one, else the best identifier.
    pub id: &'a str,
    /// The rating that other advisories of the flaw give; `Unknown` when none does.
    pub rating: Severity,
    /// The best score that an advisory of the flaw gives.
    pub score: Score,
    /// One line for people; may be empty.
    pub title: &'a str,
    /// EPSS probability in millionths; 0 when not known.
    pub epss_millionths: u32,
    /// In the catalogue of known exploited vulnerabilities.
    pub known_exploited: bool,
    /// Known to be used by ransomware.
    pub ransomware: bool,
}

impl<'a> Flaw<'a> {
    pub(super) fn read(strings: Table<'a>, record: &'a [u8]) -> Result<Self, DatabaseError> {
        let mut cursor = Cursor::new(record);
        let mut flaw = Self {
            id: cursor.text()?,
            rating: severity(cursor.byte()?)?,
            score: score(&mut cursor)?,
            title: strings.text(cursor.index()?)?,
            epss_millionths: u32::try_from(cursor.varint()?).unwrap_or(0).min(1_000_000),
            known_exploited: false,
            ransomware: false,
        };
        let exploitation = cursor.byte()?;
        flaw.known_exploited = exploitation != 0;
        flaw.ransomware = exploitation == 2;
        Ok(flaw)
    }
}

/// A version of CVSS, and the tenths unless it is 0.
fn score(cursor: &mut Cursor<'_>) -> Result<Score, DatabaseError> {
    let version = cursor.byte()?;
    let tenths = if version == 0 { 0 } else { cursor.byte()? };
    Ok(Score { version, tenths })
}
