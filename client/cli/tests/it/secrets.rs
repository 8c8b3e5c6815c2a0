//! A cluster whose every connection is TLS with a login, and a registry that wants one too: it works, a wrong authority is
//! refused in one sentence, and no password or token is found anywhere afterwards.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use strata_loadtest::{
    content::{Plan, Synthetic},
    registry::{Auth, Login, Options, Registry},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::{
    access::{Authority, run_with},
    servers::{self, Server, free_port, skipped},
    strata::User,
};

/// Everything that spans said.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<String>>);

#[tonic::async_trait]
impl TraceService for Spans {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().expect("nobody panicked").push_str(&format!("{:?}", request.into_inner()));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

const REGISTRY: &str = "pl4nted-Registry-pw";
const NATS: &str = "pl4nted-nats-pw";
const REDIS: &str = "pl4nted-redis-pw";
const POSTGRES: &str = "pl4nted-postgres-pw";

struct Secure {
    authority: Authority,
    nats: Server,
    redis: Server,
    postgres: Server,
    user: User,
    environment: Vec<(&'static str, String)>,
}

impl Secure {
    #[expect(clippy::too_many_lines, reason = "three servers and their settings, one after the other")]
    fn start() -> Self {
        let authority = Authority::new();
        let (ca, certificate, key) =
            (authority.file("ca.pem"), authority.file("server.pem"), authority.file("server.key"));
        let nats = servers::nats_with(&[
            "--tls",
            "--tlscert",
            &certificate,
            "--tlskey",
            &key,
            "--user",
            "strata",
            "--pass",
            NATS,
        ]);
        let redis = servers::redis_of(
            &authority,
            false,
            &[
                "--rdbcompression",
                "no",
                "--user",
                "default",
                "off",
                "--user",
                "strata",
                "on",
                &format!(">{REDIS}"),
                "~*",
                "&*",
                "+@all",
            ],
        );
        let postgres =
            servers::postgres_with(POSTGRES, &authority.path("server.pem"), &authority.path("server.key"));
        let user = User::new();
        let write = |name: &str, text: &str| {
            let file = user.home.path().join(name);
            fs::write(&file, text).expect("written");
            file.display().to_string()
        };
        let (new, old) = (
            write("new.key", &"n3w-cluster-key.".repeat(4)),
            write("old.key", &"0ld-cluster-key.".repeat(4)),
        );
        let environment = vec![
            ("STRATA_NATS", format!("tls://strata:{NATS}@127.0.0.1:{}", nats.port)),
            ("STRATA_NATS_CACERT", ca.clone()),
            ("STRATA_REDIS", format!("rediss://strata:{REDIS}@127.0.0.1:{}", redis.port)),
            ("STRATA_REDIS_CACERT", ca.clone()),
            (
                "STRATA_ARCHIVE",
                format!(
                    "postgres://strata:{POSTGRES}@127.0.0.1:{}/strata?sslmode=verify-full&sslrootcert={ca}",
                    postgres.port
                ),
            ),
            ("STRATA_CLUSTER_KEY", format!("{new},{old}")),
            ("STRATA_TLS_CERT", certificate),
            ("STRATA_TLS_KEY", key),
            ("STRATA_CACERT", ca),
            ("STRATA_LOG", "trace".to_owned()),
        ];
        Self { authority, nats, redis, postgres, user, environment }
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// What Redis holds, uncompressed.
    fn redis_dump(&self) -> Vec<u8> {
        let file = self.redis.directory.path().join("dump");
        let port = self.redis.port.to_string();
        let dumped = Command::new("redis-cli")
            .args([
                "--tls",
                "--cacert",
                &self.authority.file("ca.pem"),
                "-p",
                &port,
                "--user",
                "strata",
                "--rdb",
            ])
            .arg(&file)
            .env("REDISCLI_AUTH", REDIS)
            .output()
            .expect("redis-cli runs");
        assert!(dumped.status.success(), "redis-cli: {}", String::from_utf8_lossy(&dumped.stderr));
        fs::read(file).expect("a dump")
    }

    fn postgres_dump(&self) -> Vec<u8> {
        let port = self.postgres.port.to_string();
        let dumped = Command::new(servers::newest_postgres().join("pg_dump"))
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "strata", "strata"])
            .env("PGPASSWORD", POSTGRES)
            .output()
            .expect("pg_dump runs");
        assert!(dumped.status.success(), "pg_dump: {}", String::from_utf8_lossy(&dumped.stderr));
        dumped.stdout
    }
}

/// Every file below a directory, one after the other.
fn files(directory: &Path, found: &mut Vec<u8>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.extend(fs::read(&path).unwrap_or_default());
        }
    }
}

