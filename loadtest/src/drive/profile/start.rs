//! How long `strata scan` takes from its start to the first byte from the registry, as a registry's user waits for it: what happens
//! before it asks anything.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use strata_loadtest::{content::Store as _, servers::Server};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::Instant,
};

use super::Stage;
use crate::drive::{
    process,
    result::{Better, Latencies},
};

/// The longest that one scan may take before the profile gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A door before the registry that notes when somebody first comes through it.
#[derive(Clone)]
struct Door(Arc<Mutex<Seen>>);

/// What was seen of one scan.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// The process that is watched.
    pid: Option<u32>,
    /// When it first connected, and the processor time that it had spent until then.
    connected: Option<(Instant, Duration)>,
    /// When the first byte of an answer came.
    answered: Option<Instant>,
}

pub(super) async fn start(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let count = stage.count(30);
    stage.measured.setting("scans", count);
    let content = stage.content();
    let (registry, database) = (stage.registry(&content).await?, stage.database()?);
    let (door, address) = Door::open(registry.host()).await?;
    let home = TempDir::new().context("make a home")?;
    let names = content.repositories(None, usize::MAX);
    let (mut connected, mut answered, mut spent) = (Latencies::new()?, Latencies::new()?, Latencies::new()?);
    // The first one makes the archive, which is nobody's usual start.
    for (number, name) in names.iter().cycle().take(1 + usize::try_from(count)?).enumerate() {
        let reference = format!("{address}/{name}:latest");
        let (begin, seen) = scan(&stage.strata, &database, home.path(), &door, reference).await?;
        let (first, processor) = seen.connected.context("see the scan connect")?;
        let byte = seen.answered.context("see an answer to the scan")?;
        if number > 0 {
            connected.note(first.duration_since(begin));
            answered.note(byte.duration_since(begin));
            spent.note(processor);
        }
    }
    for (name, latencies) in [("first-connection", &connected), ("first-byte", &answered)] {
        stage.measured.latencies(name, latencies);
        stage.measured.figure(format!("{name}.least"), latencies.quantile_ms(0.0), "ms", Better::Lower);
    }
    for (name, quantile) in [("least", 0.0), ("p50", 0.5)] {
        let name = format!("cpu-before-first-connection.{name}");
        stage.measured.figure(name, spent.quantile_ms(quantile), "ms", Better::Lower);
    }
    registry.shutdown().await.context("stop the registry")
}

/// Scans one image to its end.
async fn scan(
    strata: &Path,
    database: &Path,
    home: &Path,
    door: &Door,
    reference: String,
) -> anyhow::Result<(Instant, Seen)> {
    let mut command = Command::new(strata);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home).env("STRATA_DATA_DIR", home.join("data")).stdin(Stdio::null());
    command.arg("scan").arg("--db").arg(database).arg(&reference);
    let directory = TempDir::new().context("make a directory")?;
    door.watch(None);
    let begin = Instant::now();
    let mut process = Server::start(command, None, directory)?;
    door.watch(Some(process.pid()));
    let ended = tokio::task::spawn_blocking(move || {
        let status = process.wait(PATIENCE)?;
        anyhow::Ok((status, process.log()))
    });
    let (status, log) = ended.await.context("wait for a scan")??;
    // What it finds is not looked at here.
    let good = matches!(status.code(), Some(0 | 1));
    ensure!(good, "scan {reference}: {status}: {log}");
    Ok((begin, door.seen()))
}

impl Door {
    /// Opens a door to a registry, and says where it is.
    async fn open(registry: String) -> anyhow::Result<(Self, SocketAddr)> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen on a loopback port")?;
        let address = listener.local_addr().context("find the port")?;
        let door = Self(Arc::default());
        let own = door.clone();
        tokio::spawn(async move {
            while let Ok((visitor, _)) = listener.accept().await {
                own.came();
                let (door, registry) = (own.clone(), registry.clone());
                // A connection that breaks is the scan's to tell.
                tokio::spawn(async move { door.let_through(visitor, &registry).await });
            }
        });
        Ok((door, address))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn watch(&self, pid: Option<u32>) {
        self.with(|seen| match pid {
            Some(_) => seen.pid = pid,
            None => *seen = Seen::default(),
        });
    }

    fn seen(&self) -> Seen {
        self.with(|seen| *seen)
    }

    fn came(&self) {
        let now = Instant::now();
        self.with(|seen| {
            let spent = seen.pid.and_then(|pid| process::processor_of_threads(pid).ok());
            seen.connected.get_or_insert((now, spent.unwrap_or_default()));
        });
    }

    async fn let_through(&self, visitor: TcpStream, registry: &str) -> std::io::Result<()> {
        let behind = TcpStream::connect(registry).await?;
        visitor.set_nodelay(true)?;
        behind.set_nodelay(true)?;
        let (from_visitor, to_visitor) = visitor.into_split();
        let (from_registry, to_registry) = behind.into_split();
        let asked = pass(from_visitor, to_registry, || ());
        let answered = pass(from_registry, to_visitor, || {
            self.with(|seen| {
                seen.answered.get_or_insert_with(Instant::now);
            });
        });
        tokio::try_join!(asked, answered).map(drop)
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: impl Fn()) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        seen();
        to.write_all(buffer.get(..read).unwrap_or_default()).await?;
    }
}

#[cfg(test)]
mod tests {
    use strata_loadtest::{
        content::{Plan, Synthetic},
        registry::{Options, Registry},
    };

    use super::*;
    use crate::drive::heads::{Way, ask, paths};

    #[tokio::test]
    async fn the_door_sees_who_comes_and_what_they_are_told() {
        let content = Synthetic::new(Plan { repositories: 1, ..Plan::demo() });
        let paths = Arc::new(paths(&content).expect("paths"));
        let registry = Registry::start(content, Options::default()).await.expect("a registry");
        let (door, address) = Door::open(registry.host()).await.expect("a door");
        door.watch(Some(std::process::id()));
        assert!(door.seen().connected.is_none() && door.seen().answered.is_none());
        let time = Duration::from_millis(50);
        let heads = ask(Way::Sockets, &address.to_string(), paths, 2, time).await.expect("answers");
        assert_eq!(registry.counts().manifest_heads, heads.answered);
        let seen = door.seen();
        let (connected, spent) = seen.connected.expect("it came");
        assert!(spent > Duration::ZERO && seen.answered.is_some_and(|answered| answered >= connected));
        door.watch(None);
        assert!(door.seen().pid.is_none() && door.seen().connected.is_none());
        registry.shutdown().await.expect("it ends");
    }
}
