//! Real servers for tests: started on a free loopback port with a directory of their own, and killed by their process id
//! when the test ends. The coordinator's tests include this file too.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Set to skip, rather than fail, where the servers are not installed.
const SKIP: &str = "STRATA_TEST_SKIP_SERVERS";
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A server and its data.
pub(crate) struct Server {
    kind: &'static Kind,
    child: Child,
    port: u16,
    directory: TempDir,
    extra: Vec<String>,
}

struct Kind {
    binary: &'static str,
    package: &'static str,
    arguments: fn(u16, &Path) -> Vec<String>,
    is_ready: fn(u16) -> std::io::Result<bool>,
}

const NATS: Kind = Kind {
    binary: "nats-server",
    package: "nats-server",
    arguments: |port, directory| {
        let (store, log) = (directory.join("store"), directory.join("log"));
        let text = |path: &Path| path.display().to_string();
        ["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd", &text(&store), "-l", &text(&log)]
            .map(str::to_owned)
            .to_vec()
    },
    is_ready: |port| {
        let mut line = String::new();
        BufReader::new(connect(port)?).read_line(&mut line)?;
        Ok(line.starts_with("INFO") && line.contains("\"jetstream\":true"))
    },
};

const REDIS: Kind = Kind {
    binary: "redis-server",
    package: "redis-server",
    arguments: |port, directory| {
        let (port, directory) = (port.to_string(), directory.display().to_string());
        ["--bind", "127.0.0.1", "--port", &port, "--dir", &directory, "--save", "", "--appendonly", "no"]
            .map(str::to_owned)
            .to_vec()
    },
    is_ready: |port| {
        let mut stream = connect(port)?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        // `-NOAU…` comes from a server that wants a password: it is up too.
        Ok(&answer == b"+PONG" || &answer == b"-NOAU")
    },
};

impl Server {
    /// A NATS server with JetStream; `None` when the test is to be skipped.
    pub(crate) fn nats(extra: &[&str]) -> Option<Self> {
        Self::start(&NATS, extra)
    }

    /// A Redis server that keeps nothing on disk; `None` when the test is to be skipped.
    pub(crate) fn redis(extra: &[&str]) -> Option<Self> {
        Self::start(&REDIS, extra)
    }

    #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
    fn start(kind: &'static Kind, extra: &[&str]) -> Option<Self> {
        if !is_installed(kind.binary) {
            assert!(
                std::env::var_os(SKIP).is_some_and(|value| value == "1"),
                "{} is not installed: install Debian's package `{}`, or set {SKIP}=1 to skip these tests",
                kind.binary,
                kind.package,
            );
            println!("skipped: {} is not installed and {SKIP}=1", kind.binary);
            return None;
        }
        let extra: Vec<String> = extra.iter().map(|text| (*text).to_owned()).collect();
        // The port may be taken between choosing it and using it.
        for _ in 0..5 {
            let directory = TempDir::new().expect("a temporary directory");
            let port = free_port();
            let child = spawn(kind, port, directory.path(), &extra);
            let mut server = Self { kind, child, port, directory, extra: extra.clone() };
            if server.wait_until_ready() {
                return Some(server);
            }
        }
        panic!("{} does not start", kind.binary);
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port with the same data.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.kind, self.port, self.directory.path(), &self.extra);
        assert!(self.wait_until_ready(), "{} does not start again", self.kind.binary);
    }

    /// Starts it again on the same port, as if its disk had been lost.
    pub(crate) fn restart_empty(&mut self) {
        self.kill();
        self.directory = TempDir::new().expect("a temporary directory");
        self.restart();
    }

    /// Stops its process in place: it neither answers nor closes a connection.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    fn wait_until_ready(&mut self) -> bool {
        let end = Instant::now() + START_TIMEOUT;
        while Instant::now() < end {
            if (self.kind.is_ready)(self.port).unwrap_or(false) {
                return true;
            }
            if self.child.try_wait().expect("the server's state").is_some() {
                return false;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(kind: &Kind, port: u16, directory: &Path, extra: &[String]) -> Child {
    Command::new(kind.binary)
        .args((kind.arguments)(port, directory))
        .args(extra)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", kind.binary))
}

fn is_installed(binary: &str) -> bool {
    Command::new(binary).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    Ok(stream)
}
