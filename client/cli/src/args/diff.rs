//! The grammar of `strata diff`.

use std::path::PathBuf;

use clap::Args as Group;

use super::{TargetArgs, gate::severity};
use crate::diff::Form;

/// Arguments of `strata diff`.
#[derive(Debug, Clone, Group)]
pub struct DiffArgs {
    /// The image before and the image after: references, archives, ids of reports, or reports as `-f json` writes them
    /// (`*.json`).
    #[arg(num_args = 2, required_unless_present = "base", conflicts_with_all = ["base", "head"],
          value_names = ["BEFORE", "AFTER"])]
    pub images: Vec<String>,
    /// Compare the newest reports of two commits instead: this one's is before. What is no commit is asked of git, in the
    /// working directory.
    #[arg(long, value_name = "COMMIT", requires = "head")]
    pub base: Option<String>,
    /// And this one's after.
    #[arg(long, value_name = "COMMIT", requires = "base")]
    pub head: Option<String>,
    /// Of the commits' reports only those with this in a reference, where a commit has several images.
    #[arg(long, value_name = "TEXT", requires = "base")]
    pub reference: Option<String>,
    /// Output format on stdout.
    #[arg(short, long, value_enum, default_value_t = Form::Table, value_name = "FORMAT")]
    pub format: Form,
    /// Write to this file in the given format, beside what goes to stdout (repeatable). A file is written whole or not at
    /// all.
    #[arg(short, long, value_name = "FORMAT=FILE", value_parser = output)]
    pub output: Vec<(Form, PathBuf)>,
    /// Fail when the second image has a finding of this severity or worse that the first has not; of any severity where
    /// none is named.
    #[arg(long, value_name = "SEVERITY", value_parser = severity, num_args = 0..=1, default_missing_value = "UNKNOWN")]
    pub fail_on_new: Option<String>,
    /// Fail when not all is known of the second image.
    #[arg(long)]
    pub fail_on_problems: bool,
    /// Exit code when it fails, instead of 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub exit_code: Option<u8>,
    /// Where and with what.
    #[command(flatten)]
    pub target: TargetArgs,
}

pub(super) fn output(text: &str) -> Result<(Form, PathBuf), String> {
    let (form, path) = text.split_once('=').ok_or("it is not FORMAT=FILE")?;
    if path.is_empty() {
        return Err("it names no file".to_owned());
    }
    Ok((clap::ValueEnum::from_str(form, false)?, PathBuf::from(path)))
}
