//! The grammar of `strata archive`.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::{ArchiveArgs, SearchArgs};

/// Commands for audits.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Write reports, their bills of materials and how they were judged to one file, with the SHA-256 of each part.
    Export(Box<ExportArgs>),
    /// Recompute every digest, and name what is missing or changed.
    Verify {
        /// An export, the directory that one was unpacked to, or a cache directory, whatever server is set; default: the
        /// server's archive, or else this machine's.
        #[arg(value_name = "FILE|DIR")]
        path: Option<PathBuf>,
        /// Public key (PEM) of whoever signed the export: one that is not signed by it is wrong.
        #[arg(long, value_name = "FILE", requires = "path")]
        key: Option<PathBuf>,
        /// A server's archive in place of this machine's, for administrators.
        #[command(flatten)]
        archive: ArchiveArgs,
    },
}

/// Arguments of `strata archive export` and `strata report export`.
#[derive(Debug, Clone, Group)]
pub struct ExportArgs {
    /// Which reports.
    #[command(flatten)]
    pub search: SearchArgs,
    /// The zip to write.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Sign the list of digests with this key: ECDSA on P-256, in PKCS#8 (PEM).
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Where to look.
    #[command(flatten)]
    pub archive: ArchiveArgs,
}
