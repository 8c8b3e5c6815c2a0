//! The grammar of `strata db`.

use std::path::PathBuf;

use clap::Subcommand;

use super::ServerUrl;

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
    Push {
        /// Where to: `oci://HOST/REPOSITORY:TAG`.
        reference: String,
        /// The database.
        #[arg(long, env = "STRATA_DB", value_name = "FILE")]
        db: Option<PathBuf>,
    },
    /// Pull a database from a registry.
    Pull {
        /// Where from: `oci://HOST/REPOSITORY:TAG`.
        reference: String,
        /// The database to write; default: the default location.
        #[arg(long, env = "STRATA_DB", value_name = "FILE")]
        db: Option<PathBuf>,
    },
    /// Publish a database to a cluster: its workers fetch it, and every scan from then on uses it.
    Publish {
        /// The database.
        #[arg(long, env = "STRATA_DB", value_name = "FILE")]
        db: Option<PathBuf>,
        /// The server.
        #[command(flatten)]
        server: ServerUrl,
    },
    /// Which (ecosystem, package) keys have changed advisories.
    Diff {
        /// The older database.
        old: PathBuf,
        /// The newer database.
        new: PathBuf,
    },
}
