//! What a report says, apart from the name and the date of its database: kept once for all reports that say the same. A report
//! itself is a row that refers to its content, and to two lists of terms by which it is found.

use std::collections::BTreeSet;

use strata_proto::{
    digest::Digest,
    v1::{Report, ReportSummary},
};

use super::{
    report::{self, BadReport},
    search::{PACKAGE, VULNERABILITY},
};

/// A report without its name, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// The report without the name and the date of its database, as [`report::pack`] writes it.
    pub body: Vec<u8>,
    /// Encoded `strata_proto::outline::Asked`; `None` when it is not known.
    pub asked: Option<Vec<u8>>,
    /// What lists show of the report, its database included; without its id and times.
    pub summary: ReportSummary,
    /// What it is found by: [`report::vulnerabilities`].
    pub vulnerabilities: BTreeSet<String>,
    /// What it is found by: [`report::packages`].
    pub packages: BTreeSet<String>,
}

impl Content {
    /// The content of a report.
    ///
    /// # Errors
    /// As [`report::pack`].
    pub fn of(mut report: Report, asked: Option<Vec<u8>>) -> Result<Self, BadReport> {
        let summary = report::summary(&report);
        let (vulnerabilities, packages) = (report::vulnerabilities(&report), report::packages(&report));
        report.database_digest.clear();
        report.database_modified.clear();
        Ok(Self { body: report::pack(&report)?, asked, summary, vulnerabilities, packages })
    }

    /// Names the content: same body, same questions → same key.
    pub(super) fn key(&self) -> Vec<u8> {
        key(&self.body, self.asked.as_deref())
    }

    /// The two lists of terms, each with its kind; none where there is nothing to list.
    pub(super) fn lists(&self) -> [Option<TermList<'_>>; 2] {
        let list = |kind, texts| TermList::of(kind, texts);
        [list(VULNERABILITY, &self.vulnerabilities), list(PACKAGE, &self.packages)]
    }
}

/// Terms of one kind.
#[derive(Debug, Clone)]
pub(super) struct TermList<'a> {
    /// Same terms → same key.
    pub(super) key: Vec<u8>,
    pub(super) kind: i64,
    pub(super) texts: &'a BTreeSet<String>,
}

impl<'a> TermList<'a> {
    fn of(kind: i64, texts: &'a BTreeSet<String>) -> Option<Self> {
        if texts.is_empty() {
            return None;
        }
        let mut bytes = kind.to_be_bytes().to_vec();
        for text in texts {
            push(&mut bytes, text.as_bytes());
        }
        Some(Self { key: Digest::of(&bytes).bytes().to_vec(), kind, texts })
    }
}

/// A content as its row.
pub(super) struct ContentRow<'a> {
    pub(super) key: &'a [u8],
    pub(super) body: &'a [u8],
    pub(super) asked: Option<&'a [u8]>,
}

/// A report as its row.
pub(super) struct ReportRow<'a> {
    pub(super) id: &'a str,
    pub(super) image_digest: String,
    pub(super) config_digest: String,
    pub(super) created_unix_ms: i64,
    pub(super) summary: Vec<u8>,
    pub(super) seal: Vec<u8>,
    pub(super) content: i64,
    pub(super) vulnerabilities: Option<i64>,
    pub(super) packages: Option<i64>,
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    bytes.extend_from_slice(part);
}

/// Digest of a content.
pub(super) fn key(body: &[u8], asked: Option<&[u8]>) -> Vec<u8> {
    let asked = asked.unwrap_or_default();
    let mut bytes = Vec::with_capacity(body.len().saturating_add(asked.len()).saturating_add(8));
    push(&mut bytes, asked);
    bytes.extend_from_slice(body);
    Digest::of(&bytes).bytes().to_vec()
}

/// Digest of a report's row: of its content's digest and of its summary, which has its id, its database and its times.
pub(super) fn seal(content: &[u8], summary: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len().saturating_add(summary.len()).saturating_add(8));
    push(&mut bytes, content);
    bytes.extend_from_slice(summary);
    Digest::of(&bytes).bytes().to_vec()
}

/// Fills in what a content does not have: the database of this report. Summaries of earlier versions have no date, and their
/// contents have all.
pub(super) fn name_database(report: &mut Report, summary: ReportSummary) {
    if report.database_digest != summary.database_digest || !summary.database_modified.is_empty() {
        report.database_modified = summary.database_modified;
    }
    report.database_digest = summary.database_digest;
}
