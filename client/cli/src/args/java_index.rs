//! The index of Java archives on the command line.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

/// Which index of Java archives is used.
#[derive(Debug, Clone, Default, Group)]
pub struct JavaIndexArgs {
    /// Index by which Java archives that do not name themselves are known (`strata java-index build`).
    #[arg(long, env = "STRATA_JAVA_INDEX", value_name = "FILE")]
    pub java_index: Option<PathBuf>,
}

/// Commands on the index of Java archives.
#[derive(Debug, Subcommand)]
pub enum JavaIndexCommand {
    /// Compile a list into an index: lines of a SHA-1, white space, `group:artifact:version`.
    Build {
        /// The list; `-` is stdin.
        #[arg(value_name = "LIST")]
        list: PathBuf,
        /// The index to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}
