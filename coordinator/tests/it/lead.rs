//! Two coordinators on one archive: one plans, the other takes scans in and takes over.

use std::sync::Arc;

use futures::StreamExt as _;
use strata_coordinator::archive::sqlite::SqliteArchive;
use strata_proto::{
    trace::TraceHeaders,
    v1::{Event, RegistryTarget, ScanState, SubmitRequest, WatchRequest, event::Kind},
};
use tempfile::TempDir;

use crate::model::{Model, Running};

const REFERENCES: [(&str, &[&str]); 3] = [
    ("r.example/app:1", &["base", "one"]),
    ("r.example/app:2", &["base", "two"]),
    ("r.example/tool:1", &["tool"]),
];

/// What a scan counted of its layers: distinct, analysed, reused, bytes.
async fn layers(running: &Running, scan: &str) -> (u64, u64, u64, u64) {
    let summary = running.handle.scan(scan).await.expect("a scan").summary.expect("a summary");
    (summary.distinct_layers, summary.layers_analysed, summary.layers_reused, summary.bytes_read)
}

struct Pair {
    _directory: TempDir,
    model: Model,
    leader: Running,
    other: Running,
}

/// The first to ask leads; the other is started when it does.
async fn pair() -> Pair {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("archive.sqlite");
    let model = Model::new(&REFERENCES);
    let open = || async { Arc::new(SqliteArchive::open(&file).await.expect("opened")) };
    let leader = Running::elected(&model, open().await, "a");
    // Its first scan ends: it leads.
    let first =
        submit(&leader, SubmitRequest { images: vec!["r.example/tool:1".to_owned()], ..Default::default() });
    to_the_end(&leader, &first.await, 0).await;
    let other = Running::elected(&model, open().await, "b");
    Pair { _directory: directory, model, leader, other }
}

async fn submit(running: &Running, request: SubmitRequest) -> String {
    running.handle.submit(request, TraceHeaders::default()).await.expect("submitted").id
}

fn sweep() -> SubmitRequest {
    let target = RegistryTarget { host: "r.example".to_owned(), ..RegistryTarget::default() };
    SubmitRequest { registry: Some(target), ..SubmitRequest::default() }
}

async fn to_the_end(running: &Running, scan: &str, after_sequence: u64) -> Vec<Event> {
    let request = WatchRequest { scan_id: scan.to_owned(), after_sequence, with_reports: false };
    let events = running.handle.watch(request).await.expect("watched");
    let events: Vec<Event> = events.map(|event| event.expect("an event")).collect().await;
    events.into_iter().filter(|event| !matches!(event.kind, Some(Kind::Progress(_)))).collect()
}

fn references(events: &[Event]) -> Vec<String> {
    let reported = events.iter().filter_map(|event| match &event.kind {
        Some(Kind::Reported(reported)) => Some(reported.references.clone()),
        _ => None,
    });
    let mut references: Vec<String> = reported.flatten().collect();
    references.sort();
    references
}

fn all() -> Vec<String> {
    REFERENCES.iter().map(|(reference, _)| (*reference).to_owned()).collect()
}

#[tokio::test]
async fn what_the_one_that_stands_by_takes_in_is_done_by_the_leader() {
    let pair = pair().await;
    let scan = submit(&pair.other, sweep()).await;
    let events = to_the_end(&pair.other, &scan, 0).await;
    assert_eq!(references(&events), all());
    assert_eq!(events, to_the_end(&pair.leader, &scan, 0).await, "both tell the same");
    pair.model.hold("index");
    pair.model.state().references.insert("r.example/new:1".to_owned(), vec!["new"]);
    let scan = submit(&pair.other, sweep()).await;
    pair.model.until_held(1).await;
    let stopped = pair.other.handle.cancel(&scan).await.expect("stopped by the leader");
    assert_eq!(stopped.state(), ScanState::Cancelled);
    pair.other.stop().await;
    pair.leader.stop().await;
}

#[tokio::test]
async fn the_other_goes_on_when_the_leader_dies() {
    let pair = pair().await;
    pair.model.hold("index");
    pair.model.state().references.insert("r.example/app:3".to_owned(), vec!["base", "three"]);
    let scan = submit(&pair.leader, sweep()).await;
    pair.model.until_held(1).await;
    pair.leader.crash().await;
    pair.model.release();
    let events = to_the_end(&pair.other, &scan, 0).await;
    let mut wanted = all();
    wanted.push("r.example/app:3".to_owned());
    wanted.sort();
    assert_eq!(references(&events), wanted, "each reference once");
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    let gapless: Vec<u64> = (1..=events.len() as u64).collect();
    assert_eq!(sequences, gapless);
    assert!(matches!(events.last().and_then(|event| event.kind.as_ref()), Some(Kind::Finished(_))));
    pair.other.stop().await;
}

#[tokio::test]
async fn the_other_leads_at_once_when_the_leader_is_told_to_end() {
    let pair = pair().await;
    let scan = submit(&pair.leader, sweep()).await;
    to_the_end(&pair.leader, &scan, 0).await;
    pair.leader.stop().await;
    let scan = submit(&pair.other, sweep()).await;
    assert_eq!(references(&to_the_end(&pair.other, &scan, 0).await), all());
    pair.other.stop().await;
}

#[tokio::test]
async fn layers_are_counted_once_however_often_the_lead_changes() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("archive.sqlite");
    let model = Model::new(&REFERENCES);
    let open = || async { Arc::new(SqliteArchive::open(&file).await.expect("opened")) };
    model.hold("assess");
    let first = Running::elected(&model, open().await, "a");
    let scan = submit(&first, sweep()).await;
    model.until_held(3).await;
    first.crash().await;
    // The model's cache forgets: every layer is analysed again, and its outcome comes again.
    model.redeliver();
    let second = Running::elected(&model, open().await, "b");
    model.until(|state| state.indexed.len() == 8).await;
    second.crash().await;
    model.redeliver();
    model.release();
    let third = Running::elected(&model, open().await, "c");
    to_the_end(&third, &scan, 0).await;
    assert_eq!(layers(&third, &scan).await, (4, 4, 0, 400));
    third.stop().await;
}
