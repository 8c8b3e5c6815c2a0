//! `strata config show`, `strata completions` and `strata man`: derived from the grammar of the command line, without settings.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use crate::{
    args::{Args, Command, ConfigCommand},
    config::{self, Stop},
    exit::Failure,
    output, settings,
};

/// Answers what needs neither a home nor a runtime; `None` for every other command.
///
/// # Errors
/// When the answer cannot be given.
pub(crate) fn about_itself(args: &Args) -> Result<Option<ExitCode>, Failure> {
    match &args.command {
        Command::Config(ConfigCommand::Show { format, command }) => {
            show(*format, command, args.config.as_deref())?
        }
        Command::Completions(args) => {
            let mut text = Vec::new();
            clap_complete::generate(args.shell, &mut config::grammar(), "strata", &mut text);
            print(&text)?;
        }
        Command::Man(args) => match &args.dir {
            Some(directory) => write_pages(directory)?,
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(config::grammar()).render(&mut page).map_err(failed)?;
                print(&page)?;
            }
        },
        _ => return Ok(None),
    }
    Ok(Some(ExitCode::SUCCESS))
}

fn show(form: config::show::Form, command: &[String], named: Option<&Path>) -> Result<(), Failure> {
    let mut text = Vec::new();
    let places = settings::config_places();
    match config::show::show(form, command, named, &places, &settings::text, &mut text) {
        Ok(()) => print(&text),
        Err(Stop::Failure(failure)) => Err(failure),
        Err(Stop::Grammar(error)) => Err(Failure::usage(error.to_string().trim().to_owned())),
    }
}

fn write_pages(directory: &Path) -> Result<(), Failure> {
    let wrong = |error: io::Error| {
        Failure::usage(format!("failed to write manual pages to {}: {error}", directory.display()))
    };
    std::fs::create_dir_all(directory).map_err(wrong)?;
    clap_mangen::generate_to(config::grammar(), directory).map_err(wrong)
}

/// The reader of a pipe may have enough.
fn print(text: &[u8]) -> Result<(), Failure> {
    output::goes_on(io::stdout().lock().write_all(text)).map(drop)
}

fn failed(error: io::Error) -> Failure {
    Failure::usage(format!("failed to write to stdout: {error}"))
}
