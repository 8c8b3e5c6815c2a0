//! What is measured: `strata server` alone, or a cluster of real processes.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use strata_loadtest::{
    chaos::cluster::{Cluster, Layout},
    servers::{Server, free_port},
};
use tempfile::TempDir;

use super::super::process;

/// The role whose work is done by its children, which share their memory.
const POSTGRES: &str = "postgres";

/// Processes that run as long as this lives.
pub(super) struct Deployment {
    strata: PathBuf,
    home: TempDir,
    running: Running,
}

enum Running {
    Embedded(Box<Server>),
    Cluster(Box<Cluster>),
}

/// Processor time of each role at one moment.
pub(super) struct Spent(Vec<(String, Duration)>);

impl Deployment {
    /// Starts a cluster with so many workers, or one process when there are none.
    pub(super) fn start(strata: &Path, database: &Path, workers: usize) -> anyhow::Result<Self> {
        let home = TempDir::new().context("make a home")?;
        let running = if workers == 0 {
            Running::Embedded(Box::new(embedded(strata, database, home.path())?))
        } else {
            let layout = Layout { workers, ..Layout::new(strata, database) };
            Running::Cluster(Box::new(Cluster::start(&layout)?))
        };
        Ok(Self { strata: strata.to_owned(), home, running })
    }

    pub(super) fn url(&self) -> anyhow::Result<String> {
        match &self.running {
            Running::Embedded(server) => Ok(format!("http://127.0.0.1:{}", server.port)),
            Running::Cluster(cluster) => cluster.urls().into_iter().next().context("find the coordinator"),
        }
    }

    /// From now on scans are assessed against another database.
    pub(super) fn use_database(&mut self, database: &Path) -> anyhow::Result<()> {
        match &mut self.running {
            Running::Embedded(server) => {
                // One process reads its database once: the archive and the inventories stay.
                server.terminate()?;
                **server = embedded(&self.strata, database, self.home.path())?;
            }
            Running::Cluster(cluster) => {
                let url = cluster.urls().into_iter().next().context("find the coordinator")?;
                let mut command = Command::new(&self.strata);
                command.args(["db", "publish", "--server", &url, "--db"]).arg(database);
                let published = command.env("STRATA_DATA_DIR", self.home.path()).output();
                let published = published.context("publish a database")?;
                let said = String::from_utf8_lossy(&published.stderr).into_owned();
                ensure!(published.status.success(), "publish a database: {said}");
            }
        }
        Ok(())
    }

    fn roles(&self) -> Vec<(String, u32)> {
        match &self.running {
            Running::Embedded(server) => vec![("server".to_owned(), server.pid())],
            Running::Cluster(cluster) => {
                let workers = cluster.workers.iter().map(|server| ("worker".to_owned(), server.pid()));
                let coordinators =
                    cluster.coordinators.iter().map(|server| ("coordinator".to_owned(), server.pid()));
                let servers =
                    [("nats", &cluster.nats), ("redis", &cluster.redis), (POSTGRES, &cluster.postgres)];
                let servers = servers.into_iter().map(|(name, server)| (name.to_owned(), server.pid()));
                coordinators.chain(workers).chain(servers).collect()
            }
        }
    }

    /// Processor time so far, by role.
    pub(super) fn spent(&self) -> anyhow::Result<Spent> {
        let each = self.roles().into_iter().map(|(name, pid)| {
            let spent =
                if name == POSTGRES { process::processor_of_family(pid)? } else { process::processor(pid)? };
            Ok((name, spent))
        });
        let mut each: Vec<(String, Duration)> = each.collect::<anyhow::Result<_>>()?;
        // The registry is in this process, and so is who watches.
        each.push(("registry-and-driver".to_owned(), process::processor(std::process::id())?));
        Ok(Spent(each))
    }

    /// The most memory that a process of each role had, in MiB.
    pub(super) fn memory(&self) -> anyhow::Result<Vec<(String, f64)>> {
        let mut most: Vec<(String, f64)> = Vec::new();
        for (name, pid) in self.roles().into_iter().filter(|(name, _)| name != POSTGRES) {
            let mib = process::most_resident(pid)? as f64 / 1024.0;
            match most.iter_mut().find(|(other, _)| *other == name) {
                Some((_, known)) => *known = known.max(mib),
                None => most.push((name, mib)),
            }
        }
        Ok(most)
    }
}

impl Spent {
    /// What each role spent since an earlier moment, in seconds.
    pub(super) fn since(&self, before: &Self) -> Vec<(String, f64)> {
        let mut sums: Vec<(String, f64)> = Vec::new();
        for ((name, after), (_, before)) in self.0.iter().zip(&before.0) {
            let seconds = after.saturating_sub(*before).as_secs_f64();
            match sums.iter_mut().find(|(other, _)| other == name) {
                Some((_, sum)) => *sum += seconds,
                None => sums.push((name.clone(), seconds)),
            }
        }
        sums
    }
}

fn embedded(strata: &Path, database: &Path, home: &Path) -> anyhow::Result<Server> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let mut command = Command::new(strata);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).env("STRATA_DATA_DIR", home);
    command.args(["server", "--listen", &address.to_string(), "--db"]).arg(database);
    command.arg("--cache-dir").arg(home.join("cache"));
    Server::start(command, Some(address), TempDir::new().context("make a directory")?)
}
