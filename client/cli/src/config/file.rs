//! The configuration file: TOML, small, and nothing in it that no command knows.

use std::{ffi::OsString, ops::Range, path::PathBuf};

use clap::{Arg, ArgAction, Command};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    keys::{SECRETS, VARIABLES, is_option, like},
    value::refused,
};
use crate::exit::Failure;

/// Largest file, in bytes.
const LARGEST: u64 = 1 << 20;

/// A file's settings with their places. The default is no file.
#[derive(Debug, Clone, Default)]
pub struct File {
    path: PathBuf,
    settings: Vec<Setting>,
}

/// One setting of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The command whose table it is in: `["db", "build"]`; empty at the top.
    pub table: Vec<String>,
    /// The option's long name.
    pub key: String,
    /// Its values; a list may have any number.
    pub values: Vec<String>,
    kind: Kind,
    /// Line and column of the key, from 1.
    pub place: (usize, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    List,
    /// An empty table: it must be a command all the same.
    Table,
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no TOML; the message names line and column.
    pub fn read(path: &std::path::Path) -> Result<Self, Failure> {
        let failed = |reason: String| {
            Failure::usage(format!("failed to read the configuration in {}: {reason}", path.display()))
        };
        let length = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
        if length > LARGEST {
            return Err(failed(format!("it has {length} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(path.to_owned(), &text)
    }

    /// Takes a file's text.
    ///
    /// # Errors
    /// When it is no TOML.
    pub fn parse(path: PathBuf, text: &str) -> Result<Self, Failure> {
        let mut file = Self { path, settings: Vec::new() };
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let place = place(text, &error.span().unwrap_or_default());
                return Err(file.wrong(place, error.message().trim().to_owned()));
            }
        };
        file.take(text, &[], table.get_ref())?;
        Ok(file)
    }

    fn take(&mut self, text: &str, path: &[String], table: &DeTable<'_>) -> Result<(), Failure> {
        for (key, value) in table {
            let place = place(text, &key.span());
            let name = key.get_ref().to_string();
            if let DeValue::Table(below) = value.get_ref() {
                let path = [path, &[name]].concat();
                let (kind, values) = (Kind::Table, Vec::new());
                self.settings.push(Setting { table: path.clone(), key: String::new(), values, kind, place });
                self.take(text, &path, below)?;
                continue;
            }
            let Some((kind, values)) = values(value) else {
                return Err(self.wrong(place, format!("`{name}` is no text, number, flag or list of these")));
            };
            self.settings.push(Setting { table: path.to_vec(), key: name, values, kind, place });
        }
        Ok(())
    }

    /// The file's name for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether there is a file.
    #[must_use]
    pub fn is_some(&self) -> bool {
        !self.path.as_os_str().is_empty()
    }

    /// Refuses what no command knows.
    ///
    /// # Errors
    /// Names the first such key with its line and column.
    pub fn check(&self, grammar: &Command) -> Result<(), Failure> {
        for setting in &self.settings {
            let mut command = grammar;
            for name in &setting.table {
                command = command.find_subcommand(name).ok_or_else(|| {
                    self.wrong(setting.place, format!("`{}` is no command", setting.table.join(" ")))
                })?;
            }
            let known = setting.kind == Kind::Table
                || is_option(command, &setting.key)
                || (setting.table.is_empty() && VARIABLES.iter().any(|(key, _)| *key == setting.key));
            if !known {
                return Err(self.unknown(setting, command));
            }
            if setting.table.is_empty() && setting.key == "output" {
                let reason = "`output` names files, which are those of one command";
                let hint = "write it into the command's table: [scan], [diff]";
                return Err(self.wrong(setting.place, reason.to_owned()).hint(hint));
            }
        }
        Ok(())
    }

    fn unknown(&self, setting: &Setting, command: &Command) -> Failure {
        let key = &setting.key;
        if let Some((_, variable)) = SECRETS.iter().find(|(secret, _)| secret == key) {
            return self
                .wrong(setting.place, format!("`{key}` is a secret, which no configuration holds"))
                .hint(format!("set {variable}, or name a file that holds it"));
        }
        let of = if setting.table.is_empty() {
            "any command".to_owned()
        } else {
            format!("`strata {}`", setting.table.join(" "))
        };
        let failure = self.wrong(setting.place, format!("`{key}` is no option of {of}"));
        match like(command, key) {
            Some(like) => failure.hint(format!("did you mean `{like}`?")),
            None => failure,
        }
    }

    /// What the file says of an option of a command: what stands in its own table, else in that of the command above, else at
    /// the top.
    #[must_use]
    pub fn setting(&self, path: &[String], key: &str) -> Option<&Setting> {
        (0..=path.len()).rev().filter_map(|length| path.get(..length)).find_map(|table| {
            self.settings.iter().find(|setting| {
                setting.kind != Kind::Table && setting.key == key && setting.table.as_slice() == table
            })
        })
    }

    /// The value of a variable of which the environment says nothing.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        let (key, _) = VARIABLES.iter().find(|(_, variable)| *variable == name)?;
        self.setting(&[], key).map(|setting| setting.values.join(","))
    }

    /// What the file says of an option, where that is meant for this command: a value that comes from further up, and that
    /// another command's option of that name takes and this one's does not, is meant for the other (`format = "sarif"`).
    pub(super) fn meant(&self, grammar: &Command, path: &[String], option: &Arg) -> Option<&Setting> {
        let setting = self.setting(path, option.get_long()?)?;
        let inherited = setting.table.as_slice() != path;
        let foreign = inherited && !takes(option, setting) && is_taken(grammar, setting);
        (!foreign).then_some(setting)
    }

    /// The arguments that say the same.
    ///
    /// # Errors
    /// When the option does not take such a value.
    pub(super) fn arguments(
        &self,
        grammar: &Command,
        path: &[String],
        option: &Arg,
    ) -> Result<Vec<OsString>, Failure> {
        let Some(name) = option.get_long() else { return Ok(Vec::new()) };
        let Some(setting) = self.meant(grammar, path, option) else { return Ok(Vec::new()) };
        let wrong = |what: &str| Err(self.wrong(setting.place, format!("`{name}` {what}")));
        let flag = format!("--{name}");
        let first = setting.values.first().map(String::as_str).unwrap_or_default();
        match (option.get_action(), setting.kind) {
            (ArgAction::SetTrue, Kind::Flag) if first == "true" => Ok(vec![flag.into()]),
            (ArgAction::SetTrue, Kind::Flag) => Ok(Vec::new()),
            (ArgAction::SetTrue, _) => wrong("is `true` or `false`"),
            (ArgAction::Count, Kind::Number) => match first.parse() {
                Ok(count @ 0..=9) => Ok(vec![flag.into(); count]),
                _ => wrong("is a number from 0 to 9"),
            },
            (ArgAction::Count, _) => wrong("is a number"),
            (ArgAction::Set, Kind::List) => wrong("takes one value, not a list"),
            _ => match refused(option, &setting.values) {
                Some(reason) => wrong(&reason),
                None => Ok(setting.values.iter().map(|value| format!("{flag}={value}").into()).collect()),
            },
        }
    }

    fn wrong(&self, (line, column): (usize, usize), reason: String) -> Failure {
        Failure::usage(format!("failed to read the configuration: {}:{line}:{column}: {reason}", self.name()))
    }
}

/// Whether an option takes these values, as far as its possible values tell.
fn takes(option: &Arg, setting: &Setting) -> bool {
    let possible = option.get_possible_values();
    let known = |value: &String| possible.iter().any(|one| one.matches(value, option.is_ignore_case_set()));
    possible.is_empty() || option.get_action().takes_values() && setting.values.iter().all(known)
}

/// Whether some command has an option of that name that takes these values.
fn is_taken(command: &Command, setting: &Setting) -> bool {
    let named = |option: &&Arg| option.get_long() == Some(setting.key.as_str());
    command.get_arguments().find(named).is_some_and(|option| takes(option, setting))
        || command.get_subcommands().any(|below| is_taken(below, setting))
}

fn values(value: &Spanned<DeValue<'_>>) -> Option<(Kind, Vec<String>)> {
    Some(match value.get_ref() {
        DeValue::String(text) => (Kind::Text, vec![text.to_string()]),
        DeValue::Integer(number) if number.radix() == 10 => (Kind::Number, vec![number.as_str().to_owned()]),
        DeValue::Float(number) => (Kind::Number, vec![number.as_str().to_owned()]),
        DeValue::Boolean(flag) => (Kind::Flag, vec![flag.to_string()]),
        DeValue::Datetime(moment) => (Kind::Text, vec![moment.to_string()]),
        DeValue::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                match values(item)? {
                    (Kind::List, _) => return None,
                    (_, value) => all.extend(value),
                }
            }
            (Kind::List, all)
        }
        DeValue::Integer(_) | DeValue::Table(_) => return None,
    })
}

/// Line and column, both from 1, the column in characters.
fn place(text: &str, span: &Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
