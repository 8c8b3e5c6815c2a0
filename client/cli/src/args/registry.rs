//! Arguments of every command that reads registries itself.

use std::path::PathBuf;

use clap::Args as Group;

/// Whom to trust, and where logins are.
#[derive(Debug, Clone, Default, Group)]
pub struct RegistryArgs {
    /// Authorities (PEM) that a registry's certificate may come from, beside the system's (repeatable).
    #[arg(long, env = "STRATA_REGISTRY_CACERT", value_name = "FILE", value_delimiter = ',')]
    pub registry_cacert: Vec<PathBuf>,
    /// File with logins in the form of Docker's `config.json` or Podman's `auth.json`, instead of Docker's own.
    #[arg(long, env = "REGISTRY_AUTH_FILE", value_name = "FILE")]
    pub authfile: Option<PathBuf>,
}

/// One login for the registries that the command line names. The password comes from a file: arguments are seen by everybody
/// on the machine.
#[derive(Debug, Clone, Default, Group)]
pub struct LoginArgs {
    /// User name for the registries that are named.
    #[arg(long, value_name = "NAME", requires = "registry_password_file")]
    pub registry_username: Option<String>,
    /// File with the password (`/dev/stdin` works too).
    #[arg(long, value_name = "FILE", requires = "registry_username")]
    pub registry_password_file: Option<PathBuf>,
}
