//! Several processes on one cache directory: one that is killed harms no other, and its scan does not run for ever.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use strata_coordinator::{archive::sqlite::SqliteArchive, ports::Archive as _};
use strata_proto::v1::{Scan, ScanState};

use crate::strata::User;

/// A registry that takes connections and never answers.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    (listener, host)
}

fn start(user: &User, host: &str) -> Child {
    let mut command = user.command(&["sweep", host]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// What the archive says of the sweep of a host.
fn state_of(user: &User, host: &str) -> Option<ScanState> {
    crate::cluster::runtime().block_on(async {
        let archive = SqliteArchive::open(&user.home.path().join("cache/archive.sqlite")).await.ok()?;
        let scans = archive.scans(10, "").await.expect("listed");
        let of = |scan: &&Scan| {
            let registry = scan.request.as_ref().and_then(|request| request.registry.as_ref());
            registry.is_some_and(|registry| registry.host == host)
        };
        scans.iter().find(of).map(Scan::state)
    })
}

/// Polls for a bounded time.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_killed_scan_ends_with_the_next_process_and_a_living_one_goes_on() {
    let user = User::new();
    let ((_one, first), (_two, second)) = (silent(), silent());
    let (mut killed, mut living) = (start(&user, &first), start(&user, &second));
    until("both run", || {
        [&first, &second].iter().all(|host| state_of(&user, host) == Some(ScanState::Running))
    });
    killed.kill().expect("it is ours");
    killed.wait().expect("it ended");
    // A third one works beside the second, and looks after what the first one left.
    let tree = tempfile::tempdir().expect("a directory");
    let package = tree.path().join("app/node_modules/lodash");
    fs::create_dir_all(&package).expect("a directory");
    fs::write(package.join("package.json"), r#"{"name":"lodash","version":"4.17.4"}"#).expect("a file");
    let third = user.run(&["scan", &format!("dir:{}", tree.path().display())]);
    third.expect(0, &["CVE-2019-10744"]);
    assert_eq!(state_of(&user, &first), Some(ScanState::Cancelled));
    assert_eq!(state_of(&user, &second), Some(ScanState::Running), "its process lives");
    living.kill().expect("it is ours");
    living.wait().expect("it ended");
}
