//! The same work as a cluster of processes on real NATS, Redis, PostgreSQL and a real registry.

use std::{collections::BTreeSet, process::Command, time::Duration};

use futures::StreamExt as _;
use strata_client::{
    Client,
    v1::{self, ScanState, event::Kind},
};
use strata_loadtest::{
    content::{Arch, Plan, Synthetic},
    registry::{Faults, Options, Registry},
};

use crate::{
    servers::{self, Server, free_port, skipped},
    strata::{User, images},
};

/// A coordinator and workers with their servers.
pub(crate) struct Cluster {
    // Dropped first: the roles before their servers.
    pub(crate) workers: Vec<Server>,
    pub(crate) coordinator: Server,
    /// NATS, Redis, PostgreSQL.
    pub(crate) servers: [Server; 3],
    pub(crate) user: User,
}

impl Cluster {
    pub(crate) fn start(workers: usize) -> Self {
        Self::start_with(workers, &[])
    }

    /// With more in the roles' environment.
    pub(crate) fn start_with(workers: usize, environment: &[(&str, &str)]) -> Self {
        Self::start_as(User::new(), None, workers, environment)
    }

    /// With a user for the coordinator, and another one for the workers, whose home is another machine's.
    pub(crate) fn start_as(
        user: User,
        others: Option<&User>,
        workers: usize,
        environment: &[(&str, &str)],
    ) -> Self {
        let (nats, redis, postgres) = (servers::nats(), servers::redis(), servers::postgres());
        let (nats_url, redis_url) = (url("nats", &nats), url("redis", &redis));
        let coordinator = start_coordinator(&user, [&nats, &redis, &postgres], environment);
        let workers = (0..workers)
            .map(|_| {
                others.unwrap_or(&user).role_with(
                    &["worker", "--nats", &nats_url, "--redis", &redis_url],
                    None,
                    environment,
                )
            })
            .collect();
        Self { workers, coordinator, servers: [nats, redis, postgres], user }
    }

    /// One more coordinator, which stands by.
    pub(crate) fn another_coordinator(&self) -> Server {
        let [nats, redis, postgres] = &self.servers;
        start_coordinator(&self.user, [nats, redis, postgres], &[])
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.coordinator.port)
    }

    /// Asks the roles to end, and waits until they have.
    pub(crate) fn stop_roles(mut self) {
        for role in self.workers.iter_mut().chain([&mut self.coordinator]) {
            role.terminate();
        }
    }

    pub(crate) fn logs(&self) -> String {
        let workers: Vec<String> = self.workers.iter().map(Server::log).collect();
        format!("coordinator:\n{}\nworkers:\n{}", self.coordinator.log(), workers.join("\n--\n"))
    }
}

fn start_coordinator(
    user: &User,
    [nats, redis, postgres]: [&Server; 3],
    environment: &[(&str, &str)],
) -> Server {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let archive = format!("postgres://strata@127.0.0.1:{}/strata", postgres.port);
    let (nats, redis) = (url("nats", nats), url("redis", redis));
    let args =
        ["coordinator", "--nats", &nats, "--redis", &redis, "--archive", &archive, "--listen", &listen];
    user.role_with(&args, Some(port), environment)
}

