//! The coordinator with workers that know bundles.

use std::sync::Arc;

use strata_coordinator::archive::sqlite::SqliteArchive;
use strata_proto::v1::{Event, ScanState};

use crate::{
    drive::{REFERENCES, all_reported, fates, submit, sweep, to_the_end, watch},
    model::{Model, Running, archive, digest},
};

/// Workers with one slot: what is ready together travels together.
fn model() -> Model {
    let model = Model::new(&REFERENCES);
    model.state().slots = 1;
    model
}

async fn swept(running: &Running) -> (String, Vec<Event>) {
    let scan = submit(running, sweep()).await;
    let events = to_the_end(watch(running, &scan, 0, false).await).await;
    (scan, events)
}

fn indexed(model: &Model) -> Vec<String> {
    let mut indexed = model.state().indexed.clone();
    indexed.sort();
    indexed
}

fn each_once() -> Vec<String> {
    let mut layers: Vec<String> = ["base", "one", "two", "tool"].iter().map(|name| digest(name)).collect();
    layers.sort();
    layers
}

#[tokio::test]
async fn small_jobs_travel_together_and_each_is_answered() {
    let model = model();
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let (scan, events) = swept(&running).await;
    assert_eq!(fates(&events), all_reported());
    assert_eq!(indexed(&model), each_once());
    let summary = running.handle.scan(&scan).await.expect("a scan").summary.expect("a summary");
    assert_eq!((summary.images, summary.distinct_layers, summary.layers_analysed), (3, 4, 4));
    // The layers of one repository are known at once.
    model.until(|state| state.unacknowledged.is_empty()).await;
    let told = model.state().acknowledged.clone();
    assert!(told.contains(&"bundle"), "{told:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_cancelled_scan_takes_its_bundles_back() {
    let model = model();
    model.hold("bundle");
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let scan = submit(&running, sweep()).await;
    model.until_held(1).await;
    assert_eq!(running.handle.cancel(&scan).await.expect("cancelled").state(), ScanState::Cancelled);
    model.until(|state| state.withdrawn == 1).await;
    assert!(indexed(&model).is_empty());
    running.stop().await;
}

#[tokio::test]
async fn what_workers_do_not_know_comes_apart() {
    let model = model();
    model.state().refuses_bundles = true;
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let (_, events) = swept(&running).await;
    assert_eq!(fates(&events), all_reported());
    assert_eq!(indexed(&model), each_once());
    running.stop().await;
}

#[tokio::test]
async fn bundles_of_before_a_restart_do_no_harm() {
    let model = model();
    model.hold("bundle");
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, Arc::<SqliteArchive>::clone(&archive));
    let scan = submit(&running, sweep()).await;
    model.until_held(1).await;
    running.crash().await;
    model.redeliver();
    let running = Running::start(&model, archive);
    model.release();
    let events = to_the_end(watch(&running, &scan, 0, false).await).await;
    assert_eq!(fates(&events), all_reported());
    let summary = running.handle.scan(&scan).await.expect("a scan").summary.expect("a summary");
    assert_eq!((summary.distinct_layers, summary.layers_analysed), (4, 4));
    running.stop().await;
}
