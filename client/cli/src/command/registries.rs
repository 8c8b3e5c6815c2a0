//! Registries' certificates and logins, from arguments into the settings.

use strata_proto::reference::Reference;
use strata_worker::source::{auth::Login, secret::Secret};

use crate::{
    args::{Command, DbCommand, DockerCommand, LoginArgs, RegistryArgs, ReportCommand, ScanArgs, SweepArgs},
    command::distribute,
    exit::Failure,
    security,
    settings::Settings,
};

/// Takes what the command says of registries into the settings.
pub(super) fn apply(command: &Command, settings: &mut Settings) -> Result<(), Failure> {
    let (registry, login, names) = match command {
        Command::Scan(args) => (&args.target.registry, Some(&args.target.login), args.images.clone()),
        Command::Sweep(args) => {
            let host = args.registry.split('/').next().unwrap_or_default();
            (&args.target.registry, Some(&args.target.login), vec![format!("{host}/any")])
        }
        Command::Db(DbCommand::Push(args) | DbCommand::Pull(args)) => {
            (&args.registry, Some(&args.login), vec![distribute::bare(&args.reference).to_owned()])
        }
        Command::Tag(args) | Command::Docker(DockerCommand::Tag(args)) => (&args.registry, None, Vec::new()),
        Command::Advise(args) => {
            let names = std::iter::once(&args.image).chain(&args.candidates).chain(&args.base);
            (&args.target.registry, Some(&args.target.login), names.cloned().collect())
        }
        Command::Diff(args) => (&args.target.registry, Some(&args.target.login), args.images.clone()),
        Command::Report(ReportCommand::Search { registry, .. } | ReportCommand::Show { registry, .. }) => {
            (&**registry, None, Vec::new())
        }
        Command::Worker(args) => (&args.registry, None, Vec::new()),
        Command::Server(args) => (&args.registry, None, Vec::new()),
        _ => return Ok(()),
    };
    let scanning = match command {
        Command::Scan(ScanArgs { target, .. }) | Command::Sweep(SweepArgs { target, .. }) => Some(target),
        Command::Diff(args) => Some(&args.target),
        _ => None,
    };
    if let Some(target) = scanning
        && target.server.is_some()
        && target.login.registry_username.is_some()
    {
        return Err(Failure::usage(
            "--registry-username cannot be used with --server: its workers hold the logins".to_owned(),
        ));
    }
    trust(registry, settings)?;
    match login {
        Some(login) => log_in(login, &names, settings),
        None => Ok(()),
    }
}

fn trust(args: &RegistryArgs, settings: &mut Settings) -> Result<(), Failure> {
    for file in &args.registry_cacert {
        settings.registry.extra_roots.push(security::authorities(file)?);
    }
    if let Some(file) = &args.authfile {
        // One that is named must be there; Docker's own need not.
        security::read(file, "the logins")?;
        settings.auth_file = Some(file.clone());
    }
    Ok(())
}

/// The login counts for the hosts that are named, and for no other that one of them leads to.
fn log_in(args: &LoginArgs, names: &[String], settings: &mut Settings) -> Result<(), Failure> {
    let (Some(username), Some(file)) = (&args.registry_username, &args.registry_password_file) else {
        return Ok(());
    };
    let password = Secret::new(security::text(file, "the registry's password")?);
    for name in names {
        if let Ok(reference) = name.parse::<Reference>() {
            let login = Login::Basic { username: username.clone(), password: password.clone() };
            settings.registry.credentials.entries.insert(0, (reference.host, login));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io::Write as _};

    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::{args::Args, config::File};

    /// Each command that takes `--authfile`, as somebody types it.
    const LINES: [&str; 12] = [
        "scan r.example/app",
        "sweep r.example",
        "db push oci://r.example/db:1",
        "db pull oci://r.example/db:1",
        "tag --image r.example/app:1",
        "docker tag --image r.example/app:1",
        "advise r.example/app --candidates r.example/base:2",
        "diff r.example/app:1 r.example/app:2",
        "report search",
        "report show some.id",
        "worker --nats nats://127.0.0.1:1 --redis redis://127.0.0.1:1",
        "server",
    ];

    fn with_authfile(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
        if command.get_arguments().any(|argument| argument.get_id() == "authfile") {
            found.insert(path.to_owned());
        }
        for child in command.get_subcommands() {
            let path = format!("{path} {}", child.get_name());
            with_authfile(child, path.trim(), found);
        }
    }

    #[test]
    fn no_command_ignores_what_it_is_told_of_registries() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"{}").expect("written");
        let path = file.path().to_str().expect("text");
        let mut seen = BTreeSet::new();
        for line in LINES {
            let words = ["strata"].into_iter().chain(line.split(' ')).chain(["--authfile", path]);
            let args = Args::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            let mut settings = Settings::from_environment(&args, &File::default()).expect("settings");
            settings.auth_file = None;
            apply(&args.command, &mut settings).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(settings.auth_file.as_deref(), Some(file.path()), "{line}");
            let is_name = |word: &&str| !word.starts_with('-') && !word.contains('.');
            seen.insert(line.split(' ').take_while(is_name).collect::<Vec<_>>().join(" "));
        }
        let mut there = BTreeSet::new();
        with_authfile(&Args::command(), "", &mut there);
        assert_eq!(seen, there, "each command that takes it is tried");
    }
}
