//! Arguments of every command that talks to a server.

use std::path::PathBuf;

use clap::Args as Group;

/// Whom to trust and who to be. The token itself comes from `STRATA_TOKEN` or a file: arguments are seen by everybody on
/// the machine.
#[derive(Debug, Clone, Default, Group)]
pub struct ConnectionArgs {
    /// Authorities (PEM) that the server's certificate must come from, instead of the system's.
    #[arg(long, env = "STRATA_CACERT", value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Client certificate (PEM), for servers that want one.
    #[arg(long, env = "STRATA_CLIENT_CERT", value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// Key of the client certificate (PEM).
    #[arg(long, env = "STRATA_CLIENT_KEY", value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// File with the token to show; STRATA_TOKEN holds the token itself.
    #[arg(long, env = "STRATA_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Send the token over http:// to hosts that are not this one.
    #[arg(long, env = "STRATA_TOKEN_IN_THE_CLEAR")]
    pub token_in_the_clear: bool,
}

/// The server that a command talks to.
#[derive(Debug, Clone, Group)]
pub struct ServerUrl {
    /// The server; several coordinators of one archive with commas between them.
    #[arg(long, env = "STRATA_SERVER", value_name = "URL")]
    pub server: String,
    /// How it is reached.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Where reports are looked up: a server, or this machine's archive.
#[derive(Debug, Clone, Group)]
pub struct ArchiveArgs {
    /// The server; without it, the archive of this machine.
    #[arg(long, env = "STRATA_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// How it is reached.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Where inventories and reports are kept between runs.
    #[arg(long, alias = "cache-path", env = "STRATA_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}
