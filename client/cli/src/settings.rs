//! The sole reader of the environment: everything else gets typed settings as arguments.

use std::{env, io::IsTerminal as _, path::PathBuf};

use strata_proto::{endpoint::Secret, v1::SourceContext};
use strata_worker::source::{archive::containerd::Containerd, registry::RegistryConfig};

use crate::{
    args::{Args, Command, DockerCommand, LogFormat},
    config::{File, Places},
    exit::Failure,
    screen::Screen,
};

mod context;
mod registry;

/// What the environment and the global flags say.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where data of this user lives: the default database, inventories, reports.
    pub data_dir: PathBuf,
    /// Directory of docker's `config.json`, where registry credentials are looked up.
    pub docker_config: Option<PathBuf>,
    /// A file with logins in place of `config.json`, where one is named.
    pub auth_file: Option<PathBuf>,
    /// How registries are treated, and further logins for them.
    pub registry: RegistryConfig,
    /// Directory for files that are too large for memory; nothing there ever has a name.
    pub spool_dir: PathBuf,
    /// Sockets of container engines on this machine, in the order in which they are asked for an image.
    pub engines: Vec<PathBuf>,
    /// Where containerd is asked for an image.
    pub containerd: Containerd,
    /// OTLP endpoint; without one nothing is exported.
    pub otlp_endpoint: Option<String>,
    /// Filter of log lines (`STRATA_LOG`), in tracing's syntax.
    pub log: Option<String>,
    /// Token to show to a server (`STRATA_TOKEN`).
    pub token: Option<Secret>,
    /// Form of log lines.
    pub log_format: LogFormat,
    /// How much to say on stderr.
    pub verbose: u8,
    /// No progress.
    pub quiet: bool,
    /// Whether stderr is a terminal, where a live bar makes sense.
    pub live: bool,
    /// What stdout is.
    pub screen: Screen,
    /// Where what is scanned was built from, as a build's environment tells.
    pub source: Option<SourceContext>,
    /// The image of the default branch, which GitLab compares findings with (`CS_DEFAULT_BRANCH_IMAGE`).
    pub default_branch_image: Option<String>,
    /// Name of this process in leases and logs.
    pub name: String,
}

impl Settings {
    /// Reads the environment once; what it does not say, the configuration file may.
    ///
    /// # Errors
    /// When there is neither a home nor a data directory to keep state in.
    pub fn from_environment(args: &Args, file: &File) -> Result<Self, Failure> {
        let text = |name: &str| text(name).or_else(|| file.variable(name));
        // A path need not be text.
        let path = |name: &str| {
            let said = env::var_os(name).filter(|value| !value.is_empty());
            said.map(PathBuf::from).or_else(|| file.variable(name).map(PathBuf::from))
        };
        let home = env::var_os("HOME").map(PathBuf::from);
        let data_dir = path("STRATA_DATA_DIR")
            .or_else(|| env::var_os("XDG_DATA_HOME").map(|dir| PathBuf::from(dir).join("strata")))
            .or_else(|| home.as_ref().map(|home| home.join(".local/share/strata")))
            .ok_or_else(|| {
                Failure::usage(
                    "failed to find a place for data: neither STRATA_DATA_DIR, XDG_DATA_HOME nor HOME is set",
                )
            })?;
        let docker_config = path("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
        let in_ci = env::var_os("CI").is_some();
        let offline = matches!(&args.command, Command::Scan(scan) if scan.offline);
        Ok(Self {
            data_dir,
            docker_config,
            auth_file: None,
            registry: registry::read(&text)?,
            spool_dir: path("STRATA_SPOOL_DIR").unwrap_or_else(default_spool),
            engines: engines(&text),
            containerd: containerd(&text),
            otlp_endpoint: text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
                .or_else(|| text("OTEL_EXPORTER_OTLP_ENDPOINT"))
                .filter(|_| !offline),
            log: text("STRATA_LOG"),
            token: text("STRATA_TOKEN").map(Secret::new),
            log_format: args.log_format,
            verbose: args.verbose,
            quiet: args.quiet,
            live: std::io::stderr().is_terminal() && !in_ci && text("TERM").as_deref() != Some("dumb"),
            // https://no-color.org: any text but the empty one.
            screen: Screen::of_stdout(text("NO_COLOR").is_none() && text("TERM").as_deref() != Some("dumb")),
            source: context::read(&|name: &str| flags(args, name).or_else(|| text(name))),
            default_branch_image: text("CS_DEFAULT_BRANCH_IMAGE"),
            name: format!(
                "{}-{}",
                text("HOSTNAME").unwrap_or_else(|| "strata".to_owned()),
                std::process::id()
            ),
        })
    }

    /// The database that is used where none is named.
    #[must_use]
    pub fn default_db(&self) -> PathBuf {
        self.data_dir.join("advisories.strata")
    }

    /// The directory of inventories and reports that is used where none is named.
    #[must_use]
    pub fn cache_dir(&self, named: Option<&PathBuf>) -> PathBuf {
        named.cloned().unwrap_or_else(|| self.data_dir.join("cache"))
    }
}

/// What the command's flags say in place of a variable.
fn flags(args: &Args, name: &str) -> Option<String> {
    match &args.command {
        Command::Scan(scan) => scan.source.variable(name),
        Command::Tag(tag) | Command::Docker(DockerCommand::Tag(tag)) => tag.source.variable(name),
        _ => None,
    }
}

/// Where Docker and Podman listen: what their variables name, else their usual places. An engine on another machine is none
/// of this one's.
fn engines(text: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let named: Vec<PathBuf> = ["DOCKER_HOST", "CONTAINER_HOST"]
        .into_iter()
        .filter_map(|name| text(name)?.strip_prefix("unix://").map(PathBuf::from))
        .collect();
    if !named.is_empty() {
        return named;
    }
    let own = text("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("podman/podman.sock"));
    let usual = ["/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
    usual.into_iter().chain(own).collect()
}

/// Where containerd listens, and the namespaces that are looked into: what its own client's variables name (of namespaces
/// several, with commas), else its usual place or that of K3s, and the namespaces of its client and of Kubernetes.
fn containerd(text: &dyn Fn(&str) -> Option<String>) -> Containerd {
    let usual = ["/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock"];
    let sockets = match text("CONTAINERD_ADDRESS") {
        Some(named) => vec![PathBuf::from(named.strip_prefix("unix://").unwrap_or(&named))],
        None => usual.map(PathBuf::from).into(),
    };
    let named = text("CONTAINERD_NAMESPACE").unwrap_or_else(|| "default,k8s.io".to_owned());
    Containerd { sockets, namespaces: named.split(',').map(|name| name.trim().to_owned()).collect() }
}

/// `/var/tmp` survives where `/tmp` is memory; a container may have only `/tmp`.
fn default_spool() -> PathBuf {
    let disk = PathBuf::from("/var/tmp");
    if disk.is_dir() { disk } else { env::temp_dir() }
}

/// Where a configuration file is looked for: the user's place, then the machine's. Never the working directory, which may be
/// somebody else's.
#[must_use]
pub fn config_places() -> Places {
    let home = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    let machine = PathBuf::from("/etc");
    home.into_iter().chain([machine]).map(|place| place.join("strata/config.toml")).collect()
}

/// A variable of the environment; an empty one is not set.
pub(crate) fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
