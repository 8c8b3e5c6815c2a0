//! A client that knows several coordinators of one archive.

use std::time::Duration;

use strata_client::{
    Client,
    v1::{RegistryTarget, ScanState, SubmitRequest},
};
use strata_loadtest::{
    content::{Arch, Plan, Synthetic},
    registry::{Faults, Options, Registry},
};

use crate::{
    cluster::{Cluster, runtime, watch_to_the_end},
    servers::{free_port, skipped},
};

#[test]
fn a_client_of_two_coordinators_loses_one_and_no_event() {
    if skipped("a coordinator that dies while a client watches") {
        return;
    }
    let mut cluster = Cluster::start(1);
    let other = cluster.another_coordinator();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let both = format!("{nobody},{}, http://127.0.0.1:{}", cluster.url(), other.port);
    let runtime = runtime();
    let plan = Plan { repositories: 6, ..Plan::demo() };
    // Slow enough that it dies in the middle.
    let faults = Faults { latency: Duration::from_millis(30), ..Faults::default() };
    let registry = runtime
        .block_on(Registry::start(Synthetic::new(plan.clone()), Options { faults, ..Options::default() }))
        .expect("a registry");
    let expected = Synthetic::new(plan).expected(Arch::Amd64).expect("the truth");
    runtime.block_on(async {
        let mut client = Client::connect(&both).await.expect("one of them answers");
        let target = RegistryTarget { host: registry.host(), ..RegistryTarget::default() };
        let request = SubmitRequest { registry: Some(target), ..SubmitRequest::default() };
        let scan = client.submit(request.clone()).await.expect("it is accepted");
        let mut alive = true;
        let watched = watch_to_the_end(&client, &scan, |done| {
            if done >= 3 && alive {
                alive = false;
                cluster.coordinator.kill();
            }
        });
        let (reported, finished) = watched.await;
        assert_eq!(finished.state(), ScanState::Completed, "{}\n{}", cluster.logs(), other.log());
        assert_eq!(reported.len() as u64, expected.references - expected.skipped);
        // Calls go to the one that is left, and each submission is one scan.
        client.submit(request).await.expect("it is accepted");
        assert_eq!(client.list_scans(10, "").await.expect("listed").len(), 2);
        let stranger = Client::connect(&nobody).await.expect_err("nobody is there");
        assert!(stranger.to_string().contains(&nobody), "{stranger}");
    });
    let list = cluster.user.run(&["sweeps", "--server", &both]);
    list.expect(0, &["completed", &registry.host()]);
}
