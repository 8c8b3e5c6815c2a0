//! Arguments of the roles: coordinator, worker, and both in one process.

use std::{path::PathBuf, time::Duration};

use clap::Args as Group;
use strata_coordinator::drive::Retention;
use strata_worker::dispatch;

use super::{
    java_index::JavaIndexArgs, layers::LayerArgs, queue::QueueArgs, registry::RegistryArgs,
    webhook::WebhookArgs,
};

/// The cluster's servers.
#[derive(Debug, Clone, Group)]
pub struct ClusterArgs {
    /// NATS server with JetStream.
    #[arg(long, env = "STRATA_NATS", value_name = "URL")]
    pub nats: String,
    /// Credentials file for NATS (a JWT and its seed, as `nsc` writes it).
    #[arg(long, env = "STRATA_NATS_CREDS", value_name = "FILE", conflicts_with = "nats_nkey")]
    pub nats_creds: Option<PathBuf>,
    /// File with the seed of an nkey for NATS.
    #[arg(long, env = "STRATA_NATS_NKEY", value_name = "FILE")]
    pub nats_nkey: Option<PathBuf>,
    /// Authorities (PEM) that NATS' certificate may come from, beside the system's.
    #[arg(long, env = "STRATA_NATS_CACERT", value_name = "FILE")]
    pub nats_cacert: Option<PathBuf>,
    /// Client certificate for NATS (PEM).
    #[arg(long, env = "STRATA_NATS_CERT", value_name = "FILE", requires = "nats_key")]
    pub nats_cert: Option<PathBuf>,
    /// Key of the client certificate for NATS (PEM).
    #[arg(long, env = "STRATA_NATS_KEY", value_name = "FILE", requires = "nats_cert")]
    pub nats_key: Option<PathBuf>,
    /// Redis server (`rediss://` for TLS).
    #[arg(long, env = "STRATA_REDIS", value_name = "URL")]
    pub redis: String,
    /// Authorities (PEM) that Redis' certificate must come from, instead of the system's.
    #[arg(long, env = "STRATA_REDIS_CACERT", value_name = "FILE")]
    pub redis_cacert: Option<PathBuf>,
    /// Client certificate for Redis (PEM).
    #[arg(long, env = "STRATA_REDIS_CERT", value_name = "FILE", requires = "redis_key")]
    pub redis_cert: Option<PathBuf>,
    /// Key of the client certificate for Redis (PEM).
    #[arg(long, env = "STRATA_REDIS_KEY", value_name = "FILE", requires = "redis_cert")]
    pub redis_key: Option<PathBuf>,
    /// File with the key under which values in Redis are tagged; a second one is the key before it (repeatable).
    #[arg(long, env = "STRATA_CLUSTER_KEY", value_name = "FILE", value_delimiter = ',')]
    pub cluster_key: Vec<PathBuf>,
}

