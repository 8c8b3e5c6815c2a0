//! What roles show of themselves: metrics, health, readiness, and log lines for machines.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;
use strata_loadtest::{
    content::{Plan, Synthetic},
    registry::{Options, Registry},
};

use crate::{
    cluster::Cluster,
    servers::{Server, skipped},
    strata::User,
};

pub(crate) const ENVIRONMENT: [(&str, &str); 3] = [
    ("STRATA_METRICS", "127.0.0.1:0"),
    ("STRATA_LOG_FORMAT", "json"),
    ("STRATA_LOG", "info,strata_worker=debug"),
];

/// Where a role serves its metrics: it says so when it starts.
pub(crate) fn address(role: &Server) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let log = role.log();
        let said = log.lines().find_map(|line| line.strip_prefix("serving metrics and health on "));
        if let Some(address) = said {
            return address.to_owned();
        }
        assert!(Instant::now() < deadline, "the role does not say where its metrics are: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) async fn get(address: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.expect("the role answers");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("a text"))
}

/// Samples of Prometheus' text form: name with labels → value.
pub(crate) fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("name and value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

pub(crate) fn sum(samples: &BTreeMap<String, f64>, start: &str) -> f64 {
    samples.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, value)| value).sum()
}

#[test]
fn roles_show_metrics_health_and_lines_for_machines() {
    if skipped("metrics of a cluster") {
        return;
    }
    crate::provider();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let plan = Plan { repositories: 1, ..Plan::demo() };
    let registry =
        runtime.block_on(Registry::start(Synthetic::new(plan), Options::default())).expect("a registry");
    let mut cluster = Cluster::start_with(1, &ENVIRONMENT);
    let detached = cluster.user.run(&["sweep", &registry.host(), "--detach", "--server", &cluster.url()]);
    detached.expect(0, &[]);
    let scan = detached.out.trim();
    let (run, document) = cluster.user.json(&["watch", scan, "--server", &cluster.url()]);
    run.expect(0, &[]);
    let (worker, coordinator) = (address(&cluster.workers[0]), address(&cluster.coordinator));
    let pages = runtime.block_on(async {
        assert_eq!(get(&worker, "/healthz").await.0, 200);
        assert_eq!(get(&worker, "/readyz").await, (200, "ready\n".to_owned()));
        assert_eq!(get(&coordinator, "/readyz").await, (200, "ready\n".to_owned()));
        (get(&worker, "/metrics").await.1, get(&coordinator, "/metrics").await.1)
    });
    let (worker_page, coordinator_page) = (samples(&pages.0), samples(&pages.1));
    let summary = &document["summary"];
    let analysed = worker_page["strata_layers_total{result=\"analysed\"}"];
    assert_eq!(Some(analysed), summary["layers_analysed"].as_f64(), "{worker_page:#?}");
    let images = document["images"].as_array().expect("images").len();
    assert_eq!(worker_page["strata_images_assessed_total"], images as f64);
    assert_eq!(sum(&worker_page, "strata_jobs_total{verb=\"index\",outcome=\"ok\""), analysed);
    assert_eq!(worker_page["strata_jobs_running"], 0.0);
    assert!(
        worker_page["strata_layer_bytes_total"] > 0.0 && worker_page["strata_database_age_seconds"] > 0.0
    );
    let requests = format!("strata_registry_requests_total{{host=\"{}\",status=\"200\"}}", registry.host());
    assert!(worker_page[&requests] > analysed, "{requests} in {worker_page:#?}");
    let reported = sum(&coordinator_page, "strata_references_total{outcome=\"reported\"");
    assert_eq!(Some(reported), summary["reported"].as_f64(), "{coordinator_page:#?}");
    assert_eq!(coordinator_page["strata_scans_total{state=\"SCAN_STATE_COMPLETED\"}"], 1.0);
    assert!(coordinator_page.contains_key("strata_queue_waiting{lane=\"sweep\"}"), "{coordinator_page:#?}");
    lines_for_machines(&cluster.workers[0], scan);
    // Without its servers a role lives, and says that it is not ready.
    cluster.servers[0].kill();
    runtime.block_on(not_ready(&worker, "NATS"));
    runtime.block_on(not_ready(&coordinator, "NATS"));
}

/// Polls: a role notices a server's end when its connection breaks.
async fn not_ready(address: &str, says: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (status, text) = get(address, "/readyz").await;
        if status == 503 {
            assert!(text.contains(says), "{text}");
            assert_eq!(get(address, "/healthz").await.0, 200, "it lives");
            return;
        }
        assert!(Instant::now() < deadline, "{address} is still ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every line of the log below is an object, and a line about a job names its scan.
fn lines_for_machines(worker: &Server, scan: &str) {
    let log = worker.log();
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of_jobs: Vec<&Value> =
        lines.iter().filter(|line| line["spans"].to_string().contains("\"job\"")).collect();
    assert!(!of_jobs.is_empty(), "no line is about a job: {log}");
    for line in of_jobs {
        assert!(line["spans"].to_string().contains(scan), "{line}");
    }
}

#[test]
fn a_server_of_both_roles_has_metrics_too() {
    crate::provider();
    let user = User::new();
    let port = crate::servers::free_port();
    let server =
        user.role_with(&["server", "--listen", &format!("127.0.0.1:{port}")], Some(port), &ENVIRONMENT);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (address, deadline) = (address(&server), Instant::now() + Duration::from_secs(30));
    // The first value appears with the coordinator's first tick.
    loop {
        let (status, page) = runtime.block_on(get(&address, "/metrics"));
        assert_eq!(status, 200);
        if samples(&page).contains_key("strata_scans_running") {
            return;
        }
        assert!(Instant::now() < deadline, "no value appears: {page}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
