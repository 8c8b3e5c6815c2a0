//! Every way to log in to the servers of a cluster but passwords: nkeys and user JWTs for NATS, client certificates for NATS,
//! Redis and PostgreSQL. Each works, and nobody is let in without.

use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use serde_json::{Value, json};
use strata_loadtest::{
    content::{Plan, Synthetic},
    registry::{Options, Registry},
};
use tempfile::TempDir;

use crate::{
    access::{Authority, run_with},
    cluster::runtime,
    servers::{self, Server, free_port, skipped},
    strata::User,
};

/// NATS with this configuration.
fn nats(config: &str) -> Server {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("nats.conf");
    fs::write(&file, config).expect("written");
    servers::nats_with(&["-c", &file.display().to_string()])
}

/// A claim as NATS signs them (JWT with `ed25519-nkey`).
fn signed(issuer: &KeyPair, subject: &KeyPair, name: &str, nats: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let claims = json!({
        "jti": name, "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(), "name": name,
        "nats": nats,
    });
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let signature = issuer.sign(message.as_bytes()).expect("signed");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A server whose operator, account and user are known by signatures alone; and the user's credentials file.
fn nats_with_jwt() -> (Server, String) {
    let (operator, system) = (KeyPair::new_operator(), KeyPair::new_account());
    let (account, user) = (KeyPair::new_account(), KeyPair::new_user());
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
    });
    let mut with_jetstream = limits.clone();
    for name in ["mem_storage", "disk_storage", "streams", "consumer"] {
        with_jetstream[name] = json!(-1);
    }
    let account_claims = |limits: &Value| json!({"limits": limits, "default_permissions": {"pub": {}, "sub": {}}, "type": "account", "version": 2});
    let operators = json!({"type": "operator", "version": 2, "system_account": system.public_key()});
    let users =
        json!({"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2});
    let config = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{}: {}\n{}: {}\n}}\n",
        signed(&operator, &operator, "operator", &operators),
        system.public_key(),
        system.public_key(),
        signed(&operator, &system, "system", &account_claims(&limits)),
        account.public_key(),
        signed(&operator, &account, "strata", &account_claims(&with_jetstream)),
    );
    let credentials = format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        signed(&account, &user, "user", &users),
        user.seed().expect("a seed"),
    );
    (nats(&config), credentials)
}

/// The servers of a cluster with certificates, and what the roles need for them.
struct Certified {
    ours: Authority,
    redis: Server,
    postgres: Server,
    user: User,
}

impl Certified {
    fn start() -> Self {
        let ours = Authority::new();
        let redis = servers::redis_of(&ours, true, &[]);
        let postgres = servers::postgres_of_clients(&ours);
        Self { ours, redis, postgres, user: User::new() }
    }

    /// The environment of both roles, with a login of the test's choice for NATS.
    fn environment(&self, nats: &[(&'static str, String)]) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.ours.file(name);
        let archive = format!(
            "postgres://strata@127.0.0.1:{}/strata?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
            self.postgres.port,
            file("ca.pem"),
            file("client.pem"),
            file("client.key")
        );
        let mut environment = vec![
            ("STRATA_REDIS", format!("rediss://127.0.0.1:{}", self.redis.port)),
            ("STRATA_REDIS_CACERT", file("ca.pem")),
            ("STRATA_REDIS_CERT", file("client.pem")),
            ("STRATA_REDIS_KEY", file("client.key")),
            ("STRATA_ARCHIVE", archive),
        ];
        environment.extend(nats.iter().cloned());
        environment
    }

    /// A sweep through both roles.
    fn works(&self, nats: &[(&'static str, String)], host: &str) {
        let environment = self.environment(nats);
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let coordinator =
            self.user.role_with(&["coordinator", "--listen", &listen], Some(port), &environment);
        let worker = self.user.role_with(&["worker"], None, &environment);
        let sweep = self.user.run(&["sweep", host, "--server", &format!("http://{listen}")]);
        assert_eq!(sweep.code, 0, "{nats:?}: {}\n{}\n{}", sweep.err, coordinator.log(), worker.log());
    }

    /// One role is refused, in one sentence.
    fn refused(&self, role: &str, environment: &[(&'static str, String)], says: &str) {
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let listen = format!("127.0.0.1:{}", free_port());
        let args: &[&str] =
            if role == "coordinator" { &["coordinator", "--listen", &listen] } else { &["worker"] };
        let run = run_with(&self.user, args, &environment);
        run.expect(2, &[says]);
        assert_eq!(run.err.lines().filter(|line| line.starts_with("error")).count(), 1, "{}", run.err);
    }
}

#[test]
fn nkeys_jwts_and_client_certificates_let_in_and_nothing_else_does() {
    if skipped("logins without passwords") {
        return;
    }
    let runtime = runtime();
    let plan = Plan { repositories: 1, ..Plan::demo() };
    let registry =
        runtime.block_on(Registry::start(Synthetic::new(plan), Options::default())).expect("a registry");
    let (certified, host) = (Certified::start(), registry.host());
    let write = |name: &str, text: &str| {
        let file = certified.user.home.path().join(name);
        fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let stranger = KeyPair::new_user().seed().expect("a seed");
    let stranger = write("stranger.seed", &stranger);

    let (with_jwt, credentials) = nats_with_jwt();
    let url =
        |scheme: &str, server: &Server| ("STRATA_NATS", format!("{scheme}://127.0.0.1:{}", server.port));
    let credentials = write("user.creds", &credentials);
    certified.works(&[url("nats", &with_jwt), ("STRATA_NATS_CREDS", credentials)], &host);
    let without = certified.environment(&[url("nats", &with_jwt)]);
    certified.refused("worker", &without, "NATS");

    let user = KeyPair::new_user();
    let with_nkey = nats(&format!("authorization: {{users: [{{nkey: {}}}]}}\n", user.public_key()));
    let seed = write("user.seed", &format!("{}\n", user.seed().expect("a seed")));
    certified.works(&[url("nats", &with_nkey), ("STRATA_NATS_NKEY", seed)], &host);
    let wrong = certified.environment(&[url("nats", &with_nkey), ("STRATA_NATS_NKEY", stranger)]);
    certified.refused("coordinator", &wrong, "NATS");

    let file = |name: &str| certified.ours.file(name);
    let with_certificates = servers::nats_with(&[
        "--tlsverify",
        "--tlscert",
        &file("server.pem"),
        "--tlskey",
        &file("server.key"),
        "--tlscacert",
        &file("ca.pem"),
    ]);
    let mut login = vec![url("tls", &with_certificates), ("STRATA_NATS_CACERT", file("ca.pem"))];
    let without = certified.environment(&login);
    certified.refused("worker", &without, "NATS");
    login.extend([("STRATA_NATS_CERT", file("client.pem")), ("STRATA_NATS_KEY", file("client.key"))]);
    certified.works(&login, &host);

    // Redis and PostgreSQL without the client's certificate.
    let mut bare = certified.environment(&login);
    bare.retain(|(name, _)| !name.starts_with("STRATA_REDIS_CERT") && !name.starts_with("STRATA_REDIS_KEY"));
    certified.refused("worker", &bare, "Redis");
    let mut bare = certified.environment(&login);
    let archive = bare.iter_mut().find(|(name, _)| *name == "STRATA_ARCHIVE").expect("an archive");
    archive.1 = archive.1.split("&sslcert").next().expect("a URL").to_owned();
    certified.refused("coordinator", &bare, "PostgreSQL");
}
