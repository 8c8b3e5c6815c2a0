//! Workers of two analyses beside each other on one queue, as during an upgrade.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::{Duration, Instant},
};

use strata_client::{
    Client,
    v1::{self, RegistryTarget, ScanState, SubmitRequest},
};
use strata_loadtest::{
    content::{Arch, Expected, Plan, Synthetic},
    registry::{Faults, Options, Registry},
};

use crate::{
    cluster::{Cluster, runtime, watch_to_the_end},
    servers::{Server, output, skipped},
};

/// A limit is a part of the analysis.
const NEWER: (&str, &str) = ("STRATA_MAX_FILE_MIB", "1024");

/// Images of more than twenty layers, none of which a worker can have whole by chance.
fn plan(seed: u64) -> Plan {
    let layers = Plan { vendor_layers: 11, app_layers: 9, bases: 2, ..Plan::scaled(10, 2 << 10) };
    Plan { seed, repositories: 3, tags_per_repository: 3, ..layers }
}

fn worker(cluster: &Cluster, environment: &[(&str, &str)]) -> Server {
    let [nats, redis, _] = &cluster.servers;
    let (nats, redis) =
        (format!("nats://127.0.0.1:{}", nats.port), format!("redis://127.0.0.1:{}", redis.port));
    let worker = cluster.user.role_with(&["worker", "--nats", &nats, "--redis", &redis], None, environment);
    worker.until("is ready");
    worker
}

/// Inventories in Redis by their analysis.
fn inventories(cluster: &Cluster) -> BTreeMap<String, u64> {
    let port = cluster.servers[1].port.to_string();
    let listed =
        output(Command::new("redis-cli").args(["-p", &port, "--scan", "--pattern", "strata:inventory:*"]));
    assert!(listed.status.success(), "redis-cli: {}", String::from_utf8_lossy(&listed.stderr));
    let mut counts = BTreeMap::new();
    for key in String::from_utf8_lossy(&listed.stdout).lines() {
        let (_, analysis) = key.rsplit_once(':').expect("a key");
        *counts.entry(analysis.to_owned()).or_default() += 1;
    }
    counts
}

struct Swept {
    finished: v1::ScanFinished,
    expected: Expected,
    /// Layers that were fetched, each as often as it was.
    fetched: u64,
}

/// Sweeps a registry of its own to the end, while something happens.
async fn sweep(cluster: &Cluster, seed: u64, during: impl AsyncFnOnce(&Registry)) -> Swept {
    let faults = Faults { latency: Duration::from_millis(20), ..Faults::default() };
    let options = Options { faults, ..Options::default() };
    let registry = Registry::start(Synthetic::new(plan(seed)), options).await.expect("a registry");
    let expected = Synthetic::new(plan(seed)).expected(Arch::Amd64).expect("the truth");
    assert!(expected.images.iter().all(|image| image.layers.len() > 20));
    let mut client = Client::connect(&cluster.url()).await.expect("it answers");
    let target = RegistryTarget { host: registry.host(), ..RegistryTarget::default() };
    let request = SubmitRequest { registry: Some(target), ..SubmitRequest::default() };
    let scan = client.submit(request).await.expect("it is accepted");
    let watched = watch_to_the_end(&client, &scan, |_| {});
    let ((reported, finished), ()) = tokio::join!(watched, during(&registry));
    assert_eq!(reported.len() as u64, expected.references - expected.skipped);
    let downloads = registry.blob_downloads();
    let layers: BTreeSet<_> =
        expected.images.iter().flat_map(|image| &image.layers).map(ToString::to_string).collect();
    let fetched = layers.iter().filter_map(|layer| downloads.get(layer)).sum();
    Swept { finished, expected, fetched }
}

/// Until so many blobs were fetched.
async fn until_fetched(registry: &Registry, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while registry.blob_downloads().values().sum::<u64>() < count {
        assert!(Instant::now() < deadline, "the sweep does not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Swept {
    fn judge(&self, cluster: &Cluster) {
        assert_eq!(self.finished.state(), ScanState::Completed, "{}", cluster.logs());
        let summary = self.finished.summary.clone().expect("a summary");
        let ledger = summary.ledger.expect("a ledger");
        assert_eq!(ledger.failed, [], "{ledger:?}");
        assert_eq!(ledger.reported, self.expected.references - self.expected.skipped);
        assert_eq!(summary.distinct_layers, summary.layers_analysed + summary.layers_reused);
    }
}

#[test]
fn an_upgrade_in_the_midst_of_a_sweep_loses_no_image() {
    if skipped("workers of two analyses") {
        return;
    }
    let mut cluster = Cluster::start(1);
    let mut old = cluster.workers.pop().expect("a worker");
    let (runtime, mut new) = (runtime(), None);
    // All images are pinned to the old one, which has begun with their layers when it has to go.
    let first = runtime.block_on(sweep(&cluster, 1, async |registry| {
        until_fetched(registry, 20).await;
        tokio::task::block_in_place(|| {
            old.signal("STOP");
            new = Some(worker(&cluster, &[NEWER]));
            old.signal("CONT");
            old.terminate();
        });
    }));
    cluster.workers.extend(new);
    first.judge(&cluster);
    let counts = inventories(&cluster);
    assert_eq!(counts.len(), 2, "both took part: {counts:?}");
    // What the old one was reading when it was stopped it finished.
    assert_eq!(counts.values().sum::<u64>(), first.fetched, "each analysis reads a layer once: {counts:?}");

    // Side by side from the beginning to the end.
    let back = worker(&cluster, &[]);
    cluster.workers.push(back);
    let second = runtime.block_on(sweep(&cluster, 2, async |_| {}));
    second.judge(&cluster);
    let after = inventories(&cluster);
    let more = after.values().sum::<u64>() - counts.values().sum::<u64>();
    assert_eq!(more, second.fetched, "each analysis reads a layer once: {counts:?} {after:?}");
}
