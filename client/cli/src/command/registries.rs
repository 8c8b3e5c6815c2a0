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
        Command::Report(ReportCommand::Search { registry, .. }) => (&**registry, None, Vec::new()),
        Command::Worker(args) => (&args.registry, None, Vec::new()),
        Command::Server(args) => (&args.registry, None, Vec::new()),
        _ => return Ok(()),
    };
    if let Command::Scan(ScanArgs { target, .. }) | Command::Sweep(SweepArgs { target, .. }) = command
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
