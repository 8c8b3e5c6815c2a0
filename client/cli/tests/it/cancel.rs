//! A scan that is cancelled stops: on every worker, in the middle of a layer.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use strata_loadtest::{
    content::{Arch, Plan, Synthetic},
    registry::{Faults, Options, Registry},
};

use crate::{
    cluster::{Cluster, runtime},
    observe::{ENVIRONMENT, address, get, samples, sum},
    servers::skipped,
};

/// Far less than the layers of this registry take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Polls until it holds, for a bounded time.
fn until(what: &str, cluster: &Cluster, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not happen\n{}", cluster.logs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn cancelling_stops_the_downloads_of_every_worker() {
    if skipped("a cancelled sweep of a cluster") {
        return;
    }
    let cluster = Cluster::start_with(2, &ENVIRONMENT);
    let runtime = runtime();
    let plan = Plan { repositories: 2, ..Plan::demo() };
    // A second for a manifest, more than a minute for a layer.
    let faults = Faults { bandwidth: Some(1_000), ..Faults::default() };
    let registry = runtime
        .block_on(Registry::start(Synthetic::new(plan.clone()), Options { faults, ..Options::default() }))
        .expect("a registry");
    let expected = Synthetic::new(plan).expected(Arch::Amd64).expect("the truth");
    let layers: BTreeSet<String> =
        expected.images.iter().flat_map(|image| &image.layers).map(ToString::to_string).collect();
    let server = cluster.url();
    let detached = cluster.user.run(&["sweep", &registry.host(), "--detach", "--server", &server]);
    detached.expect(0, &[]);
    let scan = detached.out.trim();
    let workers: Vec<String> = cluster.workers.iter().map(address).collect();
    let measured = |worker: &str| samples(&runtime.block_on(get(worker, "/metrics")).1);
    until("the download of some layers", &cluster, || {
        registry.blob_downloads().keys().filter(|blob| layers.contains(*blob)).count() > 2
    });
    let busy: f64 = workers.iter().map(|worker| measured(worker)["strata_jobs_running"]).sum();
    assert!(busy > 2.0, "{busy} jobs run");

    cluster.user.run(&["cancel", scan, "--server", &server]).expect(0, &["cancelled"]);
    until("the end of all jobs", &cluster, || {
        workers.iter().all(|worker| measured(worker)["strata_jobs_running"] == 0.0)
    });
    let dropped: f64 = workers
        .iter()
        .map(|worker| sum(&measured(worker), "strata_jobs_total{verb=\"index\",outcome=\"cancelled\""))
        .sum();
    assert!(dropped > 2.0, "{dropped} downloads were dropped");

    // What was dropped is free for the next who wants it.
    registry.set_faults(Faults::default());
    let (run, document) = cluster.user.json(&["sweep", &registry.host(), "--server", &server]);
    run.expect(0, &["completed"]);
    assert_eq!(document["summary"]["layers_analysed"], layers.len(), "{}", cluster.logs());
}
