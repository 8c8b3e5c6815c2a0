//! `strata config show`: each option of a command, its value, and who says so. The same code decides as for a real call.

use std::{ffi::OsString, io::Write};

use clap::{ArgMatches, Command, parser::ValueSource};

use super::{
    File, Places, Stop,
    keys::{SECRETS, VARIABLES},
};
use crate::exit::Failure;

/// One line of the answer.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    key: String,
    value: String,
    source: String,
}

/// Looks a variable of the environment up.
pub type Get<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Writes what a call of a command with these words would use.
///
/// # Errors
/// When there is no such command, the file is broken, or the answer cannot be written.
pub fn show(
    words: &[String],
    config: Option<&std::path::Path>,
    places: &Places,
    get: Get<'_>,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    let words: Vec<String> = if words.is_empty() { vec!["scan".to_owned()] } else { words.to_vec() };
    let grammar = super::grammar();
    let mut arguments: Vec<OsString> = vec!["strata".into()];
    if let Some(config) = config {
        arguments.extend(["--config".into(), config.into()]);
    }
    arguments.extend(words.iter().map(OsString::from));
    let matches = grammar.clone().ignore_errors(true).try_get_matches_from(arguments)?;
    let (path, command, own) = super::leaf(&grammar, &matches);
    if path.is_empty() {
        let what = words.first().map(String::as_str).unwrap_or_default();
        return Err(Failure::usage(format!("`{what}` is no command of strata")).into());
    }
    let file = super::open(&matches, places, &grammar)?;
    let mut lines = options(&path, command, own, &file);
    let globals = options(&[], &grammar, &matches, &file);
    let is_new = |line: &Line| !lines.iter().any(|known| known.key == line.key);
    let globals: Vec<Line> = globals.into_iter().filter(is_new).collect();
    lines.extend(globals);
    lines.extend(variables(&file, get));
    write(&path, &file, places, &lines, out)
        .map_err(|error| Failure::usage(format!("failed to write the settings: {error}")).into())
}

fn options(path: &[String], command: &Command, matches: &ArgMatches, file: &File) -> Vec<Line> {
    let options = command.get_arguments().filter(|option| !option.is_positional());
    let shown = options.filter(|option| !["help", "version"].contains(&option.get_id().as_str()));
    shown
        .filter_map(|option| {
            let key = option.get_long()?;
            let id = option.get_id().as_str();
            let (value, source) = said(matches, id, option)
                .or_else(|| {
                    let setting = file.setting(path, key)?;
                    let (line, column) = setting.place;
                    Some((setting.values.join(","), format!("{}:{line}:{column}", file.name())))
                })
                .unwrap_or_else(|| {
                    let default: Vec<_> =
                        option.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
                    let is_set = !default.is_empty() && option.get_action().takes_values();
                    let source = if is_set { "default" } else { "not set" };
                    (if is_set { default.join(",") } else { "-".to_owned() }, source.to_owned())
                });
            Some(Line { key: key.to_owned(), value: redacted(&value), source })
        })
        .collect()
}

/// What a flag or a variable says.
fn said(matches: &ArgMatches, id: &str, option: &clap::Arg) -> Option<(String, String)> {
    matches.try_contains_id(id).ok()?;
    let source = match matches.value_source(id)? {
        ValueSource::CommandLine => "flag".to_owned(),
        ValueSource::EnvVariable => {
            format!("environment {}", option.get_env().unwrap_or_default().to_string_lossy())
        }
        _ => return None,
    };
    if !option.get_action().takes_values() {
        let count = matches.try_get_one::<u8>(id).ok().flatten().map(u8::to_string);
        return Some((count.unwrap_or_else(|| "true".to_owned()), source));
    }
    let values = matches.get_raw(id)?.map(|value| value.to_string_lossy().into_owned());
    Some((values.collect::<Vec<_>>().join(","), source))
}

/// What is no option of a command.
fn variables<'a>(file: &'a File, get: Get<'a>) -> impl Iterator<Item = Line> + 'a {
    let plain = VARIABLES.iter().map(move |(key, variable)| {
        let (value, source) = match (get(variable), file.setting(&[], key)) {
            (Some(value), _) => (value, format!("environment {variable}")),
            (None, Some(setting)) => {
                let (line, column) = setting.place;
                (setting.values.join(","), format!("{}:{line}:{column}", file.name()))
            }
            (None, None) => ("-".to_owned(), "not set".to_owned()),
        };
        Line { key: (*key).to_owned(), value: redacted(&value), source }
    });
    let secret = SECRETS.iter().map(move |(key, variable)| match get(variable) {
        Some(_) => Line {
            key: (*key).to_owned(),
            value: "(a secret)".to_owned(),
            source: format!("environment {variable}"),
        },
        None => Line { key: (*key).to_owned(), value: "-".to_owned(), source: "not set".to_owned() },
    });
    plain.chain(secret)
}

fn write(
    path: &[String],
    file: &File,
    places: &Places,
    lines: &[Line],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    writeln!(out, "# strata {}", path.join(" "))?;
    if file.is_some() {
        writeln!(out, "# configuration: {}", file.name())?;
    } else {
        let places: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
        writeln!(out, "# configuration: none; looked for: {}", places.join(", "))?;
    }
    let width =
        |of: fn(&Line) -> &String| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (key, value) = (width(|line| &line.key), width(|line| &line.value).min(48));
    for line in lines {
        writeln!(out, "{:key$}  {:value$}  {}", line.key, line.value, line.source)?;
    }
    Ok(())
}

/// Without the password of a URL.
fn redacted(value: &str) -> String {
    value.split(',').map(redacted_one).collect::<Vec<_>>().join(",")
}

fn redacted_one(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    // A password may hold an unescaped `/` or `?`: then the `@` is in the tail, and all before it goes.
    match (authority.rsplit_once('@'), tail.rsplit_once('@')) {
        (_, Some((_, host))) => format!("{scheme}://(redacted)@{host}"),
        (Some((login, host)), None) => {
            let user = login.split(':').next().unwrap_or_default();
            let has_password = login.contains(':');
            let login = if has_password { format!("{user}:(redacted)") } else { "(redacted)".to_owned() };
            format!("{scheme}://{login}@{host}{tail}")
        }
        (None, None) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn passwords_are_not_shown() {
        for (value, shown) in [
            ("postgres://u:pw@db/x?sslmode=require", "postgres://u:(redacted)@db/x?sslmode=require"),
            ("nats://token@host:4222", "nats://(redacted)@host:4222"),
            ("http://a:7400,https://u:p@b", "http://a:7400,https://u:(redacted)@b"),
            ("redis://:p/w@host/0", "redis://(redacted)@host/0"),
            ("postgres://u:p@ss?x@db/y", "postgres://(redacted)@db/y"),
            ("https://strata.example:7400", "https://strata.example:7400"),
            ("reports/a@b.json", "reports/a@b.json"),
        ] {
            assert_eq!(redacted(value), shown);
        }
    }
}
