//! A PostgreSQL server on a free loopback port with a directory of its own, stopped by its process id.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::Connection as _;
use tempfile::TempDir;

/// Set to skip, rather than fail, where the server is not installed.
const SKIP: &str = "STRATA_TEST_SKIP_SERVERS";
const TRIES: u32 = 300;

pub(crate) struct Server {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl Server {
    /// Starts a server; `None` when the test is to be skipped.
    pub(crate) async fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            assert!(
                std::env::var_os(SKIP).is_some_and(|value| value == "1"),
                "PostgreSQL is not installed: install Debian's package `postgresql`, or set {SKIP}=1 to skip these tests"
            );
            println!("skipped: PostgreSQL is not installed and {SKIP}=1");
            return None;
        };
        let directory = TempDir::new().expect("a temporary directory");
        let data = directory.path().join("data");
        if is_root() {
            let owned = Command::new("chown").arg("postgres:").arg(directory.path()).status().expect("chown");
            assert!(owned.success(), "the directory cannot be given to the user `postgres`");
        }
        let made = as_postgres(&binaries.join("initdb"))
            .args(["-U", "strata", "-A", "trust", "-E", "UTF8", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .expect("initdb");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let child = spawn(&binaries, directory.path(), port);
        let mut server = Self { child, port, directory };
        server.wait_until_ready().await;
        Some(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// URL of a new, empty database.
    pub(crate) async fn database(&self, name: &str) -> String {
        let mut connection = sqlx::PgConnection::connect(&self.url("postgres")).await.expect("a connection");
        let statement = format!("CREATE DATABASE {name}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.expect("a database");
        self.url(name)
    }

    /// Ends it as a crash would, and starts it again with the same data.
    pub(crate) async fn crash_and_restart(&mut self) {
        self.stop("-QUIT");
        self.child = spawn(&binaries().expect("it ran before"), self.directory.path(), self.port);
        self.wait_until_ready().await;
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://strata@127.0.0.1:{}/{database}", self.port)
    }

    async fn wait_until_ready(&mut self) {
        let mut last = String::new();
        for _ in 0..TRIES {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("PostgreSQL ended with {status}: {}", self.log());
            }
            match sqlx::PgConnection::connect(&self.url("postgres")).await {
                Ok(_) => return,
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("PostgreSQL does not answer ({last}): {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn stop(&mut self, signal: &str) {
        // Its own signals end the processes that it started; a kill would leave them behind for a while.
        let _ = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop("-INT");
    }
}

fn spawn(binaries: &Path, directory: &Path, port: u16) -> Child {
    let log = File::options().create(true).append(true).open(directory.join("log")).expect("a log");
    let errors = log.try_clone().expect("a log");
    as_postgres(&binaries.join("postgres"))
        .arg("-D")
        .arg(directory.join("data"))
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .expect("postgres starts")
}

/// PostgreSQL refuses to run as root: then it runs as the user of Debian's package. `setpriv` becomes the program, so
/// that the process id is the server's.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// The newest version's programs, in Debian's place for them.
fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|directory| directory.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}
