//! A real registry with a certificate of its own and a password: every way to trust it and to log in, and what is said where
//! that fails.

use std::{fs, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    access::{Authority, run_with},
    cluster::runtime,
    fixture,
    servers::{registry_with, skipped},
    strata::User,
};

const PASSWORD: &str = "pl4nted-Registry-pw";
/// Of the password, by bcrypt, as the registry wants it.
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuGNuj/R2TbwrP8rSzWMaJdjAKSK4rg/y";

#[test]
#[expect(clippy::too_many_lines, reason = "one registry, and the ways to it one after the other")]
fn a_private_registry_is_trusted_and_logged_in_to_in_every_way() {
    if skipped("a registry with TLS and a password") {
        return;
    }
    let (user, ours, runtime) = (User::new(), Authority::new(), runtime());
    let write = |name: &str, text: &str| {
        let file = user.home.path().join(name);
        fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let htpasswd = write("htpasswd", &format!("robot:{HASH}\n"));
    let registry = registry_with(&format!(
        "  tls: {{certificate: {}, key: {}}}\nauth:\n  htpasswd: {{realm: strata, path: {htpasswd}}}\n",
        ours.file("server.pem"),
        ours.file("server.key")
    ));
    let host = format!("127.0.0.1:{}", registry.port);
    let source = fixture::serve(&runtime, fixture::lodash());
    let copy = Command::new("skopeo")
        .args(["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false"])
        .args(["--dest-creds", &format!("robot:{PASSWORD}")])
        .args([format!("docker://{}/app:1", source.host()), format!("docker://{host}/app:1")])
        .output()
        .expect("install Debian's package skopeo");
    assert!(copy.status.success(), "{}", String::from_utf8_lossy(&copy.stderr));

    let image = format!("{host}/app:1");
    let auth = |password: &str| {
        format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, STANDARD.encode(format!("robot:{password}")))
    };
    let (authfile, wrong_file) =
        (write("auth.json", &auth(PASSWORD)), write("wrong.json", &auth("wr0ng-pw")));
    let docker = user.home.path().join("docker");
    fs::create_dir(&docker).expect("a directory");
    fs::write(docker.join("config.json"), auth(PASSWORD)).expect("written");
    let docker = docker.display().to_string();
    let (password, ca) = (write("password", &format!("{PASSWORD}\n")), ours.file("ca.pem"));
    let trusted = |more: &[&str], environment: &[(&str, &str)]| {
        let args = [&["scan", &image, "--registry-cacert", &ca, "-vv"][..], more].concat();
        let run = run_with(&user, &args, environment);
        for secret in [PASSWORD, "wr0ng-pw", &STANDARD.encode(format!("robot:{PASSWORD}"))] {
            assert!(!run.err.contains(secret) && !run.out.contains(secret), "{}", run.err);
        }
        run
    };
    let in_environment = |password: &'static str| {
        [
            ("STRATA_REGISTRY_HOST", host.as_str()),
            ("STRATA_REGISTRY_USERNAME", "robot"),
            ("STRATA_REGISTRY_PASSWORD", password),
        ]
    };

    // Nobody vouches for it.
    let logged_in = ["--authfile", &authfile];
    let stranger = user.run(&[&["scan", &image][..], &logged_in].concat());
    stranger.expect(3, &["certificate", "--registry-cacert", &host]);
    let other = Authority::new();
    let others = other.file("ca.pem");
    let args = [&["scan", &image, "--registry-cacert", &others][..], &logged_in].concat();
    user.run(&args).expect(3, &["certificate"]);
    user.run(&["scan", &image, "--registry-cacert", &password]).expect(2, &["holds no PEM CERTIFICATE"]);
    user.run(&[&["scan", &image, "--allow-insecure-registry"][..], &logged_in].concat())
        .expect(0, &["3 findings"]);
    // No login, and wrong ones.
    trusted(&[], &[]).expect(3, &["401"]);
    trusted(&["--authfile", &wrong_file], &[]).expect(3, &["401"]);
    trusted(&[], &in_environment("wr0ng-pw")).expect(3, &["401"]);
    trusted(&["--authfile", "/nowhere/auth.json"], &[]).expect(2, &["/nowhere/auth.json"]);
    trusted(&["--registry-username", "robot"], &[]).expect(2, &["--registry-password-file"]);
    // Every place of a login.
    for (more, environment) in [
        (&logged_in[..], &[][..]),
        (&["--registry-username", "robot", "--registry-password-file", &password], &[]),
        (&[], &in_environment(PASSWORD)),
        (&[], &[("REGISTRY_AUTH_FILE", authfile.as_str())]),
        (&[], &[("DOCKER_CONFIG", docker.as_str())]),
        (&[], &[("DOCKER_AUTH_CONFIG", auth(PASSWORD).as_str())]),
        (&[], &[("STRATA_REGISTRY_SECRETS", authfile.as_str())]),
    ] {
        trusted(more, environment).expect(0, &["3 findings"]);
    }
    let sweep = ["sweep", &host, "--registry-cacert", &ca, "--authfile", &authfile];
    user.run(&sweep).expect(0, &["3 findings", "completed"]);
    // A database is pushed and pulled by the same ways.
    let place = format!("oci://{host}/advisories:1");
    let file = ["--registry-username", "robot", "--registry-password-file", &password];
    user.run(&[&["db", "push", &place][..], &logged_in].concat()).expect(3, &["certificate", &host]);
    user.run(&["db", "push", &place, "--registry-cacert", &ca]).expect(3, &["push the database"]);
    user.run(&["db", "push", &place, "--registry-cacert", &ca, "--authfile", &wrong_file])
        .expect(3, &["push the database"]);
    user.run(&[&["db", "push", &place, "--registry-cacert", &ca][..], &file].concat())
        .expect(0, &["sha256:"]);
    for more in [&["--registry-cacert", &ca][..], &["--insecure"]] {
        let other = User::without_database();
        let pulled = other.run(&[&["db", "pull", &place][..], more, &logged_in].concat());
        pulled.expect(0, &["sha256:"]);
        assert!(!pulled.err.contains(PASSWORD), "{}", pulled.err);
        assert_eq!(fs::read(other.database()).expect("pulled"), fs::read(user.database()).expect("pushed"));
    }
}
