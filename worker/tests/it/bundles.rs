//! Bundles in the hands of a worker.

use std::{sync::Arc, time::Duration};

use strata_coordinator::ports::{JobQueue as _, Published};
use strata_proto::{
    WIRE_VERSION,
    subject::{BUNDLE_DIED, OTHER_ANALYSIS},
    v1::{Bundle, BundledJob, Job, Lane, Outcome, Retry, job::Verb, outcome::Result as Answer},
};
use strata_worker::{
    cache::memory::MemoryCache,
    ports::{Claim, InventoryCache as _, LayerKey, Token},
};

use crate::{
    dispatch::{Registry, Running, digest, index},
    queue::{one, trace},
};

fn bundle(jobs: Vec<Job>) -> Job {
    let jobs = jobs.into_iter().map(|job| BundledJob { job: Some(job), trace: trace("t").to_properties() });
    let verb = Verb::Bundle(Bundle { jobs: jobs.collect() });
    let scan_id = "scan".to_owned();
    let mut job = Job {
        wire_version: WIRE_VERSION,
        key: "whole".to_owned(),
        scan_id,
        verb: Some(verb),
        ..Job::default()
    };
    job.set_lane(Lane::Sweep);
    job
}

fn layer(key: &str) -> Job {
    index(key, WIRE_VERSION)
}

/// What cannot be done by anybody.
fn hopeless(key: &str) -> Job {
    Job { verb: None, ..layer(key) }
}

/// How each job of a bundle ended.
fn ends(outcome: &Outcome) -> Vec<(String, String)> {
    assert_eq!((outcome.key.as_str(), outcome.scan_id.as_str()), ("whole", "scan"));
    assert!(outcome.bundles && outcome.slots == 4 && outcome.analysis == "f1", "{outcome:?}");
    let Some(Answer::Bundled(bundled)) = &outcome.result else { panic!("{outcome:?}") };
    let mut ends: Vec<_> = bundled
        .outcomes
        .iter()
        .map(|one| {
            let one = one.outcome.as_ref().expect("an outcome");
            let end = match &one.result {
                Some(Answer::Indexed(indexed)) => format!("analysed: {}", indexed.analysed),
                Some(Answer::Failure(failure)) => {
                    assert_eq!(failure.retry() == Retry::Never, failure.code == "malformed", "{failure:?}");
                    failure.code.clone()
                }
                other => panic!("{other:?}"),
            };
            (one.key.clone(), end)
        })
        .collect();
    ends.sort();
    ends
}

fn rows(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(key, end)| ((*key).to_owned(), (*end).to_owned())).collect()
}

fn key() -> LayerKey {
    LayerKey { layer: digest(), fingerprint: "f1".to_owned() }
}

fn token(sequence: u64, owner: &str) -> Token {
    Token { sequence, executions: 1, owner: owner.to_owned() }
}

#[tokio::test]
async fn each_job_of_a_bundle_is_answered_in_one_message() {
    let registry = Registry::new(false);
    let running = Running::start(&registry, &Arc::new(MemoryCache::new()), "f1");
    running.publish(&bundle(vec![layer("a"), hopeless("b"), bundle(vec![layer("c")])])).await;
    let outcome = running.outcome().await.outcome;
    assert_eq!(ends(&outcome), rows(&[("a", "analysed: true"), ("b", "malformed"), ("whole", "malformed")]));
    assert_eq!(outcome.executions, 1);
    assert_eq!(registry.asked.lock().expect("not poisoned").len(), 1);
    // Found in the cache: no scan of that name had it analysed.
    running.publish(&bundle(vec![Job { scan_id: "other".to_owned(), ..layer("d") }])).await;
    assert_eq!(ends(&running.outcome().await.outcome), rows(&[("d", "analysed: false")]));
    running.stop().await;
}

#[tokio::test]
async fn a_bundle_that_comes_again_is_not_carried_out() {
    let (registry, cache) = (Registry::new(false), Arc::new(MemoryCache::new()));
    let mut idle = Running::idle(&registry, &cache, "f1");
    idle.publish(&bundle(vec![layer("a"), hopeless("b")])).await;
    let first = one(&*idle.source, Lane::Sweep).await;
    // Its worker claims a layer, and dies.
    let dead = token(first.sequence, "dead");
    let hour = Duration::from_secs(3_600);
    assert_eq!(cache.claim(&key(), &dead, hour).await.expect("asked"), Claim::Mine);
    drop(first);
    idle.begin();
    let outcome = idle.outcome().await.outcome;
    assert_eq!((ends(&outcome), outcome.executions), (rows(&[("a", BUNDLE_DIED), ("b", BUNDLE_DIED)]), 2));
    assert!(registry.asked.lock().expect("not poisoned").is_empty(), "nothing was read");
    // Nobody waits for the dead one's claim, and the queue has forgotten the bundle.
    let claim = cache.claim(&key(), &token(99, "another"), Duration::from_secs(1)).await.expect("asked");
    assert_eq!(claim, Claim::Mine);
    let again = idle.queue.publish(&bundle(vec![layer("a")]), &trace("t")).await.expect("published");
    assert_eq!(again, Published::Accepted);
    idle.stop().await;
}

#[tokio::test]
async fn a_withdrawn_bundle_is_dropped_and_what_was_done_is_told() {
    let (registry, cache) = (Registry::new(true), Arc::new(MemoryCache::new()));
    let running = Running::start(&registry, &cache, "f1");
    // The first is done before the second has opened its layer: they are begun in order.
    let job = bundle(vec![hopeless("a"), layer("b")]);
    running.publish(&job).await;
    registry.until_open(1).await;
    running.queue.withdraw(&job).await.expect("withdrawn");
    registry.until_open(0).await;
    let outcome = running.outcome().await.outcome;
    assert_eq!(ends(&outcome), rows(&[("a", "malformed"), ("b", "cancelled")]));
    let claim = cache.claim(&key(), &token(99, "another"), Duration::from_secs(1)).await.expect("asked");
    assert_eq!(claim, Claim::Mine);
    running.stop().await;
}

#[tokio::test]
async fn a_bundle_for_another_analysis_is_not_carried_out() {
    let registry = Registry::new(false);
    let running = Running::start(&registry, &Arc::new(MemoryCache::new()), "f1");
    let theirs = |job: Job| Job { analysis: "old".to_owned(), ..job };
    running.publish(&theirs(bundle(vec![theirs(layer("a")), theirs(layer("b"))]))).await;
    let outcome = running.outcome().await.outcome;
    assert_eq!(ends(&outcome), rows(&[("a", OTHER_ANALYSIS), ("b", OTHER_ANALYSIS)]));
    assert!(registry.asked.lock().expect("not poisoned").is_empty(), "nothing was read");
    running.stop().await;
}
