//! Arguments of the commands that tell something of this program.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};
use clap_complete::Shell;

use crate::config::show::Form;

/// Commands on the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show each option of a command, its value, and whether a flag, the environment, the file or the default says so.
    Show {
        /// Form of the answer.
        #[arg(long, value_enum, default_value_t = Form::Text, value_name = "FORMAT")]
        format: Form,
        /// A command, and options for it as they would be given to it; default: `scan`.
        #[arg(value_name = "COMMAND [OPTION]…", trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

/// Arguments of `strata completions`.
#[derive(Debug, Clone, Group)]
pub struct CompletionsArgs {
    /// Which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `strata man`.
#[derive(Debug, Clone, Group)]
pub struct ManArgs {
    /// Write a page for each command into this directory instead.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
