//! A cluster of real processes that can be hurt: NATS, Redis, PostgreSQL, coordinators, workers.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::servers::{self, Server, free_port};

/// How a cluster is laid out.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The executable `strata`.
    pub strata: PathBuf,
    /// The advisory database that the coordinator publishes.
    pub database: PathBuf,
    /// Workers.
    pub workers: usize,
    /// Coordinators; all but one stand by.
    pub coordinators: usize,
    /// Where NATS and Redis listen.
    pub host: IpAddr,
    /// What stands before the command of the first worker: `ip netns exec NAME`.
    pub before_first_worker: Vec<String>,
    /// The spool of all workers, where it is not a directory of the cluster's own.
    pub spool: Option<PathBuf>,
    /// Whether workers show their metrics.
    pub metrics: bool,
    /// More of the roles' environment.
    pub environment: Vec<(&'static str, String)>,
}

impl Layout {
    /// Three workers and one coordinator on loopback addresses.
    #[must_use]
    pub fn new(strata: &Path, database: &Path) -> Self {
        Self {
            strata: strata.to_owned(),
            database: database.to_owned(),
            workers: 3,
            coordinators: 1,
            host: Ipv4Addr::LOCALHOST.into(),
            before_first_worker: Vec::new(),
            spool: None,
            metrics: false,
            environment: Vec::new(),
        }
    }
}

/// The processes. Dropped in this order: the roles before their servers.
#[derive(Debug)]
pub struct Cluster {
    /// Workers.
    pub workers: Vec<Server>,
    /// Coordinators.
    pub coordinators: Vec<Server>,
    /// NATS.
    pub nats: Server,
    /// Port of NATS' monitor.
    pub monitor: SocketAddr,
    /// Redis.
    pub redis: Server,
    /// Where Redis listens.
    pub redis_address: SocketAddr,
    /// PostgreSQL.
    pub postgres: Server,
    /// Where each worker shows its metrics, where they do.
    pub metrics: Vec<SocketAddr>,
    home: TempDir,
    spool: PathBuf,
}

impl Cluster {
    /// Starts everything and waits until it listens.
    ///
    /// # Errors
    /// When a process does not start.
    pub fn start(layout: &Layout) -> anyhow::Result<Self> {
        let home = TempDir::new().context("make a home")?;
        let spool = layout.spool.clone().unwrap_or_else(|| home.path().join("spool"));
        std::fs::create_dir_all(&spool).context("make a spool")?;
        let ((nats, monitor), redis) = (servers::nats(layout.host)?, servers::redis(layout.host)?);
        let postgres = servers::postgres()?;
        let mut cluster = Self {
            workers: Vec::new(),
            coordinators: Vec::new(),
            monitor: SocketAddr::new(layout.host, monitor),
            redis_address: SocketAddr::new(layout.host, redis.port),
            nats,
            redis,
            postgres,
            metrics: Vec::new(),
            home,
            spool,
        };
        for _ in 0..layout.coordinators {
            let started = cluster.coordinator(layout)?;
            cluster.coordinators.push(started);
        }
        for number in 0..layout.workers {
            let before: &[String] = if number == 0 { &layout.before_first_worker } else { &[] };
            let mut command = cluster.role(layout, before);
            command.arg("worker").args(cluster.servers());
            if layout.metrics {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
                command.args(["--metrics", &address.to_string()]);
                cluster.workers.push(Server::start(command, Some(address), TempDir::new()?)?);
                cluster.metrics.push(address);
                continue;
            }
            cluster.workers.push(Server::start(command, None, TempDir::new()?)?);
        }
        Ok(cluster)
    }

    fn coordinator(&self, layout: &Layout) -> anyhow::Result<Server> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let archive = format!("postgres://strata@127.0.0.1:{}/strata", self.postgres.port);
        let mut command = self.role(layout, &[]);
        command.arg("coordinator").args(self.servers());
        command.args(["--archive", &archive, "--listen", &address.to_string(), "--db"]).arg(&layout.database);
        Server::start(command, Some(address), TempDir::new()?)
    }

    fn servers(&self) -> [String; 4] {
        let host = self.monitor.ip();
        [
            "--nats".to_owned(),
            format!("nats://{host}:{}", self.nats.port),
            "--redis".to_owned(),
            format!("redis://{host}:{}", self.redis.port),
        ]
    }

    fn role(&self, layout: &Layout, before: &[String]) -> Command {
        let mut command = match before {
            [] => Command::new(&layout.strata),
            [program, rest @ ..] => {
                let mut command = Command::new(program);
                command.args(rest).arg(&layout.strata);
                command
            }
        };
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("STRATA_DATA_DIR", self.home.path());
        command.env("STRATA_SPOOL_DIR", &self.spool).envs(layout.environment.iter().cloned()).arg("-v");
        command
    }

    /// Where clients find the coordinators.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.coordinators.iter().map(|server| format!("http://127.0.0.1:{}", server.port)).collect()
    }

    /// The directory of large files.
    #[must_use]
    pub fn spool(&self) -> &Path {
        &self.spool
    }

    /// What the roles wrote, for a verdict that is not good.
    #[must_use]
    pub fn logs(&self) -> String {
        let of = |name: &str, servers: &[Server]| {
            let texts = servers.iter().map(|server| format!("-- {name} {}\n{}", server.pid(), server.log()));
            texts.collect::<String>()
        };
        of("coordinator", &self.coordinators) + &of("worker", &self.workers)
    }
}
