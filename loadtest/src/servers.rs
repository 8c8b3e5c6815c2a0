//! Real servers and roles on free loopback ports, each in a directory of its own, stopped by pid when their owner ends.
//! For tests and for `strata-loadtest chaos`.

use std::{
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

/// How long a server may take until it listens: a busy machine is no fault.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a process may take to end that was asked to: what orchestrators give it (`deploy/`), before they kill it.
const GRACE: Duration = Duration::from_secs(120);

/// Whether this process was told to end: nothing is waited for any more.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// Makes every wait for a server end with an error, so that those that were started can be dropped.
pub fn stop() {
    STOPPING.store(true, Ordering::Release);
}

fn go_on() -> anyhow::Result<()> {
    ensure!(!STOPPING.load(Ordering::Acquire), "wait: this process was told to end");
    Ok(())
}

/// A port that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

/// A process that ends with its owner.
#[derive(Debug)]
pub struct Server {
    child: Child,
    command: Command,
    address: Option<SocketAddr>,
    /// Its data and its log.
    pub directory: TempDir,
    /// Where it listens; 0 for a process that listens nowhere.
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

impl Server {
    /// Starts a process, and waits until it listens where it is to listen anywhere.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not listen within a minute; the message holds its log.
    pub fn start(
        mut command: Command,
        address: Option<SocketAddr>,
        directory: TempDir,
    ) -> anyhow::Result<Self> {
        let child = spawn(&mut command, &directory)?;
        let port = address.map_or(0, |address| address.port());
        let mut server = Self { child, command, address, directory, port };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if self.is_running() {
            self.child.kill().context("kill a process")?;
        }
        self.child.wait().context("wait for a process's end").map(drop)
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// When it had ended before, or does not end within the grace that an orchestrator gives it; then it was killed.
    pub fn terminate(&mut self) -> anyhow::Result<()> {
        self.signal("TERM")?;
        self.wait(GRACE).map(drop)
    }

    /// Waits for its end. It is killed when that does not come in time.
    ///
    /// # Errors
    /// When it does not end in time; the message holds its log.
    pub fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().context("wait for a process's end")? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.kill()?;
                bail!("end process {} within {} s: {}", self.pid(), patience.as_secs(), self.log());
            }
            go_on()?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it where it stands, as a host that hangs: it keeps its connections and answers nobody. Only [`Self::kill`] ends it.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal("STOP")
    }

    /// Asks PostgreSQL to end without waiting for its clients, and waits until it has.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn interrupt(&mut self) -> anyhow::Result<()> {
        self.signal("INT")?;
        self.wait(GRACE).map(drop)
    }

    /// Sends it a signal by its name, without `SIG`.
    ///
    /// # Errors
    /// When it had ended before.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().context("run kill")?;
        ensure!(sent.success(), "signal process {pid}, which had ended: {}", self.log());
        Ok(())
    }

    /// Starts it again: the same command on the same port over the same data. Its log goes on.
    ///
    /// # Errors
    /// As for a first start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.child = spawn(&mut self.command, &self.directory)?;
        self.wait_until_it_listens()
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.directory.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let Some(address) = self.address else { return Ok(()) };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                bail!("start {:?}: it ended with {status}: {}", self.command, self.log());
            }
            ensure!(
                Instant::now() < deadline,
                "start {:?}: nothing listens on {address}: {}",
                self.command,
                self.log()
            );
            go_on()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn spawn(command: &mut Command, directory: &TempDir) -> anyhow::Result<Child> {
    let log = File::options().create(true).append(true).open(directory.path().join("log"));
    let log = log.context("open a log")?;
    let errors = log.try_clone().context("open a log")?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().with_context(|| format!("start {command:?}"))
}

/// NATS with JetStream, and its monitor on the port that comes with it.
///
/// # Errors
/// When it does not start: Debian's package is `nats-server`.
pub fn nats(host: IpAddr) -> anyhow::Result<(Server, u16)> {
    let (port, monitor, directory) = (free_port()?, free_port()?, TempDir::new()?);
    let (listen, port_text, monitor_text) = (host.to_string(), port.to_string(), monitor.to_string());
    let mut command = Command::new("nats-server");
    command.args(["-a", &listen, "-p", &port_text, "-m", &monitor_text, "-js", "-sd"]);
    command.arg(directory.path());
    Ok((Server::start(command, Some(SocketAddr::new(host, port)), directory)?, monitor))
}

/// Redis without a disk.
///
/// # Errors
/// When it does not start: Debian's package is `redis-server`.
pub fn redis(host: IpAddr) -> anyhow::Result<Server> {
    let (port, directory) = (free_port()?, TempDir::new()?);
    let (listen, port_text) = (host.to_string(), port.to_string());
    let mut command = Command::new("redis-server");
    command.args(["--bind", &listen, "--port", &port_text, "--protected-mode", "no"]);
    command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(directory.path());
    Server::start(command, Some(SocketAddr::new(host, port)), directory)
}

/// Docker's registry over a directory.
///
/// # Errors
/// When it does not start: Debian's package is `docker-registry`.
pub fn registry() -> anyhow::Result<Server> {
    let (port, directory) = (free_port()?, TempDir::new()?);
    let config = directory.path().join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}/data}}\nhttp:\n  addr: 127.0.0.1:{port}\n",
        directory.path().display()
    );
    fs::write(&config, text).context("write a configuration")?;
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(config);
    Server::start(command, Some((Ipv4Addr::LOCALHOST, port).into()), directory)
}

/// PostgreSQL with an empty database `strata` of the user `strata`. It refuses to run as root: then it runs as the user of
/// Debian's package.
///
/// # Errors
/// When it does not start: Debian's package is `postgresql`.
pub fn postgres() -> anyhow::Result<Server> {
    let bin = newest_postgres()?;
    let (port, directory) = (free_port()?, TempDir::new()?);
    let root = is_root();
    if root {
        let owned =
            Command::new("chown").arg("postgres").arg(directory.path()).status().context("run chown")?;
        ensure!(owned.success(), "give a directory to the user postgres");
    }
    let data = directory.path().join("data");
    let mut init = as_postgres(root, &bin.join("initdb"));
    let init = init.args(["-U", "strata", "-A", "trust", "-D"]).arg(&data).output().context("run initdb")?;
    ensure!(init.status.success(), "run initdb: {}", String::from_utf8_lossy(&init.stderr));
    let mut command = as_postgres(root, &bin.join("postgres"));
    let port_text = port.to_string();
    command.arg("-D").arg(&data);
    command.args(["-p", &port_text, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"]);
    command.arg(directory.path());
    let server = Server::start(command, Some((Ipv4Addr::LOCALHOST, port).into()), directory)?;
    let deadline = Instant::now() + PATIENCE;
    // It listens before it answers.
    loop {
        let mut create = Command::new(bin.join("createdb"));
        create.args(["-h", "127.0.0.1", "-p", &port_text, "-U", "strata", "strata"]);
        let made = create.output().context("run createdb")?;
        if made.status.success() {
            return Ok(server);
        }
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        ensure!(Instant::now() < deadline, "run createdb: {said}");
        go_on()?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether this process may do everything.
#[must_use]
pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// `setpriv` keeps one process, so that its pid is the server's.
fn as_postgres(root: bool, program: &Path) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn newest_postgres() -> anyhow::Result<PathBuf> {
    let missing = "find PostgreSQL: install Debian's package postgresql";
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .context(missing)?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().context(missing)
}
