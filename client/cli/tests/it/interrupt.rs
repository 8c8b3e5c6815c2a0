//! Ctrl-C: a scan stops, or goes on without this command; what was done so far is told; a second one leaves at once.

use std::fs;

use serde_json::Value;
use strata_loadtest::{
    content::{Arch, Blob, Compression, FixedImage},
    registry::{Faults, Options},
};
use tempfile::TempDir;

use crate::{
    black_box::{Beside, serve, vulnerable},
    servers::{self, Server, free_port},
    strata::User,
};

/// `app:1` is read in a second or two, `large:1` in minutes.
fn slow() -> Beside {
    let mut fixed = vulnerable();
    let noise: Vec<u8> =
        (0_u32..60_000).flat_map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let layer = Blob::of_files(&[("noise", &noise)], Compression::None).expect("a layer");
    let layers = [layer];
    fixed.image(&FixedImage {
        repository: "large",
        tag: "1",
        layers: &layers,
        arch: Arch::Amd64,
        docker: false,
    });
    serve(
        fixed,
        Options { faults: Faults { bandwidth: Some(1_500), ..Faults::default() }, ..Options::default() },
    )
}

/// A sweep of it, once the small image has its report.
fn sweep(user: &User, host: &str, more: &[&str]) -> Server {
    let mut command = user.command(&[&["sweep", host], more].concat());
    let sweep = servers::start_quiet(&mut command, TempDir::new().expect("a directory"));
    sweep.until("app:1");
    sweep
}

#[test]
fn an_interrupted_sweep_tells_what_it_did() {
    let (user, beside) = (User::new(), slow());
    let report = user.home.path().join("report.json");
    let output = format!("json={}", report.display());
    let mut sweep = sweep(&user, &beside.registry.host(), &["-o", &output]);
    sweep.signal("INT");
    assert_eq!(sweep.end(), Some(3), "{}", sweep.log());
    let log = sweep.log();
    for text in
        ["stopping: the scan is cancelled", "CANCELLED", "2 enumerated = 1 reported", "1 not finished"]
    {
        assert!(log.contains(text), "`{text}` is not said: {log}");
    }
    let document: Value = serde_json::from_slice(&fs::read(report).expect("a report")).expect("JSON");
    assert_eq!(
        (&document["state"], document["images"].as_array().map(Vec::len)),
        (&"cancelled".into(), Some(1))
    );
}

#[test]
fn a_sweep_of_a_server_is_cancelled_or_left_as_one_likes() {
    let (user, beside) = (User::new(), slow());
    let (port, host) = (free_port(), beside.registry.host());
    let server = user.role(&["server", "--listen", &format!("127.0.0.1:{port}")], Some(port));
    let url = format!("http://127.0.0.1:{port}");
    let first_scan = || {
        let list = user.run(&["sweeps", "--server", &url, "--limit", "1"]);
        list.expect(0, &[]).out.lines().last().unwrap_or_default().to_owned()
    };

    // A job's end, as CI systems send it, is the same as Ctrl-C.
    let mut cancelled = sweep(&user, &host, &["--server", &url]);
    cancelled.signal("TERM");
    assert_eq!(cancelled.end(), Some(3), "{}", cancelled.log());
    assert!(cancelled.log().contains("CANCELLED"), "{}", cancelled.log());
    assert!(first_scan().contains("cancelled"), "{}", first_scan());

    let mut left = sweep(&user, &host, &["--server", &url, "--detach-on-interrupt"]);
    left.signal("INT");
    assert_eq!(left.end(), Some(3), "an unfinished scan is no pass: {}", left.log());
    let log = left.log();
    let hint = log.lines().find(|line| line.starts_with("left: the scan goes on")).expect("a hint");
    let again = hint.split('`').nth(1).expect("a command").to_owned();
    assert!(
        log.contains("LEFT before the end") && log.contains("1 unchanged + 0 skipped + 0 failed + 1 not"),
        "{log}"
    );
    assert!(first_scan().contains("running"), "{}", first_scan());

    // The hint's command follows it, and leaves it alone too.
    let words: Vec<&str> = again.split_whitespace().skip(1).collect();
    let mut watch = servers::start_quiet(&mut user.command(&words), TempDir::new().expect("a directory"));
    let scan = words[1];
    user.run(&["cancel", scan, "--server", &url]).expect(0, &["cancelled"]);
    assert_eq!(watch.end(), Some(3), "{}", watch.log());
    assert!(watch.log().contains("CANCELLED"), "{}", watch.log());

    // A server that does not answer keeps nobody.
    let mut stuck = sweep(&user, &host, &["--server", &url]);
    server.signal("STOP");
    stuck.signal("INT");
    stuck.until("stopping");
    stuck.signal("INT");
    let code = stuck.end();
    server.signal("CONT");
    assert_eq!(code, Some(3), "{}", stuck.log());
    for text in ["left: the server may not have heard of it yet", "LEFT before the end"] {
        assert!(stuck.log().contains(text), "`{text}` is not said: {}", stuck.log());
    }
}

/// On a terminal there is one area that is drawn again and again; with `--quiet`, or without a terminal, there is none.
#[test]
fn a_terminal_has_a_live_area_and_nothing_else_has() {
    const UP: &str = "\u{1b}[1A";
    let user = User::new();
    let executable = env!("CARGO_BIN_EXE_strata");
    let terminal = |more: &str| {
        let mut command = user.command(&[]);
        let line = format!("{executable} demo {more}");
        let mut script = std::process::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env_clear();
        script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        script.env("TERM", "xterm").env("COLUMNS", "100");
        let _ = command.stdin(std::process::Stdio::null());
        String::from_utf8_lossy(&servers::output(&mut script).stdout).into_owned()
    };
    if std::process::Command::new("script").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no `script` to make a terminal with");
        return;
    }
    let shown = terminal("");
    for text in ["images    ", "layers analysed", " findings", "time      ", UP] {
        assert!(shown.contains(text), "{text:?} is not shown: {shown}");
    }
    let quiet = terminal("--quiet");
    assert!(!quiet.contains(UP) && !quiet.contains("layers analysed"), "{quiet}");
    let plain = user.run(&["demo"]);
    assert!(!plain.err.contains('\u{1b}'), "no terminal: {}", plain.err);
}
