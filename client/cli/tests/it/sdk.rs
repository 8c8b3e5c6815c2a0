//! What others build on: the SDK's examples as they stand in its documentation, and a client that another language generates
//! from the contract. All against a server that wants a token.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use strata_loadtest::registry::Options;
use tempfile::TempDir;

use crate::{
    black_box::{Beside, serve, vulnerable},
    servers::{self, Server, free_port},
    strata::{Run, User, root},
};

/// A server with a token, and a registry with `app:1`.
struct Place {
    user: User,
    address: String,
    token: String,
    registry: Beside,
    _server: Server,
}

impl Place {
    fn new() -> Self {
        let user = User::new();
        let made = user.run(&["token", "create", "--name", "ci", "--scope", "read,scan"]);
        let token = made.expect(0, &[]).out.trim().to_owned();
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let server = user.role(&["server", "--listen", &address], Some(port));
        Self { user, address, token, registry: serve(vulnerable(), Options::default()), _server: server }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn image(&self) -> String {
        format!("{}/app:1", self.registry.registry.host())
    }

    /// Findings as the executable's own client tells them: identifier, package, version, severity, fix.
    fn findings(&self) -> Vec<[String; 5]> {
        let (image, url) = (self.image(), self.url());
        let mut command = self.user.command(&["scan", &image, "--server", &url, "--format", "json"]);
        let run = Run::of(servers::output(command.env("STRATA_TOKEN", &self.token)));
        let document: Value = serde_json::from_str(&run.expect(0, &[]).out).expect("a document");
        rows(&document["images"][0]["findings"], ["installed_version", "fixed_version"])
    }
}

fn rows(findings: &Value, [version, fixed]: [&str; 2]) -> Vec<[String; 5]> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let all = findings.as_array().expect("findings");
    let mut rows: Vec<_> = all
        .iter()
        .map(|row| ["id", "package", version, "severity", fixed].map(|name| text(row, name)))
        .collect();
    rows.sort();
    rows
}

/// An example as `cargo test --workspace` builds it.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn example(name: &str) -> Option<Command> {
    let built =
        Path::new(env!("CARGO_BIN_EXE_strata")).parent().expect("a directory").join("examples").join(name);
    if !built.exists() {
        eprintln!("SKIPPED: the SDK's example {name} is not built: cargo build --workspace --examples");
        return None;
    }
    let mut command = Command::new(built);
    command.env_clear();
    Some(command)
}

fn run(mut command: Command, token: &str, args: &[&str]) -> Run {
    Run::of(servers::output(command.env("STRATA_TOKEN", token).args(args)))
}

#[test]
fn the_examples_of_the_sdk_do_what_they_say() {
    let (Some(gate), Some(nightly), Some(export)) =
        (example("gate"), example("nightly_sweep"), example("export"))
    else {
        return;
    };
    let place = Place::new();
    let (url, image, host) = (place.url(), place.image(), place.registry.registry.host());
    let expected = place.findings();
    let bad = expected.iter().filter(|row| ["HIGH", "CRITICAL"].contains(&row[3].as_str())).count();
    assert!(bad > 0, "{expected:?}");
    run(gate, &place.token, &[&url, &image])
        .expect(1, &["lodash", &format!("{bad} findings are high or critical")]);
    let gate = || example("gate").expect("it was there");
    run(gate(), &place.token, &[&url, &format!("{host}/nothing:1")]).expect(3, &["no report", "nothing:1"]);
    run(gate(), "", &[&url, &image]).expect(1, &["Unauthenticated"]);

    let first = run(nightly, &place.token, &[&url, &host, "2026-11-22"]);
    first.expect(0, &["app:1", "1 enumerated = 0 reported + 1 unchanged"]);
    let again =
        run(example("nightly_sweep").expect("it was there"), &place.token, &[&url, &host, "2026-11-22"]);
    assert_eq!(first.out, again.expect(0, &[]).out, "a night is one scan, however often its job is started");

    let table = run(export, &place.token, &[&url]);
    let lines: Vec<&str> = table.expect(0, &[]).out.lines().collect();
    assert_eq!(lines[0], "image,reference,package,version,vulnerability,severity,fixed,suppressed");
    for row in &expected {
        let line = lines.iter().find(|line| line.contains(&row[0]));
        let line = line.unwrap_or_else(|| panic!("{row:?} is missing in {lines:?}"));
        assert!(row.iter().all(|field| line.contains(&format!("\"{field}\""))), "{row:?}: {line}");
    }
}

/// A Python that can generate a client: what `deploy/test.sh` made, or the system's.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn python() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_BIN_EXE_strata")).ancestors().nth(2).expect("a target directory");
    let able = |python: &PathBuf| {
        let mut command = Command::new(python);
        command
            .args(["-c", "import grpc, grpc_tools.protoc"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let found = [target.join("python/bin/python"), PathBuf::from("python3")].into_iter().find(able);
    if found.is_none() {
        eprintln!("SKIPPED: no python3 here has grpcio and grpcio-tools: deploy/test.sh installs them");
    }
    found
}

#[test]
fn a_client_that_python_generates_sees_the_same() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let expected = place.findings();
    let stubs = TempDir::new().expect("a directory");
    let proto = root().join("proto");
    let mut generate = Command::new(&python);
    generate.args(["-m", "grpc_tools.protoc", "-I"]).arg(&proto);
    for option in ["--python_out", "--grpc_python_out"] {
        generate.arg(format!("{option}={}", stubs.path().display()));
    }
    let files = fs::read_dir(proto.join("strata/v1")).expect("the contract").filter_map(Result::ok);
    generate.args(files.map(|file| file.path()));
    Run::of(servers::output(&mut generate)).expect(0, &[]);

    let script = root().join("client/examples/python/watch_scan.py");
    let scan = |image: &str, token: &str| {
        let mut command = Command::new(&python);
        command.arg(&script).args([&place.address, image]).env("PYTHONPATH", stubs.path());
        command.env("STRATA_TOKEN", token).env("PYTHONDONTWRITEBYTECODE", "1");
        Run::of(servers::output(&mut command))
    };
    let answer = scan(&place.image(), &place.token);
    let document: Value = serde_json::from_str(&answer.expect(0, &[]).out).expect("JSON");
    assert!(!expected.is_empty());
    assert_eq!(rows(&document, ["version", "fixed"]), expected);
    scan(&place.image().replace("app:1", "gone:1"), &place.token).expect(3, &["no report", "gone:1"]);
    scan(&place.image(), "").expect(1, &["UNAUTHENTICATED"]);
}
