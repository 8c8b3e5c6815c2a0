//! Ratings: the words of advisory sources, and base scores of CVSS vectors.

use super::osv::{Affected, Rating, Record};
use crate::{
    assess::{FixState, Severity},
    cvss::{self, Version},
};

/// A CVSS base score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Score {
    /// Major version of CVSS: 2, 3 or 4; 0 when there is no score.
    pub version: u8,
    /// Base score in tenths: 98 is 9.8.
    pub tenths: u8,
}

impl Score {
    /// Whether there is one. A score of 0.0 is one.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.version != 0
    }

    /// The qualitative rating of the score; `Unknown` when there is none.
    #[must_use]
    pub fn severity(self) -> Severity {
        let version = match self.version {
            0 => return Severity::Unknown,
            2 => Version::V2,
            3 => Version::V3,
            _ => Version::V4,
        };
        cvss::severity(version, u32::from(self.tenths))
    }

    /// How a finding names the source of a severity that comes from the score.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self.version {
            0 => "",
            2 => "cvss-v2",
            3 => "cvss-v3",
            _ => "cvss-v4",
        }
    }
}

/// The severity that a source's word stands for. `None` for a word that rates nothing (`not yet assigned`).
pub(super) fn word(word: &str) -> Option<Severity> {
    // Debian marks an urgency that somebody guessed with asterisks.
    match word.trim_matches('*').to_ascii_lowercase().as_str() {
        "critical" => Some(Severity::Critical),
        "high" | "important" => Some(Severity::High),
        "medium" | "moderate" => Some(Severity::Medium),
        "low" => Some(Severity::Low),
        "negligible" | "unimportant" | "none" | "informational" => Some(Severity::Negligible),
        _ => None,
    }
}

/// The best score of a list of vectors: the newest version of CVSS, then the worst.
pub(super) fn score(ratings: &[Rating]) -> Score {
    ratings.iter().map(|rating| vector(&rating.score)).max().unwrap_or_default()
}

/// The score of a vector; none when it is not a valid one.
fn vector(vector: &str) -> Score {
    let Some((version, tenths)) = cvss::base_score_tenths(vector) else { return Score::default() };
    let version = match version {
        Version::V2 => 2,
        Version::V3 => 3,
        Version::V4 => 4,
    };
    Score { version, tenths: u8::try_from(tenths).unwrap_or(100).min(100) }
}

/// The vectors of a list that are none.
pub(super) fn invalid(ratings: &[Rating]) -> impl Iterator<Item = &str> {
    let vectors = ratings.iter().filter(|rating| rating.kind.starts_with("CVSS"));
    vectors.map(|rating| rating.score.as_str()).filter(|text| !vector(text).is_known())
}

/// The source's own rating of a whole record.
pub(super) fn of_record(record: &Record, errata: bool) -> Option<Severity> {
    // Whoever installed a package that was made to do harm has lost: no source needs to rate that.
    if record.id.starts_with("MAL-") {
        return Some(Severity::Critical);
    }
    let own = || record.severity.iter().filter(|rating| !rating.kind.starts_with("CVSS"));
    word(&record.rating).or_else(|| own().find_map(|rating| word(&rating.score))).or_else(|| {
        let first = record.title.split(':').next().filter(|_| errata)?;
        word(first)
    })
}

/// The source's own rating of one affected package.
pub(super) fn of_affected(affected: &Affected) -> Option<Severity> {
    let own = || affected.severity.iter().filter(|rating| !rating.kind.starts_with("CVSS"));
    match affected.status.as_str() {
        // A package without a maintainer is a fact, not a flaw.
        "unmaintained" | "notice" => return Some(Severity::Negligible),
        _ => {}
    }
    word(&affected.rating).or_else(|| own().find_map(|rating| word(&rating.score)))
}

/// What the source says will happen about a package that has no fix.
pub(super) fn state(affected: &Affected) -> FixState {
    let status = affected.status.to_ascii_lowercase();
    let rating = affected.rating.to_ascii_lowercase();
    let status = status.trim();
    if rating.contains("end-of-life")
        || status.contains("end of life")
        || status.contains("end-of-life")
        || status.contains("end of standard support")
    {
        return FixState::EndOfLife;
    }
    // Ubuntu writes `ignored (reason)`, `deferred (date)`, `pending (version)`; some write it where the urgency stands.
    let word = |text: &str| text.split([' ', '(']).next().unwrap_or_default().trim_matches('*').to_owned();
    let word = if status.is_empty() { word(&rating) } else { word(status) };
    match word.as_str() {
        "ignored" | "fix-not-planned" | "wontfix" | "will_not_fix" | "no-dsa" => FixState::WillNotFix,
        "deferred" | "postponed" | "fix_deferred" => FixState::Deferred,
        "needs-triage" | "detection" | "undetermined" | "under_investigation" => FixState::UnderInvestigation,
        _ => FixState::NotFixed,
    }
}

#[cfg(test)]
mod tests;