/// How gRPC is served, and to whom.
#[derive(Debug, Clone, Group)]
pub struct ServeArgs {
    /// Address to serve gRPC on. Without tokens or an OIDC issuer it must be loopback.
    #[arg(long, env = "STRATA_LISTEN", default_value = "127.0.0.1:7400", value_name = "ADDRESS")]
    pub listen: String,
    /// Certificate of the server and those between it and its authority (PEM): serve TLS.
    #[arg(long, env = "STRATA_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the certificate (PEM).
    #[arg(long, env = "STRATA_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Authorities of clients (PEM): only clients with a certificate of theirs are let in.
    #[arg(long, env = "STRATA_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// Serve any address though no token was made yet: until then everybody who reaches it may do everything.
    #[arg(long, env = "STRATA_ALLOW_ANONYMOUS")]
    pub allow_anonymous: bool,
    /// File with an administrator's token that is made at the start where it is none yet: the first one of a cluster.
    #[arg(long, env = "STRATA_BOOTSTRAP_TOKEN_FILE", value_name = "FILE")]
    pub bootstrap_token_file: Option<PathBuf>,
    /// Accept JWTs of this OIDC issuer (`iss`).
    #[arg(long, env = "STRATA_OIDC_ISSUER", value_name = "URL", requires = "oidc_audience")]
    pub oidc_issuer: Option<String>,
    /// What JWTs must be for (`aud`).
    #[arg(long, env = "STRATA_OIDC_AUDIENCE", value_name = "TEXT", requires = "oidc_issuer")]
    pub oidc_audience: Option<String>,
    /// The issuer's keys; default: where its discovery document says.
    #[arg(long, env = "STRATA_OIDC_JWKS", value_name = "FILE|URL", requires = "oidc_issuer")]
    pub jwks: Option<String>,
    /// Authorities (PEM) that an issuer's certificate may come from, beside the system's.
    #[arg(long, env = "STRATA_OIDC_CACERT", value_name = "FILE")]
    pub oidc_cacert: Option<PathBuf>,
    /// Claim whose words allow something.
    #[arg(long, env = "STRATA_OIDC_CLAIM", value_name = "NAME", default_value = "scope")]
    pub oidc_claim: String,
    /// What a word of the claim allows (repeatable); default: strata:read=read, strata:scan=scan, strata:admin=admin.
    #[arg(long, value_name = "WORD=SCOPE[,SCOPE][@HOST[/REPOSITORY]]")]
    pub oidc_grant: Vec<String>,
}

/// What the archive keeps.
#[derive(Debug, Clone, Group)]
pub struct KeepArgs {
    /// Days that a scan is kept with its events; 0: for ever.
    #[arg(long, env = "STRATA_KEEP_DAYS", default_value_t = 90, value_name = "DAYS")]
    pub keep_days: u32,
    /// Scans that are kept, the newest; 0: any number.
    #[arg(long, env = "STRATA_KEEP_SCANS", default_value_t = 0, value_name = "N")]
    pub keep_scans: u32,
    /// Days that the newest report of an image is kept when no scan that is kept refers to it; 0: for ever.
    #[arg(long, env = "STRATA_KEEP_LATEST_DAYS", default_value_t = 400, value_name = "DAYS")]
    pub keep_latest_days: u32,
    /// Days that a token is kept after it was revoked or expired; 0: for ever.
    #[arg(long, env = "STRATA_KEEP_TOKEN_DAYS", default_value_t = 90, value_name = "DAYS")]
    pub keep_token_days: u32,
}

impl KeepArgs {
    /// As the coordinator takes it.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let (days, scans, latest_days) = (self.keep_days, self.keep_scans, self.keep_latest_days);
        Retention { days, scans, latest_days, token_days: self.keep_token_days, ..Retention::default() }
    }
}

/// What a role shows of itself.
#[derive(Debug, Clone, Group)]
pub struct ObserveArgs {
    /// Address to serve `/metrics`, `/healthz` and `/readyz` on; without it, none of them is served.
    #[arg(long, env = "STRATA_METRICS", value_name = "ADDRESS")]
    pub metrics: Option<String>,
}

/// Arguments of `strata coordinator`.
#[derive(Debug, Clone, Group)]
pub struct CoordinatorArgs {
    /// NATS and Redis.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// PostgreSQL (`postgres://…`), or `sqlite:FILE`.
    #[arg(long, env = "STRATA_ARCHIVE", value_name = "URL")]
    pub archive: String,
    /// How gRPC is served.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Registries' notifications.
    #[command(flatten)]
    pub webhooks: WebhookArgs,
    /// Metrics and health.
    #[command(flatten)]
    pub observe: ObserveArgs,
    /// Advisory database to publish to the workers, at the start unless a newer one is published, and whenever the
    /// file is replaced; default: the default location, where there is one.
    #[arg(long, env = "STRATA_DB", value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// Largest database that is accepted, in MiB.
    #[arg(long, env = "STRATA_DB_MAX_MIB", default_value_t = 256, value_name = "MIB")]
    pub db_max_mib: u64,
    /// What is kept.
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Limits of the queue.
    #[command(flatten)]
    pub queue: QueueArgs,
}

