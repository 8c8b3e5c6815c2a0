//! Real servers on free loopback ports, each in a directory of its own, stopped by pid when the test ends.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Whether tests against real servers are to be left out, which is said aloud.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub(crate) fn skipped(what: &str) -> bool {
    let skip = std::env::var_os("STRATA_TEST_SKIP_SERVERS").is_some();
    if skip {
        eprintln!("SKIPPED: {what}: STRATA_TEST_SKIP_SERVERS is set");
    }
    skip
}

/// A process that ends with its owner.
pub(crate) struct Server {
    child: Child,
    /// Its data and its log.
    pub(crate) directory: TempDir,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process is ours");
        let _ = self.child.wait();
    }

    /// Asks it to end, as an operator would, and waits until it has.
    pub(crate) fn terminate(&mut self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(sent.success(), "the process had ended: {}", self.log());
        let _ = self.child.wait();
    }

    /// Sends it a signal: `INT`, `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill runs");
        assert!(sent.success(), "the process had ended: {}", self.log());
    }

    /// Waits until it has written this, for a bounded time.
    pub(crate) fn until(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "`{text}` is never said: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it has ended by itself, for a bounded time; its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().expect("the process is ours") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it never ends: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// Runs a program to its end. One that never ends is a failed test that shows what was said, not a test run that hangs.
pub(crate) fn output(command: &mut Command) -> Output {
    const PATIENCE: Duration = Duration::from_secs(300);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
    let pid = child.id().to_string();
    let (ended, over) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let hangs = over.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
        if hangs {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
        hangs
    });
    let output = child.wait_with_output().expect("its output");
    drop(ended);
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!watchdog.join().expect("the watchdog"), "{command:?} never ended: {}", said());
    output
}

/// Starts a server and waits until it listens.
pub(crate) fn start(package: &str, command: &mut Command, port: u16, directory: TempDir) -> Server {
    let log = File::create(directory.path().join("log")).expect("a log");
    let errors = log.try_clone().expect("a log");
    let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().unwrap_or_else(|error| {
        panic!("failed to start {command:?}: {error}; install Debian's package {package}");
    });
    let mut server = Server { child, directory, port };
    let deadline = Instant::now() + Duration::from_secs(60);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
        if let Ok(Some(status)) = server.child.try_wait() {
            panic!("{package} ended with {status}: {}", server.log());
        }
        assert!(Instant::now() < deadline, "{package} does not listen on {port}: {}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

pub(crate) fn nats() -> Server {
    nats_with(&[])
}

pub(crate) fn nats_with(more: &[&str]) -> Server {
    let (port, directory) = (free_port(), TempDir::new().expect("a directory"));
    let mut command = Command::new("nats-server");
    command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(directory.path()).args(more);
    start("nats-server", &mut command, port, directory)
}

pub(crate) fn redis() -> Server {
    redis_with(&[])
}

/// With more arguments: with certificates among them it speaks TLS on its port, and nothing else.
pub(crate) fn redis_with(more: &[&str]) -> Server {
    let (port, directory) = (free_port(), TempDir::new().expect("a directory"));
    let mut command = Command::new("redis-server");
    command.args([
        "--bind",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
    ]);
    command.arg(directory.path()).args(more);
    if !more.is_empty() {
        command.args(["--tls-port", &port.to_string()]);
    }
    start("redis-server", &mut command, port, directory)
}

/// With an authority's certificate; whether clients need one too, and further arguments.
pub(crate) fn redis_of(authority: &crate::access::Authority, clients: bool, more: &[&str]) -> Server {
    let file = |name| authority.file(name);
    let (ca, certificate, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let clients = ["--tls-auth-clients", if clients { "yes" } else { "no" }];
    redis_with(&[&["--port", "0"][..], &files, &clients, more].concat())
}

pub(crate) fn registry() -> Server {
    registry_with("")
}

/// With further settings in its configuration.
pub(crate) fn registry_with(more: &str) -> Server {
    let (port, directory) = (free_port(), TempDir::new().expect("a directory"));
    let config = directory.path().join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}/data}}\nhttp:\n  addr: 127.0.0.1:{port}\n{more}",
        directory.path().display()
    );
    fs::write(&config, text).expect("a configuration");
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(config);
    start("docker-registry", &mut command, port, directory)
}

