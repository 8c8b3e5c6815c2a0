//! The grammar of `strata risk`.

use clap::{Args as Group, Subcommand};

use super::ServerUrl;

/// Commands on the accepted risks of a server.
#[derive(Debug, Subcommand)]
pub enum RiskCommand {
    /// Accept a risk for everybody who asks the server, until a day. Findings stay in reports, marked, and do not fail a scan.
    Accept(Box<RiskArgs>),
    /// List accepted risks: who answers for what, and until when.
    List {
        /// Those too that were ended.
        #[arg(long)]
        all: bool,
        /// `table`, or `json` for programs.
        #[arg(short, long, default_value = "table", value_parser = ["table", "json"])]
        format: String,
        /// The server.
        #[command(flatten)]
        server: ServerUrl,
    },
    /// End an accepted risk at once: its findings count again.
    Expire {
        /// Its id.
        id: String,
        /// The server.
        #[command(flatten)]
        server: ServerUrl,
    },
}

/// A risk to accept.
#[derive(Debug, Clone, Group)]
pub struct RiskArgs {
    /// Identifier or alias of the vulnerability.
    #[arg(value_name = "VULNERABILITY")]
    pub vulnerability: String,
    /// Only in packages of this name, or that match this glob.
    #[arg(long, value_name = "NAME")]
    pub package: Option<String>,
    /// Only in images all of whose names are in such a repository: a glob over `host/repository` or `repository` (repeatable).
    #[arg(long = "repo", value_name = "GLOB")]
    pub repositories: Vec<String>,
    /// Why: `RiskOwned`, `RiskTransferred`, `RiskAvoided`, `RiskMitigated`, `RiskNotRelevant` or `Custom`.
    #[arg(long, value_name = "REASON")]
    pub reason: String,
    /// The last day on which it counts: `2026-12-31`.
    #[arg(long, value_name = "DAY")]
    pub expires: String,
    /// Who answers for it, where it is not the caller.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// What else there is to say.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// The server.
    #[command(flatten)]
    pub server: ServerUrl,
}
