//! What a report says, apart from the name and the date of its database: kept once for all reports that say the same. A report
//! itself is a row that refers to its content, and to two lists of terms by which it is found.

use strata_proto::{
    content,
    digest::Digest,
    v1::{Report, ReportSummary},
};

use super::report::{self, BadReport};

/// A report without its name, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// The report without the name and the date of its database, as [`report::pack`] writes it.
    pub body: Vec<u8>,
    /// Encoded `strata_proto::outline::Asked`; `None` when it is not known.
    pub asked: Option<Vec<u8>>,
    /// What lists show of the report, its database included; without its id and times.
    pub summary: ReportSummary,
    /// What it is found by: [`content::vulnerabilities`].
    pub vulnerabilities: Vec<i64>,
    /// What it is found by: [`content::packages`].
    pub packages: Vec<i64>,
    /// Same body, same questions → same key.
    pub(super) key: [u8; 32],
}

impl Content {
    /// The content of a report.
    ///
    /// # Errors
    /// As [`report::pack`].
    pub fn of(mut report: Report, asked: Option<Vec<u8>>) -> Result<Self, BadReport> {
        let summary = content::summary(&report);
        let (vulnerabilities, packages) = (content::vulnerabilities(&report), content::packages(&report));
        content::take_database(&mut report);
        let body = report::pack(&report)?;
        let key = content::key(&body, asked.as_deref().unwrap_or_default());
        Ok(Self { body, asked, summary, vulnerabilities, packages, key })
    }

    /// Leaves nothing in that only the archive can know, and each term once and in order.
    pub(super) fn tidy(&mut self) {
        self.summary = ReportSummary {
            image_digest: std::mem::take(&mut self.summary.image_digest),
            packages: self.summary.packages,
            findings: self.summary.findings.take(),
            problems: self.summary.problems,
            database_digest: std::mem::take(&mut self.summary.database_digest),
            database_modified: std::mem::take(&mut self.summary.database_modified),
            config_digest: std::mem::take(&mut self.summary.config_digest),
            submitted_by: std::mem::take(&mut self.summary.submitted_by),
            ..ReportSummary::default()
        };
        for terms in [&mut self.vulnerabilities, &mut self.packages] {
            terms.sort_unstable();
            terms.dedup();
        }
    }

    /// The two lists of terms; none where there is nothing to list.
    pub(super) fn lists(&self) -> [Option<TermList>; 2] {
        [TermList::of(&self.vulnerabilities), TermList::of(&self.packages)]
    }
}

/// Terms as they are kept: eight bytes each, big-endian, in ascending order.
#[derive(Debug, Clone)]
pub(super) struct TermList {
    /// Same terms → same key.
    pub(super) key: [u8; 32],
    pub(super) bytes: Vec<u8>,
}

impl TermList {
    fn of(terms: &[i64]) -> Option<Self> {
        let bytes: Vec<u8> = terms.iter().flat_map(|term| term.to_be_bytes()).collect();
        (!bytes.is_empty()).then(|| Self { key: Digest::of(&bytes).bytes(), bytes })
    }

    /// The terms of a list that was kept.
    pub(super) fn terms(bytes: &[u8]) -> impl Iterator<Item = i64> {
        bytes.as_chunks().0.iter().map(|term| i64::from_be_bytes(*term))
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

/// Digest of a report's row: of its content's digest and of its summary, which has its id, its database and its times.
pub(super) fn seal(content: &[u8], summary: &[u8]) -> Vec<u8> {
    content::digest_of(content, summary).to_vec()
}

/// Fills in what a content does not have: the database of this report. Summaries of earlier versions have no date, and their
/// contents have all.
pub(super) fn name_database(report: &mut Report, summary: ReportSummary) {
    if report.database_digest != summary.database_digest || !summary.database_modified.is_empty() {
        report.database_modified = summary.database_modified;
    }
    report.database_digest = summary.database_digest;
}
