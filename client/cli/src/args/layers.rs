//! How layers are read, on the command line.

use clap::Args as Group;

/// How layers are read.
#[derive(Debug, Clone, Copy, Default, Group)]
pub struct LayerArgs {
    /// Read of eStargz and zstd:chunked layers only the files that matter, where the registry gives parts. Digest and diff id of
    /// such a layer are NOT verified: a table of contents that lies can hide packages. Reports say so.
    #[arg(long, env = "STRATA_LAZY_LAYERS")]
    pub lazy_layers: bool,
}
