//! The command line's grammar.

mod about;
mod advise;
mod archive;
mod connection;
mod database;
mod diff;
mod gate;
pub mod java_index;
pub mod layers;
mod queue;
mod registry;
mod report;
mod risk;
mod role;
mod source;
mod submit;
mod tag;
mod token;
mod webhook;

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};

use self::gate::{order, severity};

pub use self::{
    about::{CompletionsArgs, ConfigCommand, ManArgs},
    advise::AdviseArgs,
    archive::{AuditCommand, ExportArgs},
    connection::{ArchiveArgs, ConnectionArgs, ServerUrl},
    database::{DbCommand, DbDiffArgs, DistributeArgs},
    diff::DiffArgs,
    gate::{GateArgs, PolicyCommand},
    queue::QueueArgs,
    registry::{LoginArgs, RegistryArgs},
    report::{ReportCommand, SearchArgs},
    risk::{RiskArgs, RiskCommand},
    role::{ClusterArgs, CoordinatorArgs, KeepArgs, ObserveArgs, ServeArgs, ServerArgs, WorkerArgs},
    source::SourceArgs,
    submit::SubmitArgs,
    tag::{DockerCommand, TagArgs},
    token::{TokenCommand, TokenPlace},
    webhook::WebhookArgs,
};

/// Container-image vulnerability scanner for whole registries.
#[derive(Debug, Parser)]
#[command(name = "strata", version, about, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Say more on stderr (-v: what happens, -vv: everything).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No progress on stderr.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Configuration file, instead of `~/.config/strata/config.toml` or else `/etc/strata/config.toml`.
    #[arg(long, global = true, env = "STRATA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Form of log lines on stderr.
    #[arg(long, global = true, env = "STRATA_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, with the scan, image and layer that it is about.
    Json,
}

const EXIT_CODES: &str = "Exit codes: 0 passed, 1 the policy failed, 2 usage or configuration, 3 the scan could not be \
completed, 4 the report could not be submitted though that was required.";

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Scan images: registry references, docker-archives, OCI layouts and archives.
    Scan(ScanArgs),
    /// Scan a registry, or the repositories of it that start with a prefix.
    Sweep(SweepArgs),
    /// Compare two images: sizes, layers, packages, findings.
    Diff(Box<DiffArgs>),
    /// Predict which findings other bases would remove from an image, without building it.
    Advise(Box<AdviseArgs>),
    /// Tell where an image comes from, before or after it is scanned and pushed.
    Tag(Box<TagArgs>),
    /// Commands under the name that other tools give them.
    #[command(subcommand, hide = true)]
    Docker(DockerCommand),
    /// Follow a scan of a server.
    Watch(WatchArgs),
    /// List the scans of a server.
    Sweeps(SweepsArgs),
    /// Stop a scan of a server.
    Cancel(CancelArgs),
    /// Look into the archive of reports.
    #[command(subcommand)]
    Report(ReportCommand),
    /// Reports for audits: export them, and check that they are what they were.
    #[command(subcommand)]
    Archive(AuditCommand),
    /// Risks that the users of a server share, accepted until a day.
    #[command(subcommand)]
    Risk(RiskCommand),
    /// Policies: what fails a scan.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// The advisory database.
    #[command(subcommand)]
    Db(DbCommand),
    /// The index of Java archives by their content.
    #[command(subcommand)]
    JavaIndex(java_index::JavaIndexCommand),
    /// Tokens for the calls of a server.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Run a coordinator: plans scans, keeps the archive, serves clients over gRPC.
    Coordinator(Box<CoordinatorArgs>),
    /// Run a worker: reads registries, analyses layers, assesses images.
    Worker(WorkerArgs),
    /// Run coordinator and worker in one process, with no other server.
    Server(ServerArgs),
    /// Sweep a synthetic registry in this process: see Strata work, offline.
    Demo(DemoArgs),
    /// The configuration: what is set, and by whom.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a shell's completions.
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command.
    Man(ManArgs),
}

/// Which database, server and local state a scan uses.
#[derive(Debug, Clone, Group)]
pub struct TargetArgs {
    /// Advisory database to use.
    #[arg(long, alias = "db-path", env = "STRATA_DB", value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// The server: registries are scanned by it, archives here, and their reports are submitted to it.
    #[arg(long, env = "STRATA_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Leave a scan of the server running when this command is interrupted, instead of cancelling it.
    #[arg(long)]
    pub detach_on_interrupt: bool,
    /// How the server is reached.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Where inventories and reports are kept between runs.
    #[arg(long, alias = "cache-path", env = "STRATA_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Platform to choose from an image index; of `scan` several, with commas between them.
    #[arg(long, default_value = "linux/amd64", value_name = "OS/ARCH[/VARIANT]")]
    pub platform: String,
    /// Any certificate of a registry, or plain HTTP where it is not on loopback (there plain HTTP needs no word).
    #[arg(long, visible_alias = "allow-insecure-registry")]
    pub insecure: bool,
    /// Registries' certificates and logins, where this process reads them.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// One login.
    #[command(flatten)]
    pub login: LoginArgs,
    /// The index of Java archives.
    #[command(flatten)]
    pub java: java_index::JavaIndexArgs,
    /// How layers are read, where this process reads them.
    #[command(flatten)]
    pub layers: layers::LayerArgs,
}

