//! The grammar of `strata archive`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{ArchiveArgs, SearchArgs};

/// Commands for audits.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Write reports, their bills of materials and how they were judged to one file, with the SHA-256 of each part.
    Export {
        /// Which reports.
        #[command(flatten)]
        search: Box<SearchArgs>,
        /// The zip to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// Where to look.
        #[command(flatten)]
        archive: ArchiveArgs,
    },
    /// Recompute every digest, and name what is missing or changed.
    Verify {
        /// An export, the directory that one was unpacked to, or a cache directory; default: this machine's archive.
        #[arg(value_name = "FILE|DIR")]
        path: Option<PathBuf>,
    },
}