/// Arguments of every process that is not one of the servers that the test itself gave passwords to.
fn arguments() -> Vec<u8> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line)
            .split('\0')
            .next()
            .is_some_and(|program| program.ends_with("strata"))
        {
            found.extend(line);
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: what went in is searched for wherever it may have come out"
)]
fn every_connection_is_tls_and_no_secret_is_found_afterwards() {
    if skipped("a cluster over TLS") {
        return;
    }
    let runtime = crate::cluster::runtime();
    let spans = Spans::default();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let otlp = format!("http://{}", listener.local_addr().expect("an address"));
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(spans.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let login = Login { user: "robot".to_owned(), password: REGISTRY.to_owned() };
    let auth = Auth::Bearer { login: Some(login), lifetime: Duration::from_secs(600), uses: None };
    let plan = Plan { repositories: 2, ..Plan::demo() };
    let registry = runtime
        .block_on(Registry::start(Synthetic::new(plan), Options { auth, ..Options::default() }))
        .expect("a registry");
    let mut secure = Secure::start();
    secure.environment.push(("OTEL_EXPORTER_OTLP_ENDPOINT", otlp));
    let basic = STANDARD.encode(format!("robot:{REGISTRY}"));
    let docker = secure.user.home.path().join(".docker");
    fs::create_dir(&docker).expect("a directory");
    let config = format!(r#"{{"auths":{{"{}":{{"auth":"{basic}"}}}}}}"#, registry.host());
    fs::write(docker.join("config.json"), config).expect("written");
    let (user, environment) = (&secure.user, secure.environment());

    let made = run_with(user, &["token", "create", "--name", "ci", "--scope", "read,scan"], &environment);
    let token = made.expect(0, &[]).out.trim().to_owned();
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let mut coordinator = user.role_with(&["coordinator", "--listen", &listen], Some(port), &environment);
    let mut worker = user.role_with(&["worker"], None, &environment);
    let url = format!("https://{listen}");
    let with_token = [&environment[..], &[("STRATA_TOKEN", token.as_str())]].concat();
    let mut command = user.command(&["sweep", &registry.host(), "--server", &url, "-vv"]);
    let sweep = command.envs(with_token.iter().copied()).stdout(std::process::Stdio::piped());
    let mut sweep = sweep.stderr(std::process::Stdio::piped()).spawn().expect("strata runs");
    // A process that was just started has no arguments for a moment.
    let mut running = arguments();
    while !holds(&running, "sweep") && sweep.try_wait().expect("it can be asked").is_none() {
        running = arguments();
    }
    let swept = sweep.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&[swept.stdout, swept.stderr].concat()).into_owned();
    assert!(swept.status.success(), "{said}\n{}\n{}", coordinator.log(), worker.log());
    assert!(said.contains("completed"), "{said}");
    let redis = secure.redis_dump();
    coordinator.terminate();
    worker.terminate();

    let mut queue = Vec::new();
    files(secure.nats.directory.path(), &mut queue);
    let postgres = secure.postgres_dump();
    let spans = spans.0.lock().expect("nobody panicked").clone();
    assert!(holds(&queue, "strata.jobs") || holds(&queue, "STRATA_JOBS"), "the queue's files were found");
    assert!(holds(&redis, "strata:inventory:") && holds(&redis, "seal\x01"), "values in Redis have tags");
    assert!(holds(&postgres, "COPY public.scans") && holds(&postgres, "COPY public.tokens"));
    assert!(spans.contains("submit"), "the spans were found: {spans}");
    assert!(holds(&running, "sweep"), "the arguments were found: {}", String::from_utf8_lossy(&running));
    let logs = format!("{}\n{}", coordinator.log(), worker.log());
    assert!(logs.contains("TRACE"), "the logs hold everything there is");
    let secret = token.rsplit('_').next().expect("a secret");
    for text in [REGISTRY, &basic, NATS, REDIS, POSTGRES, secret, "n3w-cluster-key", "0ld-cluster-key"] {
        let hexed: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        for (place, bytes) in [
            ("arguments", &running),
            ("the command's output", &said.clone().into_bytes()),
            ("logs", &logs.clone().into_bytes()),
            ("spans", &spans.clone().into_bytes()),
            ("NATS", &queue),
            ("Redis", &redis),
            ("PostgreSQL", &postgres),
        ] {
            assert!(!holds(bytes, text) && !holds(bytes, &hexed), "{text} is found in {place}");
        }
    }
}

#[test]
fn a_wrong_authority_or_login_is_refused_in_one_sentence() {
    if skipped("servers over TLS") {
        return;
    }
    let secure = Secure::start();
    let stranger = Authority::new();
    let other = stranger.file("ca.pem");
    let archive = secure.environment.iter().find(|(name, _)| *name == "STRATA_ARCHIVE").expect("an archive");
    let wrong_archive =
        archive.1.replace(&secure.authority.file("ca.pem"), &secure.authority.file("client.pem"));
    let nats = format!("tls://strata:wr0ng@127.0.0.1:{}", secure.nats.port);
    let redis = format!("rediss://strata:wr0ng@127.0.0.1:{}", secure.redis.port);
    for (role, name, value, says) in [
        ("coordinator", "STRATA_NATS_CACERT", other.as_str(), "NATS"),
        ("worker", "STRATA_NATS_CACERT", &other, "NATS"),
        ("worker", "STRATA_NATS", &nats, "NATS"),
        ("coordinator", "STRATA_ARCHIVE", &wrong_archive, "PostgreSQL"),
        ("coordinator", "STRATA_REDIS_CACERT", &other, "Redis"),
        ("worker", "STRATA_REDIS_CACERT", &other, "certificate"),
        ("worker", "STRATA_REDIS", &redis, "Redis"),
        (
            "worker",
            "STRATA_REDIS_CACERT",
            &secure.authority.file("ca.key"),
            "ca.key holds no PEM CERTIFICATE",
        ),
        ("worker", "STRATA_CLUSTER_KEY", &other.replace("ca.pem", "nothing"), "nothing"),
    ] {
        let mut environment = secure.environment();
        environment.retain(|(known, _)| *known != "STRATA_LOG");
        environment.push((name, value));
        let listen = format!("127.0.0.1:{}", free_port());
        let args: &[&str] =
            if role == "coordinator" { &["coordinator", "--listen", &listen] } else { &[role] };
        let run = run_with(&secure.user, args, &environment);
        run.expect(2, &[says]);
        let errors: Vec<&str> = run.err.lines().filter(|line| line.starts_with("error")).collect();
        assert_eq!(errors.len(), 1, "{}", run.err);
        assert!(
            !run.err.contains("wr0ng") && !run.err.contains(NATS) && !run.err.contains(POSTGRES),
            "{}",
            run.err
        );
    }
}
