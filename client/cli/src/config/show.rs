//! `strata config show`: each option of a command, its value, and who says so. The same code decides as for a real call.

use std::{ffi::OsString, fmt, io::Write};

use clap::{ArgMatches, Command, parser::ValueSource};

use serde_json::{Value, json};

use super::{
    File, Places, Stop,
    keys::{SECRETS, VARIABLES},
};
use crate::exit::Failure;

/// One line of the answer.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    key: String,
    /// Empty where nobody says anything.
    values: Vec<String>,
    source: Source,
}

/// Who says so.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Flag,
    /// The variable.
    Environment(String),
    /// Path, line and column.
    File(String, (usize, usize)),
    Default,
    Nobody,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Looks a variable of the environment up.
pub type Get<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Writes what a call of a command with these words would use.
///
/// # Errors
/// When there is no such command, the file is broken, or the answer cannot be written.
pub fn show(
    form: Form,
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
    let mut lines = options(&grammar, &path, command, own, &file);
    let globals = options(&grammar, &[], &grammar, &matches, &file);
    let is_new = |line: &Line| !lines.iter().any(|known| known.key == line.key);
    let globals: Vec<Line> = globals.into_iter().filter(is_new).collect();
    lines.extend(globals);
    lines.extend(variables(&file, get));
    let written = match form {
        Form::Text => write(&path, &file, places, &lines, out),
        Form::Json => write_json(&path, &file, places, &lines, out),
    };
    written.map_err(|error| Failure::usage(format!("failed to write the settings: {error}")).into())
}

fn options(
    grammar: &Command,
    path: &[String],
    command: &Command,
    matches: &ArgMatches,
    file: &File,
) -> Vec<Line> {
    let options = command.get_arguments().filter(|option| !option.is_positional());
    let shown = options.filter(|option| !["help", "version"].contains(&option.get_id().as_str()));
    shown
        .filter_map(|option| {
            let key = option.get_long()?;
            let id = option.get_id().as_str();
            let from_file = || {
                let setting = file.meant(grammar, path, option)?;
                Some((setting.values.clone(), Source::File(file.name(), setting.place)))
            };
            let (values, source) =
                said(matches, id, option).or_else(from_file).unwrap_or_else(|| usual(option));
            Some(Line { key: key.to_owned(), values: redacted(&values), source })
        })
        .collect()
}

/// The default.
fn usual(option: &clap::Arg) -> (Vec<String>, Source) {
    let default = option.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
    let default: Vec<String> = default.collect();
    let is_set = !default.is_empty() && option.get_action().takes_values();
    if is_set { (default, Source::Default) } else { (Vec::new(), Source::Nobody) }
}

/// What a flag or a variable says.
fn said(matches: &ArgMatches, id: &str, option: &clap::Arg) -> Option<(Vec<String>, Source)> {
    matches.try_contains_id(id).ok()?;
    let source = match matches.value_source(id)? {
        ValueSource::CommandLine => Source::Flag,
        ValueSource::EnvVariable => {
            Source::Environment(option.get_env().unwrap_or_default().to_string_lossy().into_owned())
        }
        _ => return None,
    };
    if !option.get_action().takes_values() {
        let count = matches.try_get_one::<u8>(id).ok().flatten().map(u8::to_string);
        return Some((vec![count.unwrap_or_else(|| "true".to_owned())], source));
    }
    let values = matches.get_raw(id)?.map(|value| value.to_string_lossy().into_owned());
    Some((values.collect(), source))
}

/// What is no option of a command.
fn variables<'a>(file: &'a File, get: Get<'a>) -> impl Iterator<Item = Line> + 'a {
    let plain = VARIABLES.iter().map(move |(key, variable)| {
        let (values, source) = match (get(variable), file.setting(&[], key)) {
            (Some(value), _) => (vec![value], Source::Environment((*variable).to_owned())),
            (None, Some(setting)) => (setting.values.clone(), Source::File(file.name(), setting.place)),
            (None, None) => (Vec::new(), Source::Nobody),
        };
        Line { key: (*key).to_owned(), values: redacted(&values), source }
    });
    let secret = SECRETS.iter().map(move |(key, variable)| match get(variable) {
        Some(_) => Line {
            key: (*key).to_owned(),
            values: vec!["(a secret)".to_owned()],
            source: Source::Environment((*variable).to_owned()),
        },
        None => Line { key: (*key).to_owned(), values: Vec::new(), source: Source::Nobody },
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
        |of: fn(&Line) -> String| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (key, value) = (width(|line| line.key.clone()), width(Line::text).min(48));
    for line in lines {
        writeln!(out, "{:key$}  {:value$}  {}", line.key, line.text(), line.source)?;
    }
    Ok(())
}

fn write_json(
    path: &[String],
    file: &File,
    places: &Places,
    lines: &[Line],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let settings: Vec<Value> = lines
        .iter()
        .map(|line| json!({"key": line.key, "values": line.values, "source": line.source.json()}))
        .collect();
    let document = json!({
        "schema": 1,
        "command": path.join(" "),
        "configuration": file.is_some().then(|| file.name()),
        "looked_for": places.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "settings": settings,
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

impl Line {
    fn text(&self) -> String {
        if self.source == Source::Nobody { "-".to_owned() } else { self.values.join(",") }
    }
}

impl Source {
    fn json(&self) -> Value {
        match self {
            Self::Flag => json!({"kind": "flag"}),
            Self::Environment(variable) => json!({"kind": "environment", "variable": variable}),
            Self::File(path, (line, column)) => {
                json!({"kind": "file", "path": path, "line": line, "column": column})
            }
            Self::Default => json!({"kind": "default"}),
            Self::Nobody => json!({"kind": "not-set"}),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("flag"),
            Self::Environment(variable) => write!(formatter, "environment {variable}"),
            Self::File(path, (line, column)) => write!(formatter, "{path}:{line}:{column}"),
            Self::Default => formatter.write_str("default"),
            Self::Nobody => formatter.write_str("not set"),
        }
    }
}

/// Without the passwords of URLs.
fn redacted(values: &[String]) -> Vec<String> {
    let one = |value: &String| value.split(',').map(redacted_one).collect::<Vec<_>>().join(",");
    values.iter().map(one).collect()
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
            assert_eq!(redacted(&[value.to_owned()]), [shown]);
        }
    }
}
