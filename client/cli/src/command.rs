//! The commands, one file each.

mod about;
mod advise;
mod archive;
pub mod build;
mod cancel;
mod cluster;
mod db;
mod demo;
mod diff;
mod distribute;
mod gather;
mod java_index;
mod policy;
mod publish;
mod registries;
mod report;
mod risk;
mod roles;
mod scan;
mod sweep;
mod sweeps;
mod tag;
mod token;
mod touched;
pub mod update;
mod watch;
mod webhooks;

use std::process::ExitCode;

pub(crate) use about::about_itself;
pub(crate) use db::watch as watch_database;
pub(crate) use publish::{Reader as DatabaseReader, info as database_info, outline};
pub(crate) use roles::{announce, listen};
pub(crate) use scan::context as source_document;
pub(crate) use sweeps::when;

use crate::{
    args::{Command, DockerCommand},
    exit::Failure,
    settings::Settings,
};

/// Writes to stdout, with a line's end; a reader that has enough is no failure.
fn say(text: &str) -> Result<(), Failure> {
    diff::print(&mut |out| writeln!(out, "{text}"))
}

/// Runs one command.
///
/// # Errors
/// When it cannot be done; the failure carries the exit code.
pub async fn run(command: Command, mut settings: Settings) -> Result<ExitCode, Failure> {
    registries::apply(&command, &mut settings)?;
    match command {
        Command::Scan(args) => scan::run(args, &settings).await,
        Command::Sweep(args) => sweep::run(args, &settings).await,
        Command::Diff(args) => diff::run(*args, &settings).await,
        Command::Advise(args) => advise::run(*args, &settings).await,
        Command::Tag(args) | Command::Docker(DockerCommand::Tag(args)) => tag::run(*args, &settings).await,
        Command::Risk(command) => risk::run(command, &settings).await,
        Command::Watch(args) => watch::run(args, &settings).await,
        Command::Sweeps(args) => sweeps::run(args, &settings).await,
        Command::Cancel(args) => cancel::run(args, &settings).await,
        Command::Report(command) => report::run(command, &settings).await,
        Command::Archive(command) => archive::run(command, &settings).await,
        Command::Policy(command) => policy::run(command),
        Command::Db(command) => db::run(command, &settings).await,
        Command::Token(command) => token::run(command, &settings).await,
        Command::Coordinator(args) => cluster::coordinator(*args, &settings).await,
        Command::Worker(args) => cluster::worker(args, &settings).await,
        Command::Server(args) => roles::server(args, &settings).await,
        Command::JavaIndex(command) => java_index::run(&command),
        Command::Demo(args) => demo::run(args, &settings).await,
        // Answered before there were settings.
        Command::Config(_) | Command::Completions(_) | Command::Man(_) => Ok(ExitCode::SUCCESS),
    }
}
