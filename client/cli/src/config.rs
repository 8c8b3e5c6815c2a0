//! One precedence for every option: flag, environment, configuration file, default.
//!
//! The file is TOML. A key is an option's long name; at the top it is for every command that has the option, in a table of a
//! command's name (`[scan]`, `[db.build]`) for that one, which comes first. What a flag or a variable says replaces the
//! file's value whole, lists too. What the file says goes through the grammar of the command line like any flag, so that there
//! is one meaning and one check.

pub mod file;
mod keys;
pub mod show;
mod value;

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _, parser::ValueSource};

pub use self::file::File;
use crate::{
    args::Args,
    exit::{self, Failure},
};

/// Where a configuration file is looked for, in order; the first one that exists is read, and no other.
pub type Places = Vec<PathBuf>;

/// Why there is nothing to run.
#[derive(Debug)]
pub enum Stop {
    /// What the grammar says: an error, help, or the version.
    Grammar(clap::Error),
    /// The configuration file.
    Failure(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        Self::Grammar(error)
    }
}

/// Every command with its options. Help names variables without their values: some hold passwords.
#[must_use]
pub fn grammar() -> Command {
    fn prepared(command: Command) -> Command {
        command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(prepared)
    }
    prepared(Args::command())
}

/// Reads arguments, and the configuration file where there is one.
///
/// # Errors
/// When the arguments are none, or the file is not what it should be.
pub fn parse(arguments: Vec<OsString>, places: &Places) -> Result<(Args, File), Stop> {
    let grammar = grammar();
    // Help and versions need no file, and must work when it is broken.
    let Ok(first) = grammar.clone().ignore_errors(true).try_get_matches_from(&arguments) else {
        return Ok((read(grammar, arguments)?, File::default()));
    };
    // So must what shells and manuals are made of.
    if matches!(first.subcommand_name(), Some("completions" | "man")) {
        return Ok((read(grammar, arguments)?, File::default()));
    }
    let file = open(&first, places, &grammar)?;
    let added = added(&grammar, &first, &file)?;
    let none = added.global.is_empty() && added.own.is_empty();
    match read(grammar, added.into(arguments)) {
        Ok(args) => Ok((args, file)),
        Err(error) => {
            if error.use_stderr() && !none {
                exit::note(&format!("{} was read too: `strata config show` tells what it says", file.name()));
            }
            Err(error.into())
        }
    }
}

/// The file that these arguments mean.
///
/// # Errors
/// When it cannot be read, or holds what no command knows.
pub(crate) fn open(matches: &ArgMatches, places: &Places, grammar: &Command) -> Result<File, Failure> {
    let named = matches.try_get_one::<PathBuf>("config").ok().flatten();
    let path = match named {
        Some(path) => Some(path.clone()),
        None => places.iter().find(|path| path.exists()).cloned(),
    };
    let Some(path) = path else { return Ok(File::default()) };
    let file = File::read(&path)?;
    file.check(grammar)?;
    Ok(file)
}

fn read(grammar: Command, arguments: Vec<OsString>) -> Result<Args, clap::Error> {
    let matches = grammar.clone().try_get_matches_from(arguments)?;
    Args::from_arg_matches(&matches).map_err(|error| error.format(&mut grammar.clone()))
}

/// What the file adds to the arguments.
#[derive(Debug, Default)]
struct Added {
    /// Options that stand before the command.
    global: Vec<OsString>,
    /// Options of the command itself.
    own: Vec<OsString>,
}

impl Added {
    /// The arguments with these among them; what follows a bare `--` stays behind.
    fn into(self, mut arguments: Vec<OsString>) -> Vec<OsString> {
        let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
        let rest = arguments.split_off(end);
        let mut all: Vec<OsString> = arguments.into_iter().chain(self.own).chain(rest).collect();
        let start = 1.min(all.len());
        all.splice(start..start, self.global);
        all
    }
}

fn added(grammar: &Command, matches: &ArgMatches, file: &File) -> Result<Added, Failure> {
    let mut added = Added::default();
    let (path, command, own) = leaf(grammar, matches);
    for option in grammar.get_arguments() {
        if !is_said(matches, own, option.get_id().as_str()) {
            added.global.extend(file.arguments(grammar, &[], option)?);
        }
    }
    if path.is_empty() {
        return Ok(added);
    }
    for option in command.get_arguments() {
        if !is_said(own, own, option.get_id().as_str()) {
            added.own.extend(file.arguments(grammar, &path, option)?);
        }
    }
    Ok(added)
}

/// The command that was named: its path, its grammar, what was given to it.
pub(crate) fn leaf<'a>(
    grammar: &'a Command,
    matches: &'a ArgMatches,
) -> (Vec<String>, &'a Command, &'a ArgMatches) {
    let (mut path, mut command, mut matches) = (Vec::new(), grammar, matches);
    while let Some((name, below)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(name) else { break };
        path.push(name.to_owned());
        (command, matches) = (found, below);
    }
    (path, command, matches)
}

/// Whether a flag or a variable says it. A global option may stand on either side of the command.
fn is_said(outer: &ArgMatches, inner: &ArgMatches, id: &str) -> bool {
    [outer, inner].into_iter().any(|matches| {
        matches.try_contains_id(id).is_ok()
            && matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    })
}

#[cfg(test)]
mod tests;
