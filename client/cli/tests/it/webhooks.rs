//! A real registry tells a server of pushes.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::{Options, Registry},
};

use crate::{
    cluster::runtime,
    servers::{free_port, registry_with, skipped},
    strata::User,
};

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn copy(from: &str, to: &str) {
    let (from, to) = (format!("docker://{from}"), format!("docker://{to}"));
    let copy = Command::new("skopeo")
        .args(["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to])
        .output()
        .expect("install Debian's package skopeo");
    assert!(copy.status.success(), "{}", String::from_utf8_lossy(&copy.stderr));
}

/// Asks again until the answer has the text.
pub(crate) fn until(user: &User, args: &[&str], text: &str, log: impl Fn() -> String) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let run = user.run(args);
        if run.code == 0 && run.out.contains(text) {
            return run.out;
        }
        assert!(Instant::now() < deadline, "{}\n{}\n{}", run.out, run.err, log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn what_is_pushed_to_a_real_registry_is_scanned_even_if_nobody_listened_at_first() {
    if skipped("notifications of a real registry") {
        return;
    }
    let (user, port, hooks, runtime) = (User::new(), free_port(), free_port(), runtime());
    let mut fixed = Fixed::new();
    let lodash: (&str, &[u8]) =
        ("app/node_modules/lodash/package.json", br#"{"name":"lodash","version":"4.17.4"}"#);
    let layers = [Blob::of_files(&[lodash], Compression::Gzip).expect("a layer")];
    let image = FixedImage { repository: "app", tag: "1", layers: &layers, arch: Arch::Amd64, docker: true };
    fixed.image(&image);
    let source = runtime.block_on(Registry::start(fixed, Options::default())).expect("a registry");
    let registry = registry_with(&format!(
        "notifications:\n  events: {{includereferences: true}}\n  endpoints:\n    - {{name: strata, \
         url: \"http://127.0.0.1:{hooks}/hooks/distribution\", timeout: 2s, threshold: 3, backoff: 1s, \
         headers: {{Authorization: [\"Bearer {SECRET}\"]}}}}\n"
    ));
    let (from, host) = (format!("{}/app:1", source.host()), format!("127.0.0.1:{}", registry.port));
    copy(&from, &format!("{host}/team/app:1"));
    let secret = user.home.path().join("secret");
    std::fs::write(&secret, SECRET).expect("written");
    let (listen, hooks) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{hooks}"));
    let secret = secret.display().to_string();
    let role = ["server", "--listen", &listen, "--webhooks", &hooks, "--webhook-secret", &secret];
    let server = user.role(&role, Some(port));
    let url = format!("http://{listen}");
    let log = || format!("{}\n{}", server.log(), registry.log());
    let search = |reference: &'static str| ["report", "search", "--reference", reference, "--server", &url];
    until(&user, &search("team/app:1"), "team/app:1", log);
    // What is attached is no image; what comes after it shows that it was heard.
    copy(&from, &format!("{host}/team/app:sha256-{}.sig", "a".repeat(64)));
    copy(&from, &format!("{host}/team/app:2"));
    until(&user, &search("team/app:2"), "team/app:2", log);
    let sweeps = user.run(&["sweeps", "--server", &url]);
    let scans = sweeps.out.lines().filter(|line| line.contains("/team/app")).count();
    assert_eq!(scans, 2, "one for each image:\n{}\n{}", sweeps.out, log());
    assert!(!sweeps.out.contains(".sig"), "{}", sweeps.out);
    user.run(&["server", "--listen", "127.0.0.1:0", "--webhooks", &hooks]).expect(2, &["--webhook-secret"]);
}
