//! How reports are compressed, summed up and found. A stored report is zstd over the encoded message, and so is a parcel's.

use std::{collections::BTreeSet, io::Read as _};

use prost::Message as _;
use strata_proto::{
    outline::MOST_ASKED_BYTES,
    v1::{Parcel, Report, ReportSummary, Severity, SeverityCounts},
};

use super::content::Content;

/// Upper limit of one report's encoded size in bytes: some hundred thousand packages.
pub const MOST_BYTES: u64 = 256 << 20;
const LEVEL: i32 = 3;

/// A report that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadReport {
    /// Not zstd, or cut short.
    #[error("decompress a report: {0}")]
    Compression(#[from] std::io::Error),
    /// Not a report's encoding.
    #[error("decode a report: {0}")]
    Encoding(#[from] prost::DecodeError),
    /// More than [`MOST_BYTES`].
    #[error("decompress a report: it has more than {MOST_BYTES} bytes")]
    TooLarge,
}

/// Encodes and compresses a report.
///
/// # Errors
/// When the compressor fails, for want of memory.
pub fn pack(report: &Report) -> Result<Vec<u8>, BadReport> {
    Ok(zstd::bulk::compress(&report.encode_to_vec(), LEVEL)?)
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// When the bytes are no compressed report, or one that is larger than [`MOST_BYTES`].
pub fn unpack(bytes: &[u8]) -> Result<Report, BadReport> {
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::new(bytes)?.take(MOST_BYTES + 1).read_to_end(&mut plain)?;
    if u64::try_from(plain.len()).map_or(true, |length| length > MOST_BYTES) {
        return Err(BadReport::TooLarge);
    }
    Ok(Report::decode(plain.as_slice())?)
}

/// Reads a parcel.
///
/// # Errors
/// As [`unpack`].
pub fn open_parcel(bytes: &[u8]) -> Result<Content, BadReport> {
    let Parcel { report_zstd, asked } = Parcel::decode(bytes)?;
    let asked = Some(asked).filter(|asked| (1..=MOST_ASKED_BYTES).contains(&asked.len()));
    Content::of(unpack(&report_zstd)?, asked)
}

/// What a list of reports shows of one, without its id, its times, its references and where it comes from.
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

/// Identifiers and aliases of a report's findings, in upper case and in order.
#[must_use]
pub fn vulnerabilities(report: &Report) -> BTreeSet<String> {
    let names = report
        .findings
        .iter()
        .flat_map(|finding| [&finding.id, &finding.advisory].into_iter().chain(&finding.aliases));
    names.map(|name| term(&name.to_ascii_uppercase())).filter(|name| !name.is_empty()).collect()
}

/// Names of a report's packages and of their sources, in order.
#[must_use]
pub fn packages(report: &Report) -> BTreeSet<String> {
    let names = report.packages.iter().flat_map(|package| [&package.name, &package.source_name]);
    names.map(|name| term(name)).filter(|name| !name.is_empty()).collect()
}

/// A name as databases take it: PostgreSQL has no NUL in texts, and its indexes hold short values only.
fn term(name: &str) -> String {
    const MOST: usize = 400;
    name.chars().filter(|c| *c != '\0').take(MOST).collect()
}
