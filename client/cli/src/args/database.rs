//! The grammar of `strata db`.

use std::path::PathBuf;

use clap::Subcommand;

use super::ServerUrl;

/// Commands on the advisory database.
#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Compile advisories (OSV's export layout) into one file.
    Build {
        /// Directory with `<Ecosystem>/all.zip`, or a zip of advisories (repeatable).
        #[arg(long, required = true, value_name = "DIR|ZIP", num_args = 1..)]
        from: Vec<PathBuf>,
        /// Probabilities of exploitation: FIRST's EPSS, as CSV.
        #[arg(long, value_name = "CSV")]
        epss: Option<PathBuf>,
        /// Known exploited vulnerabilities: CISA's catalogue, as JSON.
        #[arg(long, value_name = "JSON")]
        kev: Option<PathBuf>,
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
