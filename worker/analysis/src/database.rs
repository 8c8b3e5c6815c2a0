//! The advisory database: one immutable, content-addressed file, read in place from a byte slice.
//! `layout` is the format, `osv` reads one advisory in OSV's JSON, `build` compiles the file.

/// Why bytes are not a database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Not a database at all, or another program's.
    #[error("this is not a Strata advisory database")]
    NotADatabase,
    /// Written by a newer or older Strata.
    #[error("the database has format {found}, this strata reads format {supported}")]
    Format {
        /// Format number in the file.
        found: u32,
        /// Format number that this build reads.
        supported: u32,
    },
    /// Truncated or changed after it was written.
    #[error("the database is damaged: {0}")]
    Damaged(String),
}

/// What a database holds for one OSV ecosystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcosystemStatus {
    /// Name in OSV's export: `Debian:12`, `npm`.
    pub name: String,
    /// Advisories that name it.
    pub advisories: u64,
    /// Newest modification, RFC 3339.
    pub modified: String,
}

/// A database over mapped bytes.
#[derive(Debug, Clone)]
pub struct Database<'a> {
    bytes: &'a [u8],
}

impl<'a> Database<'a> {
    /// Checks the header and the index; constant time in the number of advisories.
    ///
    /// # Errors
    /// When the bytes are not a whole database of this format.
    pub fn open(bytes: &'a [u8]) -> Result<Self, DatabaseError> {
        let _ = Self { bytes };
        Err(DatabaseError::NotADatabase)
    }

    /// `sha256:` digest over the whole content, as written in the header.
    #[must_use]
    pub fn digest(&self) -> String {
        let _ = self.bytes;
        String::new()
    }

    /// Newest modification of all advisories, RFC 3339.
    #[must_use]
    pub fn modified(&self) -> String {
        String::new()
    }

    /// What it holds, by ecosystem.
    #[must_use]
    pub fn status(&self) -> Vec<EcosystemStatus> {
        Vec::new()
    }
}
