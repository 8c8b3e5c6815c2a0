//! Arguments of `strata token`.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::ConnectionArgs;

/// Which tokens: those of an archive, of a server, or of `strata server` on this machine.
#[derive(Debug, Clone, Group)]
pub struct TokenPlace {
    /// The coordinator's archive (`postgres://…` or `sqlite:FILE`), directly.
    #[arg(long, env = "STRATA_ARCHIVE", value_name = "URL")]
    pub archive: Option<String>,
    /// A server, as an administrator of it.
    #[arg(long, env = "STRATA_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Cache directory of `strata server` on this machine, where neither archive nor server is named.
    #[arg(long, env = "STRATA_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}

/// Commands on tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it: it cannot be shown again.
    Create {
        /// Whose it is, for people.
        #[arg(long)]
        name: String,
        /// What it may do: read, scan, admin (repeatable).
        #[arg(long, required = true, value_name = "SCOPE", value_delimiter = ',')]
        scope: Vec<String>,
        /// Only the repositories below this (repeatable); default: all.
        #[arg(long, value_name = "HOST[:PORT][/REPOSITORY]")]
        prefix: Vec<String>,
        /// When it ends: a number of hours or days (`12h`, `90d`), or `never`.
        #[arg(long, default_value = "90d", value_name = "TIME")]
        expires: String,
        /// Write it to this file, for its owner only, instead of stdout.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Where it counts.
        #[command(flatten)]
        place: TokenPlace,
    },
    /// List tokens, without their secrets.
    List {
        /// Where they count.
        #[command(flatten)]
        place: TokenPlace,
    },
    /// End a token at once.
    Revoke {
        /// Its id.
        id: String,
        /// Where it counts.
        #[command(flatten)]
        place: TokenPlace,
    },
}
