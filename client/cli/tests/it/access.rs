//! Tokens and certificates as users meet them: `strata server` and `strata coordinator` as black boxes.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::{
    servers::{self, Server, free_port},
    strata::{Run, User},
};

/// An authority of the test's own and certificates for loopback, as PEM files, by the `openssl` command.
pub(crate) struct Authority {
    directory: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self { directory: TempDir::new().expect("a directory") };
        authority.make("ca", "/CN=a test's authority", &["basicConstraints=critical,CA:TRUE"], &[]);
        let ca = [("-CA", authority.file("ca.pem")), ("-CAkey", authority.file("ca.key"))];
        let signed: Vec<&str> = ca.iter().flat_map(|(option, file)| [*option, file.as_str()]).collect();
        for (name, usage) in
            [("server", "extendedKeyUsage=serverAuth"), ("client", "extendedKeyUsage=clientAuth")]
        {
            let names = "subjectAltName=IP:127.0.0.1,DNS:localhost";
            authority.make(
                name,
                "/CN=strata",
                &["basicConstraints=critical,CA:FALSE", names, usage],
                &signed,
            );
        }
        authority
    }

    fn make(&self, name: &str, subject: &str, extensions: &[&str], more: &[&str]) {
        let mut command = Command::new("openssl");
        command.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ]);
        command.args(["-subj", subject, "-keyout", &self.file(&format!("{name}.key"))]);
        command.args(["-out", &self.file(&format!("{name}.pem"))]).args(more);
        for extension in extensions {
            command.args(["-addext", extension]);
        }
        let made = command.output().expect("install Debian's package openssl");
        assert!(made.status.success(), "openssl {name}: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// A file: `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// Runs with more in the environment.
pub(crate) fn run_with(user: &User, args: &[&str], environment: &[(&str, &str)]) -> Run {
    let mut command: Command = user.command(args);
    Run::of(servers::output(command.envs(environment.iter().copied())))
}

fn server(user: &User, more: &[&str]) -> (Server, String) {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let args = [&["server", "--listen", &listen], more].concat();
    (user.role(&args, Some(port)), listen)
}

#[test]
fn a_server_needs_tokens_once_there_is_one() {
    let user = User::new();
    let (server, listen) = server(&user, &[]);
    let url = format!("http://{listen}");
    user.run(&["sweeps", "--server", &url]).expect(0, &[]);
    assert!(server.log().contains("calls need no token"), "{}", server.log());
    // Made in the archive while the server runs: it counts at once.
    let made = user.run(&["token", "create", "--name", "admin", "--scope", "admin"]);
    made.expect(0, &["strata_", "cannot be shown again"]);
    let admin = made.out.trim().to_owned();
    user.run(&["sweeps", "--server", &url]).expect(2, &["needs a token", "hint", "STRATA_TOKEN"]);
    let with = |token: &str, args: &[&str]| run_with(&user, args, &[("STRATA_TOKEN", token)]);
    with(&admin, &["sweeps", "--server", &url]).expect(0, &[]);
    // Through the API, as an administrator; the token goes to a file that nobody else reads.
    let file = user.home.path().join("ci.token");
    let file_text = file.display().to_string();
    let create = [
        "token",
        "create",
        "--name",
        "ci",
        "--scope",
        "scan",
        "--prefix",
        "r.example/team",
        "-o",
        &file_text,
    ];
    let made = with(&admin, &[&create[..], &["--server", &url]].concat());
    made.expect(0, &["(ci) for scan"]);
    assert!(!made.out.contains("strata_"), "{}", made.out);
    let ci = fs::read_to_string(&file).expect("a token");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    let as_ci =
        |args: &[&str]| run_with(&user, args, &[("STRATA_TOKEN_FILE", &file_text), ("STRATA_SERVER", &url)]);
    as_ci(&["scan", "other.example/a:1"]).expect(2, &["beyond this token's repositories: r.example/team"]);
    as_ci(&["report", "search", "--package", "x"]).expect(2, &["needs the scope read"]);
    as_ci(&["token", "list"]).expect(2, &["needs the scope admin"]);
    let list = with(&admin, &["token", "list", "--server", &url]);
    list.expect(0, &["ci", "r.example/team", "valid", "admin"]);
    let id = ci.split('_').nth(1).expect("an id").to_owned();
    with(&admin, &["token", "revoke", &id, "--server", &url]).expect(0, &["is revoked"]);
    as_ci(&["sweeps"]).expect(2, &["was revoked"]);
    for (args, says) in [
        (vec!["token", "revoke", "nosuch"], "nosuch"),
        (vec!["token", "create", "--name", "x", "--scope", "write"], "`write`"),
        (vec!["token", "create", "--name", "x", "--scope", "read", "--expires", "soon"], "`soon`"),
        (vec!["token", "create", "--name", "x", "--scope", "read", "-o", &file_text], "ci.token"),
    ] {
        user.run(&args).expect(2, &[says]);
    }
    // What was shown stays out of logs and lists.
    let log = server.log();
    for secret in [admin.as_str(), ci.trim()] {
        let secret = secret.rsplit('_').next().expect("a secret");
        assert!(!log.contains(secret) && !list.out.contains(secret) && !list.err.contains(secret));
    }
}

/// One call with a notification; the status, or `None` when nobody spoke to us.
fn notify(url: &str, authority: &[u8], secret: &str) -> Option<u16> {
    crate::cluster::runtime().block_on(async {
        let root = reqwest::Certificate::from_pem(authority).expect("a certificate");
        let client = reqwest::Client::builder().tls_certs_only([root]).build().expect("a client");
        let body = r#"{"events":[{"id":"1","action":"delete"}]}"#;
        let call = client.post(url).header("authorization", secret).body(body);
        Some(call.send().await.ok()?.status().as_u16())
    })
}

#[test]
fn a_cluster_begins_with_a_token_from_a_file_and_takes_notifications_over_tls() {
    let (user, ours, hooks) = (User::new(), Authority::new(), free_port());
    let token = format!("strata_0123456789ab_{}", "7".repeat(64));
    let write = |name: &str, text: &str| {
        let file = user.home.path().join(name);
        fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let (file, wrong) = (write("first", &format!("{token}\n")), write("wrong", "a password"));
    let secret = write("secret", "0123456789abcdef");
    let (certificate, key, ca) = (ours.file("server.pem"), ours.file("server.key"), ours.file("ca.pem"));
    let authority = fs::read(&ca).expect("a certificate");
    let hooks = format!("127.0.0.1:{hooks}");
    let args = ["--bootstrap-token-file", &file, "--tls-cert", &certificate, "--tls-key", &key];
    let more = ["--webhooks", &hooks, "--webhook-secret", &secret];
    let url = |listen: &str| format!("https://{listen}");
    let as_admin = |url: &str, args: &[&str]| {
        let environment = [("STRATA_TOKEN", token.as_str()), ("STRATA_SERVER", url), ("STRATA_CACERT", &ca)];
        run_with(&user, args, &environment)
    };
    {
        let (server, listen) = server(&user, &[&args[..], &more].concat());
        let url = url(&listen);
        as_admin(&url, &["token", "list"]).expect(0, &["bootstrap", "admin", "never"]);
        user.run(&["sweeps", "--server", &url, "--cacert", &ca]).expect(2, &["needs a token"]);
        for (scheme, secret, status) in [
            ("https", "0123456789abcdef", Some(202)),
            ("https", "another secret that is long", Some(401)),
            ("http", "0123456789abcdef", None),
        ] {
            let found = notify(&format!("{scheme}://{hooks}/hooks/distribution"), &authority, secret);
            assert_eq!(found, status, "{scheme}: {}", server.log());
        }
        assert!(!server.log().contains("7777"), "{}", server.log());
        as_admin(&url, &["token", "revoke", "0123456789ab"]).expect(0, &["is revoked"]);
    }
    // A restart does not bring it back.
    let (server, listen) = server(&user, &args);
    as_admin(&url(&listen), &["sweeps"]).expect(2, &["was revoked"]);
    assert!(server.log().contains("stays so"), "{}", server.log());
    user.run(&["server", "--listen", "127.0.0.1:0", "--bootstrap-token-file", &wrong])
        .expect(2, &["bootstrap token in", "no token", "openssl rand"]);
}

#[test]
fn an_open_address_is_refused_without_tokens() {
    let user = User::new();
    let listen = format!("0.0.0.0:{}", free_port());
    user.run(&["server", "--listen", &listen])
        .expect(2, &["refused to serve", "strata token create", "hint"]);
    let keys = user.home.path().join("keys.json");
    fs::write(&keys, "{}").expect("written");
    let oidc =
        ["server", "--listen", &listen, "--oidc-issuer", "https://id.example", "--oidc-audience", "strata"];
    let file = keys.display().to_string();
    user.run(&[&oidc[..], &["--jwks", &file]].concat()).expect(2, &["keys.json"]);
    user.run(&[&oidc[..], &["--jwks", "http://id.example/keys"]].concat()).expect(2, &["is not https://"]);
    user.run(&[&oidc[..], &["--oidc-grant", "ops=root"]].concat()).expect(2, &["`root`"]);
    for more in [&["--allow-anonymous"][..], &[]] {
        if more.is_empty() {
            user.run(&["token", "create", "--name", "a", "--scope", "admin"]).expect(0, &[]);
        }
        let port = free_port();
        let listen = format!("0.0.0.0:{port}");
        let server = user.role(&[&["server", "--listen", &listen], more].concat(), Some(port));
        let code = if more.is_empty() { 2 } else { 0 };
        user.run(&["sweeps", "--server", &format!("http://127.0.0.1:{port}")]).expect(code, &[]);
        assert!(server.log().contains("in the clear"), "{}", server.log());
    }
    let refused =
        run_with(&user, &["sweeps", "--server", "http://strata.example:7400"], &[("STRATA_TOKEN", "x")]);
    refused.expect(2, &["not sent in the clear"]);
}

#[test]
fn a_server_with_tls_proves_itself_and_may_want_clients_to() {
    let (user, ours, other) = (User::new(), Authority::new(), Authority::new());
    let (certificate, key) = (ours.file("server.pem"), ours.file("server.key"));
    let tls = ["--tls-cert", &certificate, "--tls-key", &key];
    let (_server, listen) = server(&user, &tls);
    let url = format!("https://{listen}");
    let (ca, wrong) = (ours.file("ca.pem"), other.file("ca.pem"));
    user.run(&["sweeps", "--server", &url, "--cacert", &ca]).expect(0, &[]);
    for args in [vec![], vec!["--cacert", &wrong]] {
        let refused = user.run(&[&["sweeps", "--server", &url][..], &args].concat());
        refused.expect(3, &["failed to reach the coordinator", "certificate"]);
        assert!(refused.err.lines().count() <= 2, "{}", refused.err);
    }
    user.run(&["sweeps", "--server", &format!("http://{listen}")]).expect(3, &[]);
    user.run(&["sweeps", "--server", &url, "--cacert", &key]).expect(2, &["holds no PEM CERTIFICATE"]);
    // Only clients of the authority.
    let user = User::new();
    let (_server, listen) = server(&user, &[&tls[..], &["--tls-client-ca", &ca]].concat());
    let url = format!("https://{listen}");
    let (client, client_key) = (ours.file("client.pem"), ours.file("client.key"));
    let (stranger, stranger_key) = (other.file("client.pem"), other.file("client.key"));
    let sweeps = ["sweeps", "--server", &url, "--cacert", &ca];
    user.run(&[&sweeps[..], &["--client-cert", &client, "--client-key", &client_key]].concat())
        .expect(0, &[]);
    user.run(&sweeps).expect(3, &[]);
    user.run(&[&sweeps[..], &["--client-cert", &stranger, "--client-key", &stranger_key]].concat())
        .expect(3, &[]);
}
