//! Arguments that decide what becomes of reports that were made here.

use clap::Args as Group;

/// Where reports go that are made in this process. With a server, those of archives are submitted to it.
#[derive(Debug, Clone, Default, Group)]
pub struct SubmitArgs {
    /// Scan here what the server's workers could read too, and submit the reports.
    #[arg(long, requires = "server")]
    pub submit: bool,
    /// Fail with exit code 4 when a report cannot be submitted. Without this, that is a warning.
    #[arg(long, requires = "server")]
    pub require_submit: bool,
    /// Reference that the image is to be pushed to (repeatable). What is pushed without being named here is found by its
    /// configuration, too, once the server has seen it.
    #[arg(long, value_name = "REF", requires = "server")]
    pub push_ref: Vec<String>,
}