fn url(scheme: &str, server: &Server) -> String {
    format!("{scheme}://127.0.0.1:{}", server.port)
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    crate::provider();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

#[test]
fn a_cluster_says_what_embedded_mode_says() {
    if skipped("a cluster of processes") {
        return;
    }
    let cluster = Cluster::start(2);
    let runtime = runtime();
    let synthetic = runtime
        .block_on(Registry::start(Synthetic::new(Plan::demo()), Options::default()))
        .expect("a registry");
    let real = servers::registry();
    let expected = Synthetic::new(Plan::demo()).expected(Arch::Amd64).expect("the truth");
    // A real registry, filled by a real client.
    let copied: Vec<_> = expected.images.iter().take(6).collect();
    for image in &copied {
        let name = format!("{}:{}", image.repository, image.tags[0]);
        let (from, to) = (
            format!("docker://{}/{name}", synthetic.host()),
            format!("docker://127.0.0.1:{}/{name}", real.port),
        );
        let copy = Command::new("skopeo")
            .args(["copy", "-q", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to])
            .output()
            .expect("install Debian's package skopeo");
        assert!(copy.status.success(), "skopeo {name}: {}", String::from_utf8_lossy(&copy.stderr));
    }
    for (host, count) in
        [(format!("127.0.0.1:{}", real.port), copied.len()), (synthetic.host(), expected.images.len())]
    {
        let (run, embedded) = User::new().json(&["sweep", &host]);
        run.expect(0, &["completed"]);
        synthetic.reset_counts();
        let (run, first) = cluster.user.json(&["sweep", &host, "--server", &cluster.url()]);
        assert_eq!(run.code, 0, "{}\n{}", run.err, cluster.logs());
        assert_eq!(images(&embedded).len(), count, "{host}");
        assert_eq!(images(&embedded), images(&first), "the reports are the same in both modes");
        // What the cluster knows from the first registry is not fetched from the second.
        let layers: BTreeSet<String> =
            expected.images.iter().flat_map(|image| &image.layers).map(ToString::to_string).collect();
        let downloads = synthetic.blob_downloads();
        let fetched: Vec<u64> = layers.iter().filter_map(|layer| downloads.get(layer)).copied().collect();
        assert!(fetched.iter().all(|count| *count == 1), "a layer was fetched twice: {downloads:?}");
        if host == synthetic.host() {
            assert_eq!(first["summary"]["layers_analysed"], fetched.len());
        }
        synthetic.reset_counts();
        let (run, second) = cluster.user.json(&["sweep", &host, "--server", &cluster.url()]);
        run.expect(0, &[]);
        assert_eq!(images(&first), images(&second));
        assert_eq!(second["summary"]["layers_analysed"], 0, "nothing is analysed twice");
        assert!(synthetic.blob_downloads().is_empty(), "a second sweep fetches no blob");
    }
    commands_of_a_server(&cluster, &synthetic.host());
}

/// `sweeps`, `watch`, `report`, `cancel`, and what they say of an id that does not exist.
fn commands_of_a_server(cluster: &Cluster, host: &str) {
    let (user, server) = (&cluster.user, cluster.url());
    let list = user.run(&["sweeps", "--server", &server]);
    list.expect(0, &["completed", host]);
    let detached = user.run(&["sweep", host, "--detach", "--server", &server]);
    detached.expect(0, &[]);
    let id = detached.out.trim();
    user.run(&["watch", id, "--server", &server]).expect(0, &["completed in"]);
    user.run(&["watch", id, "--server", &server, "--after", "3"]).expect(0, &["completed in"]);
    user.run(&["cancel", id, "--server", &server]).expect(0, &["is completed"]);
    let found = user.run(&["report", "search", "--package", "lodash", "--server", &server]);
    found.expect(0, &["reports"]);
    user.run(&["watch", "nosuchscan", "--server", &server]).expect(2, &["nosuchscan"]);
    user.run(&["cancel", "nosuchscan", "--server", &server]).expect(2, &["nosuchscan"]);
    user.run(&["report", "show", "nosuchreport", "--server", &server]).expect(2, &["nosuchreport"]);
    user.run(&["scan", "./image.tar", "--server", &server]).expect(2, &["image.tar"]);
}

/// What a watcher sees of a scan: the references reported, and its end.
pub(crate) async fn watch_to_the_end(
    client: &Client,
    scan: &str,
    mut on_report: impl FnMut(usize),
) -> (BTreeSet<String>, v1::ScanFinished) {
    let mut events = client.watch(scan, 0, false);
    let (mut reported, mut last) = (BTreeSet::new(), 0);
    while let Some(event) = events.next().await {
        let event = event.expect("the stream goes on");
        if !matches!(event.kind, Some(Kind::Progress(_))) {
            assert_eq!(event.sequence, last + 1, "no gap and nothing twice");
            last = event.sequence;
        }
        match event.kind {
            Some(Kind::Reported(image)) => {
                for reference in image.references {
                    assert!(reported.insert(reference.clone()), "{reference} was reported twice");
                }
                on_report(reported.len());
            }
            Some(Kind::Failed(failed)) => panic!("{failed:?}"),
            Some(Kind::Finished(finished)) => return (reported, finished),
            _ => {}
        }
    }
    panic!("the stream ended before the scan did");
}

#[test]
fn a_worker_that_is_killed_loses_nothing() {
    if skipped("a killed worker") {
        return;
    }
    let mut cluster = Cluster::start(2);
    let runtime = runtime();
    let plan = Plan { repositories: 6, ..Plan::demo() };
    // Slow enough that the worker dies in the middle of its work.
    let faults = Faults { latency: Duration::from_millis(30), ..Faults::default() };
    let registry = runtime
        .block_on(Registry::start(Synthetic::new(plan.clone()), Options { faults, ..Options::default() }))
        .expect("a registry");
    let expected = Synthetic::new(plan).expected(Arch::Amd64).expect("the truth");
    let (reported, finished) = runtime.block_on(async {
        let mut client = Client::connect(&cluster.url()).await.expect("the coordinator answers");
        let target = v1::RegistryTarget { host: registry.host(), ..v1::RegistryTarget::default() };
        let request = v1::SubmitRequest { registry: Some(target), ..v1::SubmitRequest::default() };
        let scan = client.submit(request).await.expect("it is accepted");
        let mut victim = Some(cluster.workers.remove(0));
        watch_to_the_end(&client, &scan, |done| {
            if done >= 3
                && let Some(mut victim) = victim.take()
            {
                victim.kill();
            }
        })
        .await
    });
    assert_eq!(finished.state(), ScanState::Completed, "{}", cluster.logs());
    let ledger = finished.summary.and_then(|summary| summary.ledger).expect("a ledger");
    assert_eq!(
        (ledger.enumerated, ledger.reported),
        (expected.references, expected.references - expected.skipped)
    );
    assert_eq!(reported.len() as u64, ledger.reported);
}

#[test]
fn one_process_serves_clients_without_other_servers() {
    let (user, port) = (User::new(), free_port());
    let listen = format!("127.0.0.1:{port}");
    let server = user.role(&["server", "--listen", &listen], Some(port));
    let runtime = runtime();
    let plan = Plan { repositories: 2, ..Plan::demo() };
    let registry =
        runtime.block_on(Registry::start(Synthetic::new(plan), Options::default())).expect("a registry");
    let url = format!("http://{listen}");
    let (run, document) = User::without_database().json(&["sweep", &registry.host(), "--server", &url]);
    assert_eq!(run.code, 0, "{}\n{}", run.err, server.log());
    assert!(!images(&document).is_empty());
    // Health and reflection, as tools use them.
    runtime.block_on(async {
        let channel = tonic::transport::Endpoint::from_shared(url.clone())
            .expect("a URL")
            .connect()
            .await
            .expect("it answers");
        let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
        let request = tonic_health::pb::HealthCheckRequest { service: "strata.v1.Strata".to_owned() };
        let answer = health.check(request).await.expect("it is healthy").into_inner();
        assert_eq!(answer.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    });
}