/// Arguments of `strata worker`.
#[derive(Debug, Clone, Group)]
pub struct WorkerArgs {
    /// NATS and Redis.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Advisory database of this machine, where it is the one that a scan is pinned to; others are fetched from the
    /// coordinator's.
    #[arg(long, env = "STRATA_DB", value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// Jobs at once; default: two for each core, and two.
    #[arg(long, env = "STRATA_SLOTS", value_name = "N")]
    pub slots: Option<usize>,
    /// Workers that may die of one job before it is given up as poison; the last of them does nothing else meanwhile.
    #[arg(long, env = "STRATA_MAX_EXECUTIONS", default_value_t = 3, value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=100))]
    pub max_executions: u64,
    /// The same where workers start again all the time: they die of something else then.
    #[arg(long, env = "STRATA_CHURN_EXECUTIONS", default_value_t = 9, value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub churn_executions: u64,
    /// Starts of workers within ten minutes, less ends in good order, from which on that is so.
    #[arg(long, env = "STRATA_CHURN_STARTS", default_value_t = 15, value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..))]
    pub churn_starts: u64,
    /// Seconds that running jobs may go on after SIGTERM, before they are handed back; what stops the worker should wait 15 more.
    #[arg(long, env = "STRATA_DRAIN_SECONDS", default_value_t = 60, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub drain_seconds: u64,
    /// Days that an inventory that nobody uses stays in Redis.
    #[arg(long, env = "STRATA_INVENTORY_DAYS", default_value_t = 30, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub inventory_days: u32,
    /// Largest file of a layer that is analysed, in MiB; a larger one is a problem on its reports. A part of the analysis: workers
    /// that differ in it have inventories of their own.
    #[arg(long, env = "STRATA_MAX_FILE_MIB", default_value_t = 2_048, value_name = "MIB",
        value_parser = clap::value_parser!(u64).range(16..=65_536))]
    pub max_file_mib: u64,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Metrics and health.
    #[command(flatten)]
    pub observe: ObserveArgs,
    /// The index of Java archives.
    #[command(flatten)]
    pub java: JavaIndexArgs,
    /// How layers are read.
    #[command(flatten)]
    pub layers: LayerArgs,
}

impl WorkerArgs {
    /// As the worker takes them.
    #[must_use]
    pub fn dispatch(&self) -> dispatch::Config {
        let default = dispatch::Config::default();
        dispatch::Config {
            slots: self.slots.unwrap_or(default.slots),
            poison: dispatch::Poison {
                executions: self.max_executions,
                churn_starts: self.churn_starts,
                churn_executions: self.churn_executions,
            },
            drain: Duration::from_secs(self.drain_seconds),
        }
    }
}

/// Arguments of `strata server`.
#[derive(Debug, Clone, Group)]
pub struct ServerArgs {
    /// How gRPC is served.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Advisory database to use.
    #[arg(long, env = "STRATA_DB", value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// Where inventories and reports are kept between runs.
    #[arg(long, env = "STRATA_CACHE_DIR", value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Size of that directory's inventories, in GiB, above which the ones that were not used for longest go.
    #[arg(long, env = "STRATA_CACHE_GIB", default_value_t = 10, value_name = "GIB")]
    pub cache_gib: u64,
    /// What is kept.
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Registries' notifications.
    #[command(flatten)]
    pub webhooks: WebhookArgs,
    /// Metrics and health.
    #[command(flatten)]
    pub observe: ObserveArgs,
    /// The index of Java archives.
    #[command(flatten)]
    pub java: JavaIndexArgs,
    /// How layers are read.
    #[command(flatten)]
    pub layers: LayerArgs,
}
