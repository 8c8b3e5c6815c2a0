//! What is written of reports.

use strata_proto::v1::Report;

use crate::archive::content::Content;

/// A report that is to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewReport<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it says.
    pub report: &'a Report,
    /// Encoded `strata_proto::outline::Asked`; `None` when it is not known.
    pub asked: Option<&'a [u8]>,
    /// When it is stored, in milliseconds since 1970-01-01 UTC.
    pub stored_unix_ms: i64,
    /// When it was assessed, where that was against an earlier database; else 0.
    pub assessed_unix_ms: i64,
}

/// A report that is to be stored with its names in one scan.
#[derive(Debug, Clone, Copy)]
pub struct PutReport<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it says.
    pub content: &'a Content,
    /// When it is stored, in milliseconds since 1970-01-01 UTC.
    pub stored_unix_ms: i64,
    /// When it was assessed, where that was against an earlier database; else 0.
    pub assessed_unix_ms: i64,
    /// The scan.
    pub scan: &'a str,
    /// What the image is called there.
    pub references: &'a [String],
}

/// A report that says against another database what it said against one: to be stored with its names in one scan.
#[derive(Debug, Clone, Copy)]
pub struct CopyReport<'a> {
    /// Its id.
    pub id: &'a str,
    /// Id of the report that it is as.
    pub of: &'a str,
    /// `Report.database_digest` of the copy.
    pub database_digest: &'a str,
    /// `Report.database_modified` of the copy.
    pub database_modified: &'a str,
    /// When it is stored, in milliseconds since 1970-01-01 UTC.
    pub stored_unix_ms: i64,
    /// When the other was assessed.
    pub assessed_unix_ms: i64,
    /// The scan.
    pub scan: &'a str,
    /// What the image is called there.
    pub references: &'a [String],
}

/// Names that a report gets in one scan.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// Id of the report.
    pub report: &'a str,
    /// The scan.
    pub scan: &'a str,
    /// What the image is called there.
    pub references: &'a [String],
}
