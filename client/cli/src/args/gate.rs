//! Arguments that decide what is shown and what fails.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use crate::exit::Failure;

/// What is shown, and what makes the command fail.
#[derive(Debug, Clone, Default, Group)]
pub struct GateArgs {
    /// Show and judge findings of these severities only: `HIGH,CRITICAL`. How many are left out is said on stderr.
    #[arg(long, value_delimiter = ',', value_name = "SEVERITY,…", value_parser = severity)]
    pub severity: Vec<String>,
    /// Show and judge only findings that have a fix.
    #[arg(long)]
    pub ignore_unfixed: bool,
    /// Leave findings that are accepted risks out of what is shown, instead of marking them. How many is said on stderr.
    #[arg(long)]
    pub exclude_accepted: bool,
    /// Fail when a report has a problem: something that could not be known.
    #[arg(long)]
    pub fail_on_problems: bool,
    /// Fail when there is a finding of this severity or worse.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    pub fail_on: Option<String>,
    /// Exit code when the policy fails, instead of 1. Without another condition, any finding that is shown fails.
    #[arg(long, value_name = "N")]
    pub exit_code: Option<u8>,
    /// Exit code when a distribution gets no more fixes; comes before the policy's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub exit_on_eol: Option<u8>,
    /// Judge by the policies of this file, or by the one of that name (repeatable). Its accepted risks count too. `default`
    /// is a policy that needs no file.
    #[arg(long, value_name = "FILE[:NAME]")]
    pub policy: Vec<String>,
    /// Judge ages and expiry as of this moment instead of now: `2026-11-22` or RFC 3339.
    #[arg(long, value_name = "DATE")]
    pub now: Option<String>,
}

/// Commands on policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Run the tests that are written beside policies.
    Test {
        /// Policy files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

/// A severity's name, in any case, as it was written.
///
/// # Errors
/// When there is none of that name; the error names those that there are.
pub(super) fn severity(text: &str) -> Result<String, String> {
    known(text, crate::gate::severity(text))
}

/// The name of an order of findings, as it was written.
///
/// # Errors
/// As there.
pub(super) fn order(text: &str) -> Result<String, String> {
    known(text, crate::order::parse(text))
}

fn known<T>(text: &str, found: Result<T, Failure>) -> Result<String, String> {
    match found {
        Ok(_) => Ok(text.to_owned()),
        Err(failure) => Err(format!("{}; {}", failure.message, failure.hint.unwrap_or_default())),
    }
}
