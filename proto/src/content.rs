//! What a report says, apart from the name and the date of its database: how it is named, summed up and found. Reports that say the
//! same are kept once.
//!
//! What reports are found by are *terms*: numbers that stand for texts, so that no text of an image is a key anywhere. Nobody finds
//! another text for the number of a given one.

use std::{borrow::Cow, collections::HashSet};

use crate::{
    digest::Digest,
    v1::{Report, ReportSummary, Severity, SeverityCounts},
};

/// What a term's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A vulnerability's identifier or alias, in upper case.
    Vulnerability,
    /// A package's name, or its source's.
    Package,
}

impl Kind {
    /// Its number: part of every term.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Vulnerability => 1,
            Self::Package => 2,
        }
    }
}

/// The number that stands for a text: the first eight bytes of the sha256 over the kind's number and the text, big-endian.
#[must_use]
pub fn term(kind: Kind, text: &str) -> i64 {
    let upper;
    let text = match kind {
        Kind::Vulnerability if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            upper = text.to_ascii_uppercase();
            &upper
        }
        Kind::Vulnerability | Kind::Package => text,
    };
    Digest::of_parts(&[&[kind.number()], text.as_bytes()]).prefix().cast_signed()
}

/// Identifiers and aliases of a report's findings as terms, in ascending order, each once.
#[must_use]
pub fn vulnerabilities(report: &Report) -> Vec<i64> {
    let names = report
        .findings
        .iter()
        .flat_map(|finding| [&finding.id, &finding.advisory].into_iter().chain(&finding.aliases));
    terms(Kind::Vulnerability, names)
}

/// Names of a report's packages and of their sources as terms, in ascending order, each once.
#[must_use]
pub fn packages(report: &Report) -> Vec<i64> {
    let names = report.packages.iter().flat_map(|package| [&package.name, &package.source_name]);
    terms(Kind::Package, names)
}

fn terms<'a>(kind: Kind, names: impl Iterator<Item = &'a String>) -> Vec<i64> {
    // Most names come several times: each is hashed once.
    let mut seen = HashSet::new();
    let names = names.map(String::as_str).filter(|name| !name.is_empty() && seen.insert(*name));
    let names = names.map(findable).filter(|name| !name.is_empty());
    let mut terms: Vec<i64> = names.map(|name| term(kind, &name)).collect();
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// What of a name counts: as people can type it, and as far as anybody reads.
fn findable(name: &str) -> Cow<'_, str> {
    const MOST: usize = 400;
    // As many bytes are no more characters.
    if name.len() <= MOST && !name.contains('\0') {
        return Cow::Borrowed(name);
    }
    name.chars().filter(|c| *c != '\0').take(MOST).collect()
}

/// What a list of reports shows of one, without what the archive adds: its id, its times, its references and where it comes from.
#[must_use]
pub fn summary(report: &Report) -> ReportSummary {
    let mut findings = SeverityCounts::default();
    for finding in &report.findings {
        findings.add(Severity::try_from(finding.severity).unwrap_or_default());
    }
    ReportSummary {
        image_digest: report.image_digest.clone(),
        packages: u64::try_from(report.packages.len()).unwrap_or(u64::MAX),
        findings: Some(findings),
        problems: u64::try_from(report.problems.len()).unwrap_or(u64::MAX),
        database_digest: report.database_digest.clone(),
        database_modified: report.database_modified.clone(),
        config_digest: report.config_digest.clone(),
        submitted_by: report.submitted_by.clone(),
        ..ReportSummary::default()
    }
}

/// Takes the name and the date of its database from a report, as a report that has nothing else.
pub fn take_database(report: &mut Report) -> Report {
    Report {
        database_digest: std::mem::take(&mut report.database_digest),
        database_modified: std::mem::take(&mut report.database_modified),
        ..Report::default()
    }
}

/// Digest of a content: of the report without its database, encoded and compressed, and of what it asked (may be empty).
#[must_use]
pub fn key(body: &[u8], asked: &[u8]) -> [u8; 32] {
    digest_of(asked, body)
}

/// Digest over a part and what follows it.
#[must_use]
pub fn digest_of(part: &[u8], rest: &[u8]) -> [u8; 32] {
    let length = u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes();
    Digest::of_parts(&[&length, part, rest]).bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Finding, Package};

    #[test]
    fn a_term_is_of_its_kind_and_text() {
        // printf '\x01CVE-2024-1' | sha256sum, the first sixteen digits.
        assert_eq!(term(Kind::Vulnerability, "CVE-2024-1"), 0xe625_7751_8bc2_f5c1_u64.cast_signed());
        assert_eq!(term(Kind::Vulnerability, "cve-2024-1"), term(Kind::Vulnerability, "CVE-2024-1"));
        assert_ne!(term(Kind::Package, "zlib"), term(Kind::Package, "ZLIB"));
        assert_ne!(term(Kind::Package, "CVE-2024-1"), term(Kind::Vulnerability, "CVE-2024-1"));
    }

    #[test]
    fn every_name_counts_once_and_in_order() {
        let package = |name: &str, source: &str| Package {
            name: name.to_owned(),
            source_name: source.to_owned(),
            ..Package::default()
        };
        let finding = Finding {
            id: "CVE-1".to_owned(),
            aliases: vec!["ghsa-1".to_owned(), "GHSA-1".to_owned()],
            ..Finding::default()
        };
        let long = "n".repeat(500);
        let report = Report {
            packages: vec![package("a\0b", ""), package("ab", "c"), package(&long, "c")],
            findings: vec![finding],
            ..Report::default()
        };
        let of = |kind, texts: &[&str]| {
            let mut terms: Vec<i64> = texts.iter().map(|text| term(kind, text)).collect();
            terms.sort_unstable();
            terms
        };
        assert_eq!(packages(&report), of(Kind::Package, &["ab", "c", long.get(..400).expect("a part")]));
        assert_eq!(vulnerabilities(&report), of(Kind::Vulnerability, &["CVE-1", "GHSA-1"]));
    }

    #[test]
    fn a_key_is_of_both_parts() {
        assert_eq!(key(b"body", b"asked"), key(b"body", b"asked"));
        assert_ne!(key(b"body", b"asked"), key(b"bodyasked", b""));
        assert_ne!(key(b"body", b""), key(b"body", b"a"));
    }
}