/// PostgreSQL, which refuses to run as root: then it runs as the user of Debian's package.
pub(crate) fn postgres() -> Server {
    let bin = newest_postgres();
    let (port, directory) = (free_port(), TempDir::new().expect("a directory"));
    let root = is_root();
    if root {
        let owned = Command::new("chown").arg("postgres").arg(directory.path()).status().expect("chown");
        assert!(owned.success(), "chown to postgres");
    }
    let data = directory.path().join("data");
    let init = as_postgres(root, &bin.join("initdb"))
        .args(["-U", "strata", "-A", "trust", "-D"])
        .arg(&data)
        .output();
    let init = init.expect("initdb runs");
    assert!(init.status.success(), "initdb: {}", String::from_utf8_lossy(&init.stderr));
    let mut command = as_postgres(root, &bin.join("postgres"));
    command.arg("-D").arg(&data).args([
        "-p",
        &port.to_string(),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "fsync=off",
        "-k",
    ]);
    command.arg(directory.path());
    let server = start("postgresql", &mut command, port, directory);
    let deadline = Instant::now() + Duration::from_secs(30);
    // It listens before it answers.
    loop {
        let made = Command::new(bin.join("createdb"))
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "strata", "strata"])
            .output()
            .expect("createdb runs");
        if made.status.success() {
            return server;
        }
        assert!(Instant::now() < deadline, "createdb: {}", String::from_utf8_lossy(&made.stderr));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
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

/// PostgreSQL that wants TLS and a password.
pub(crate) fn postgres_with(password: &str, certificate: &Path, key: &Path) -> Server {
    let files = [(certificate, "server.crt"), (key, "server.key")];
    postgres_by(&files, &[&format!("ALTER USER strata PASSWORD '{password}'")], "scram-sha-256")
}

/// PostgreSQL that wants a certificate of this authority from its clients.
pub(crate) fn postgres_of_clients(ours: &crate::access::Authority) -> Server {
    let (certificate, key, ca) = (ours.path("server.pem"), ours.path("server.key"), ours.path("ca.pem"));
    let files = [(&*certificate, "server.crt"), (&*key, "server.key"), (&*ca, "clients.crt")];
    postgres_by(&files, &["ALTER SYSTEM SET ssl_ca_file = 'clients.crt'"], "cert")
}

fn postgres_by(files: &[(&Path, &str)], statements: &[&str], method: &str) -> Server {
    let server = postgres();
    let (bin, data) = (newest_postgres(), server.directory.path().join("data"));
    for (from, to) in files {
        let to = data.join(to);
        fs::copy(from, &to).expect("copied");
        let ours = Command::new("chmod").arg("600").arg(&to).status().expect("chmod");
        assert!(ours.success(), "chmod");
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&to).status().expect("chown");
            assert!(owned.success(), "chown to postgres");
        }
    }
    let psql = |statement: &str| {
        let port = server.port.to_string();
        let done = Command::new(bin.join("psql"))
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "strata", "-d", "strata", "-c", statement])
            .output()
            .expect("psql runs");
        assert!(done.status.success(), "psql: {}", String::from_utf8_lossy(&done.stderr));
    };
    statements.iter().for_each(|statement| psql(statement));
    psql("ALTER SYSTEM SET ssl = on");
    fs::write(data.join("pg_hba.conf"), format!("hostssl all all 127.0.0.1/32 {method}\n")).expect("written");
    psql("SELECT pg_reload_conf()");
    server
}

pub(crate) fn newest_postgres() -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .expect("install Debian's package postgresql")
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("install Debian's package postgresql")
}

/// Starts a process that listens nowhere.
pub(crate) fn start_quiet(command: &mut Command, directory: TempDir) -> Server {
    let log = File::create(directory.path().join("log")).expect("a log");
    let errors = log.try_clone().expect("a log");
    let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
    Server {
        child: child.unwrap_or_else(|error| panic!("failed to start {command:?}: {error}")),
        directory,
        port: 0,
    }
}
