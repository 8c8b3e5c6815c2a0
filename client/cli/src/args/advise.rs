//! The grammar of `strata advise`.

use std::path::PathBuf;

use clap::Args as Group;

use super::TargetArgs;
use crate::diff::Form;

/// Arguments of `strata advise`.
#[derive(Debug, Clone, Group)]
pub struct AdviseArgs {
    /// The image: a reference or an archive.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Bases that the image could have instead of its own.
    #[arg(long, required = true, num_args = 1.., value_name = "REF")]
    pub candidates: Vec<String>,
    /// The base that the image has now. Without it: what the image's labels say, else the largest other image, among the
    /// candidates and this machine's reports, that is wholly a part of it. With --server the newest 100 reports of the server
    /// are looked through too; the layers are still read and combined by this machine, with the server's advisory
    /// database, which is fetched where it is not here, or the one that --db names.
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// Output format on stdout.
    #[arg(short, long, value_enum, default_value_t = Form::Table, value_name = "FORMAT")]
    pub format: Form,
    /// Write to this file in the given format, beside what goes to stdout (repeatable).
    #[arg(short, long, value_name = "FORMAT=FILE", value_parser = super::diff::output)]
    pub output: Vec<(Form, PathBuf)>,
    /// Where and with what.
    #[command(flatten)]
    pub target: TargetArgs,
}