/// How results are shown and judged.
#[derive(Debug, Clone, Group)]
pub struct OutputArgs {
    /// Output format on stdout.
    #[arg(short, long, default_value = "table", value_name = "FORMAT", help = crate::format::help())]
    pub format: String,
    /// Write to this file: in the given format, beside what goes to stdout, or in that of `--format` instead of stdout
    /// (repeatable). A file is written whole or not at all.
    #[arg(short, long, value_name = "[FORMAT=]FILE")]
    pub output: Vec<PathBuf>,
    /// What findings are sorted by: `risk`, `severity`, `epss`, `kev`, `package` or `vulnerability`. The table's default is
    /// `risk`, the other formats' the report's own order.
    #[arg(long, value_name = "ORDER", value_parser = order)]
    pub sort: Option<String>,
    /// VEX document (OpenVEX, CSAF or CycloneDX) whose statements suppress findings; shown with the reason (repeatable).
    /// `oci` takes those that are attached to each image in its registry, from whoever may push there: no signature is
    /// checked.
    #[arg(long, value_name = "FILE|oci")]
    pub vex: Vec<PathBuf>,
    /// Report an advisory database whose newest advisory is older than this as a problem: `36h`, `14d`, or `none`.
    #[arg(long, env = "STRATA_DB_MAX_AGE", default_value = "14d", value_name = "AGE")]
    pub db_max_age: String,
    /// What is left out, and what fails.
    #[command(flatten)]
    pub gate: GateArgs,
}

/// Arguments of `strata scan`.
#[derive(Debug, Clone, Group)]
pub struct ScanArgs {
    /// References, or paths of archives and layouts (`docker-archive:`, `oci:`, `oci-archive:`, or a bare path).
    /// `dir:PATH` is a root file system, `sbom:FILE` a bill of materials, `docker-daemon:NAME` an image of Docker or Podman on
    /// this machine, `containerd:NAME` one of containerd; `file://PATH` is a path.
    #[arg(required_unless_present_any = ["print_context", "input"], value_name = "REF|PATH")]
    pub images: Vec<String>,
    /// Print where the image comes from, as the environment of the build tells and as it would be kept, and scan nothing.
    #[arg(long)]
    pub print_context: bool,
    /// Reach no network: archives and layouts only, with the database that is here.
    #[arg(long, env = "STRATA_OFFLINE")]
    pub offline: bool,
    /// What becomes of the reports.
    #[command(flatten)]
    pub submit: SubmitArgs,
    /// An archive: as a path among the references, for those who know it so (repeatable).
    #[arg(long, alias = "image", value_name = "PATH")]
    pub input: Vec<String>,
    /// Scan the images of all platforms of an index, instead of those of `--platform`.
    #[arg(long)]
    pub all_platforms: bool,
    /// Where the image was built from.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Where and with what.
    #[command(flatten)]
    pub target: TargetArgs,
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `strata sweep`.
#[derive(Debug, Clone, Group)]
pub struct SweepArgs {
    /// Registry, and optionally the start of the repositories' names.
    #[arg(value_name = "HOST[:PORT][/PREFIX]")]
    pub registry: String,
    /// Repository to scan instead of the registry's catalog (repeatable).
    #[arg(long = "repository", value_name = "NAME")]
    pub repositories: Vec<String>,
    /// File with one repository a line, instead of the registry's catalog.
    #[arg(long, value_name = "FILE")]
    pub repositories_from: Option<PathBuf>,
    /// Only references that match this glob over `repository:tag` (repeatable).
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leave out references that match this glob (repeatable).
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Compare with the last sweep of the same target that ended: which findings are new, fixed and gone.
    #[arg(long, conflicts_with = "detach")]
    pub since_last: bool,
    /// Fail when a finding of this severity or worse is new since the last sweep. `--fail-on` judges all findings.
    #[arg(long, value_name = "SEVERITY", value_parser = severity, requires = "since_last")]
    pub fail_on_new: Option<String>,
    /// Submit to the server and return the scan's id without following it.
    #[arg(long, requires = "server")]
    pub detach: bool,
    /// Where and with what.
    #[command(flatten)]
    pub target: TargetArgs,
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `strata watch`.
#[derive(Debug, Clone, Group)]
pub struct WatchArgs {
    /// The scan's id.
    pub scan: String,
    /// Start after this event.
    #[arg(long, default_value_t = 0, value_name = "SEQUENCE")]
    pub after: u64,
    /// The server.
    #[command(flatten)]
    pub server: ServerUrl,
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `strata sweeps`.
#[derive(Debug, Clone, Group)]
pub struct SweepsArgs {
    /// At most this many, newest first.
    #[arg(long, default_value_t = 20)]
    pub limit: u32,
    /// The server.
    #[command(flatten)]
    pub server: ServerUrl,
}

/// Arguments of `strata cancel`.
#[derive(Debug, Clone, Group)]
pub struct CancelArgs {
    /// The scan's id.
    pub scan: String,
    /// The server.
    #[command(flatten)]
    pub server: ServerUrl,
}

/// Arguments of `strata demo`.
#[derive(Debug, Clone, Group)]
pub struct DemoArgs {
    /// What comes out.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl ScanArgs {
    /// Everything that is to be scanned: a path that is written as a file's address is that path.
    #[must_use]
    pub fn named(&self) -> Vec<String> {
        let all = self.images.iter().chain(&self.input);
        all.map(|image| image.strip_prefix("file://").unwrap_or(image).to_owned()).collect()
    }
}
