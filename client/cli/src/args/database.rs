//! The grammar of `strata db`.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::{ArchiveArgs, LoginArgs, RegistryArgs, ServerUrl};

/// Commands on the advisory database.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Compile advisories (OSV's export layout) into one file.
    Build {
        /// Advisories: a directory with `<Ecosystem>/all.zip` as in OSV's export, zips, and files of other sources (Amazon
        /// Linux, Oracle Linux, Photon OS), recognised by their content (repeatable).
        #[arg(long, required = true, value_name = "DIR|FILE", num_args = 1..)]
        from: Vec<PathBuf>,
        /// Probabilities of exploitation: FIRST's EPSS, as CSV.
        #[arg(long, value_name = "CSV")]
        epss: Option<PathBuf>,
        /// Known exploited vulnerabilities: CISA's catalogue, as JSON.
        #[arg(long, value_name = "JSON")]
        kev: Option<PathBuf>,
        /// Ends of life of distributions, beside those that Strata knows: distro-info-data's `debian.csv` and `ubuntu.csv`,
        /// a document of endoflife.date, or a table with the columns distribution,release,end,extended,source (repeatable).
        #[arg(long, value_name = "FILE", num_args = 1..)]
        lifecycle: Vec<PathBuf>,
        /// Keep here what was read of each file: a build reads only files that have changed since.
        #[arg(long, value_name = "DIR")]
        parts: Option<PathBuf>,
        /// The file to write; default: the default location.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// What a database holds, and how old it is.
    Status {
        /// The database.
        #[arg(long, env = "STRATA_DB", value_name = "FILE")]
        db: Option<PathBuf>,
        /// Check every byte against the digest.
        #[arg(long)]
        verify: bool,
    },
    /// Download the public export and compile it.
    Update {
        /// The database to write; default: the default location.
        #[arg(long, env = "STRATA_DB", value_name = "FILE")]
        db: Option<PathBuf>,
        /// Where the export is.
        #[arg(long, value_name = "URL", default_value = crate::command::update::EXPORT)]
        url: String,
        /// Only these ecosystems (repeatable); default: all.
        #[arg(long, value_name = "NAME")]
        ecosystem: Vec<String>,
        /// More advisories, as for `build` (repeatable).
        #[arg(long, value_name = "DIR|FILE", num_args = 1..)]
        from: Vec<PathBuf>,
    },
    /// Push a database to a registry, as an OCI artefact.
    Push(DistributeArgs),
    /// Pull a database from a registry.
    Pull(DistributeArgs),
    /// Publish a database to a cluster: its workers fetch it, and every scan from then on uses it.
    Publish {
        /// The database.
        #[arg(long, env = "STRATA_DB", value_name = "FILE")]
        db: Option<PathBuf>,
        /// The server.
        #[command(flatten)]
        server: ServerUrl,
    },
    /// Which (ecosystem, package) keys have changed advisories; or, with --archive, which images that concerns.
    Diff(Box<DbDiffArgs>),
}

/// Arguments of `strata db diff`.
#[derive(Debug, Clone, Group)]
pub struct DbDiffArgs {
    /// The older database.
    pub old: PathBuf,
    /// The newer database.
    pub new: PathBuf,
    /// Name the archived images whose findings the difference may change: those that asked for one of the changed keys when they
    /// were last assessed. Images of which that is not known (their report was submitted, or is of an earlier version) are listed as
    /// unknown.
    #[arg(long)]
    pub archive: bool,
    /// `table`, or `json` for programs.
    #[arg(short, long, default_value = "table", value_parser = ["table", "json"], requires = "archive")]
    pub format: String,
    /// Which archive.
    #[command(flatten)]
    pub place: ArchiveArgs,
}

/// Arguments of `strata db push` and `strata db pull`.
#[derive(Debug, Clone, Group)]
pub struct DistributeArgs {
    /// Where it is in a registry: `oci://HOST/REPOSITORY:TAG`.
    pub reference: String,
    /// The database file; default: the default location.
    #[arg(long, env = "STRATA_DB", value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// Any certificate of the registry, or plain HTTP where it is not on loopback (there plain HTTP needs no word).
    #[arg(long, visible_alias = "allow-insecure-registry")]
    pub insecure: bool,
    /// The registry's certificate and logins.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// One login.
    #[command(flatten)]
    pub login: LoginArgs,
}
