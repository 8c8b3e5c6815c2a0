//! Who comes later does not wait for who came first; and whoever waits for nobody is told.

use std::time::Duration;

use futures::StreamExt as _;
use strata_client::{
    Client,
    v1::{RegistryTarget, ScanState, SubmitRequest, event::Kind},
};
use strata_loadtest::{
    content::{Arch, Plan, Synthetic},
    registry::{Faults, Options, Registry},
};

use crate::{
    cluster::{Cluster, runtime, watch_to_the_end},
    servers::skipped,
};

fn sweep(registry: &Registry) -> SubmitRequest {
    let target = RegistryTarget { host: registry.host(), ..RegistryTarget::default() };
    SubmitRequest { registry: Some(target), ..SubmitRequest::default() }
}

#[test]
fn a_small_sweep_and_one_image_do_not_wait_for_a_large_sweep() {
    if skipped("a small sweep beside a large one") {
        return;
    }
    let cluster = Cluster::start(1);
    let runtime = runtime();
    // What waits in the queue, some hundreds of small jobs, comes before whoever comes later.
    let large_plan = Plan { repositories: 400, ..Plan::demo() };
    let small_plan = Plan { repositories: 1, seed: 2032, ..Plan::demo() };
    let faults = Faults { latency: Duration::from_millis(10), ..Faults::default() };
    let (large, small) = runtime.block_on(async {
        let start = |plan: &Plan| {
            let options = Options { faults: faults.clone(), ..Options::default() };
            Registry::start(Synthetic::new(plan.clone()), options)
        };
        (start(&large_plan).await.expect("a registry"), start(&small_plan).await.expect("a registry"))
    });
    let all = Synthetic::new(large_plan).expected(Arch::Amd64).expect("the truth");
    let all = all.references - all.skipped;
    let few = Synthetic::new(small_plan).expected(Arch::Amd64).expect("the truth");
    let image = format!("{}/{}:{}", small.host(), few.images[0].repository, few.images[0].tags[0]);
    runtime.block_on(async {
        let mut client = Client::connect(&cluster.url()).await.expect("the coordinator answers");
        let large_scan = client.submit(sweep(&large)).await.expect("accepted");
        let mut events = client.watch(&large_scan, 0, false);
        loop {
            let event = events.next().await.expect("it goes on").expect("an event");
            if matches!(event.kind, Some(Kind::Reported(_))) {
                break;
            }
        }
        for (request, name) in [
            (SubmitRequest { images: vec![image], ..SubmitRequest::default() }, "an image"),
            (sweep(&small), "a small sweep"),
        ] {
            let scan = client.submit(request).await.expect("accepted");
            let (_, finished) = watch_to_the_end(&client, &scan, |_| {}).await;
            assert_eq!(finished.state(), ScanState::Completed, "{}", cluster.logs());
            let ledger = client.get_scan(&large_scan).await.expect("read").summary.and_then(|sum| sum.ledger);
            let done = ledger.expect("a ledger").reported;
            assert!(done * 2 < all, "{name} waited until {done} of {all} images of another sweep were done");
        }
        client.cancel(&large_scan).await.expect("cancelled");
    });
}

#[test]
fn a_sweep_that_no_worker_takes_says_so() {
    if skipped("a sweep without workers") {
        return;
    }
    let cluster = Cluster::start(0);
    runtime().block_on(async {
        let mut client = Client::connect(&cluster.url()).await.expect("the coordinator answers");
        let request = SubmitRequest { images: vec!["r.example/a:1".to_owned()], ..SubmitRequest::default() };
        let scan = client.submit(request).await.expect("accepted");
        let mut events = client.watch(&scan, 0, false);
        // The test's runner bounds the wait.
        loop {
            let event = events.next().await.expect("it goes on").expect("an event");
            match event.kind {
                Some(Kind::Progress(progress)) if progress.hint.is_empty() => {}
                Some(Kind::Progress(progress)) => {
                    assert_eq!(progress.hint, "no worker takes jobs");
                    break;
                }
                kind => assert!(matches!(kind, Some(Kind::Started(_))), "{kind:?}"),
            }
        }
        client.cancel(&scan).await.expect("cancelled");
    });
}
