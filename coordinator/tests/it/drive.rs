//! The coordinator as a whole, over a model of queue and workers and a real archive.

use std::sync::atomic::Ordering;

use futures::StreamExt as _;
use strata_coordinator::{
    databases::fixed::FixedDatabases,
    drive::CoordinatorConfig,
    handle::{CallError, Events},
    ports::Archive,
};
use strata_proto::{
    trace::TraceHeaders,
    v1::{Event, RegistryTarget, ScanState, SearchReportsRequest, SubmitRequest, WatchRequest, event::Kind},
};

use crate::flaky::Flaky;
use crate::model::{self, Model, Running, archive, databases, digest};

pub(crate) const REFERENCES: [(&str, &[&str]); 4] = [
    ("r.example/app:1", &["base", "one"]),
    ("r.example/app:2", &["base", "two"]),
    ("r.example/app:latest", &["base", "two"]),
    ("r.example/tool:1", &["base", "tool"]),
];

fn images(images: &[&str]) -> SubmitRequest {
    SubmitRequest {
        images: images.iter().map(|&image| image.to_owned()).collect(),
        ..SubmitRequest::default()
    }
}

pub(crate) fn sweep() -> SubmitRequest {
    let target = RegistryTarget { host: "r.example".to_owned(), ..RegistryTarget::default() };
    SubmitRequest { registry: Some(target), ..SubmitRequest::default() }
}

pub(crate) async fn submit(running: &Running, request: SubmitRequest) -> String {
    running.handle.submit(request, TraceHeaders::default()).await.expect("submitted").id
}

pub(crate) async fn watch(running: &Running, scan: &str, after_sequence: u64, with_reports: bool) -> Events {
    let request = WatchRequest { scan_id: scan.to_owned(), after_sequence, with_reports };
    running.handle.watch(request).await.expect("watched")
}

/// Events to the scan's end, without progress.
pub(crate) async fn to_the_end(events: Events) -> Vec<Event> {
    let events: Vec<Event> = events.map(|event| event.expect("an event")).collect().await;
    events.into_iter().filter(|event| !matches!(event.kind, Some(Kind::Progress(_)))).collect()
}

/// What became of each reference, in order.
pub(crate) fn fates(events: &[Event]) -> Vec<(String, &'static str)> {
    let mut fates = Vec::new();
    for event in events {
        let (references, fate) = match event.kind.as_ref().expect("a kind") {
            Kind::Reported(one) => (&one.references, "reported"),
            Kind::Failed(one) => (&one.references, "failed"),
            Kind::Skipped(one) => (&one.references, "skipped"),
            _ => continue,
        };
        fates.extend(references.iter().map(|reference| (reference.clone(), fate)));
    }
    fates.sort();
    fates
}

pub(crate) fn all_reported() -> Vec<(String, &'static str)> {
    REFERENCES.iter().map(|(reference, _)| ((*reference).to_owned(), "reported")).collect()
}

fn sequences(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.sequence).collect()
}

#[tokio::test]
async fn images_are_reported_and_a_missing_one_fails_alone() {
    let model = Model::new(&REFERENCES);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let request = images(&["r.example/app:2", "r.example/app:latest", "r.example/gone:1", "r.example/app:2"]);
    let scan = submit(&running, request).await;
    let events = to_the_end(watch(&running, &scan, 0, true).await).await;
    assert_eq!(
        fates(&events),
        [
            ("r.example/app:2".to_owned(), "reported"),
            ("r.example/app:latest".to_owned(), "reported"),
            ("r.example/gone:1".to_owned(), "failed"),
        ]
    );
    for event in &events {
        if let Some(Kind::Reported(reported)) = &event.kind {
            assert_eq!(reported.image_digest, digest("basetwo"));
            assert_eq!(reported.report.as_ref().map(|report| report.packages.len()), Some(1));
        }
    }
    let record = running.handle.scan(&scan).await.expect("a scan");
    assert_eq!(record.state(), ScanState::CompletedWithFailures);
    let summary = record.summary.expect("a summary");
    assert_eq!((summary.images, summary.distinct_layers, summary.layers_analysed), (1, 2, 2));
    assert_eq!(summary.ledger.map(|ledger| (ledger.enumerated, ledger.reported)), Some((3, 2)));
    let found =
        running.handle.search(SearchReportsRequest { package: "musl".to_owned(), ..Default::default() });
    let found = found.await.expect("searched");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].references, ["r.example/app:2", "r.example/app:latest"]);
    running.stop().await;
}

#[tokio::test]
async fn a_registry_is_swept_and_each_layer_indexed_once() {
    let model = Model::new(&REFERENCES);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let scan = submit(&running, sweep()).await;
    let events = to_the_end(watch(&running, &scan, 0, false).await).await;
    assert_eq!(fates(&events), all_reported());
    assert_eq!(running.handle.scan(&scan).await.expect("a scan").state(), ScanState::Completed);
    let mut indexed = model.state().indexed.clone();
    indexed.sort();
    let mut layers = ["base", "one", "two", "tool"].map(digest).to_vec();
    layers.sort();
    assert_eq!(indexed, layers);
    running.stop().await;
}

#[tokio::test]
async fn watches_from_any_number_see_the_rest_once_and_in_order() {
    let model = Model::new(&REFERENCES);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    model.hold("assess");
    let scan = submit(&running, sweep()).await;
    // These watch while it runs, from numbers that do not exist yet too.
    let early = futures::future::join_all((0..6).map(|after| watch(&running, &scan, after, false))).await;
    model.until_held(3).await;
    model.release();
    let early = futures::future::join_all(early.into_iter().map(to_the_end)).await;
    let whole = early.first().expect("one").clone();
    assert_eq!(sequences(&whole), (1..=whole.len() as u64).collect::<Vec<_>>());
    for (after, seen) in early.iter().enumerate() {
        assert_eq!(seen, &whole[after.min(whole.len())..], "from {after}");
    }
    for after in 0..=whole.len() {
        let late = to_the_end(watch(&running, &scan, after as u64, false).await).await;
        assert_eq!(late, whole[after..], "after the end, from {after}");
    }
    running.stop().await;
}

#[tokio::test]
async fn progress_repeats_the_last_number_and_is_never_recorded() {
    let model = Model::new(&REFERENCES);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive.clone());
    model.hold("index");
    let scan = submit(&running, sweep()).await;
    let mut events = watch(&running, &scan, 0, false).await;
    let (last, progress) = loop {
        let event = events.next().await.expect("a running scan's watch goes on").expect("an event");
        match event.kind {
            Some(Kind::Progress(progress)) if progress.layers_pending == 4 => {
                break (event.sequence, progress);
            }
            _ => {}
        }
    };
    assert_eq!((last, progress.references_pending), (1, 4));
    let summary = progress.summary.expect("a summary");
    assert_eq!(summary.ledger.map(|ledger| ledger.enumerated), Some(4));
    model.release();
    let rest = to_the_end(events).await;
    assert_eq!(sequences(&rest), (2..=rest.len() as u64 + 1).collect::<Vec<_>>());
    let recorded = archive.events(&scan, 0, 100).await.expect("read");
    assert!(recorded.iter().all(|event| !matches!(event.kind, Some(Kind::Progress(_)))));
    running.stop().await;
}

#[tokio::test]
async fn one_idempotency_key_is_one_scan() {
    let model = Model::new(&REFERENCES);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let request = SubmitRequest { idempotency_key: "nightly".to_owned(), ..sweep() };
    let first = submit(&running, request.clone()).await;
    assert_eq!(submit(&running, request.clone()).await, first);
    to_the_end(watch(&running, &first, 0, false).await).await;
    assert_eq!(submit(&running, request).await, first);
    assert_eq!(running.handle.scans(0, "").await.expect("listed").len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn cancelling_withdraws_what_waits_and_ends_the_watches() {
    let model = Model::new(&REFERENCES);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    model.hold("index");
    let scan = submit(&running, sweep()).await;
    let events = watch(&running, &scan, 0, false).await;
    model.until_held(4).await;
    let cancelled = running.handle.cancel(&scan).await.expect("cancelled");
    assert_eq!(cancelled.state(), ScanState::Cancelled);
    let events = to_the_end(events).await;
    assert!(matches!(&events.last().expect("events").kind,
        Some(Kind::Finished(finished)) if finished.state() == ScanState::Cancelled));
    model.until(|state| state.withdrawn == 4).await;
    assert_eq!(running.handle.cancel(&scan).await.expect("again"), cancelled);
    running.stop().await;
}

#[tokio::test]
async fn unknown_scans_and_reports_are_named() {
    let model = Model::new(&[]);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let handle = &running.handle;
    let watched = handle.watch(WatchRequest { scan_id: "nope".to_owned(), ..Default::default() }).await;
    for error in [
        handle.scan("nope").await.expect_err("unknown"),
        handle.cancel("nope").await.expect_err("unknown"),
        handle.report("nope").await.expect_err("unknown"),
        watched.expect_err("unknown"),
    ] {
        assert!(matches!(&error, CallError::NotFound(text) if text.contains("`nope`")), "{error}");
    }
    let refused = handle.submit(images(&["docker-archive:/a.tar"]), TraceHeaders::default()).await;
    assert!(matches!(refused, Err(CallError::Invalid(_))));
    running.stop().await;
}

#[tokio::test]
async fn a_restart_goes_on_where_the_archive_ends() {
    let model = Model::new(&REFERENCES);
    let (_directory, archive) = archive().await;
    for verb in ["list", "resolve", "index", "assess"] {
        let running = Running::start(&model, archive.clone());
        model.hold(verb);
        let scan = submit(&running, sweep()).await;
        model.until_held(1).await;
        running.stop().await;
        model.redeliver();
        let running = Running::start(&model, archive.clone());
        let events = watch(&running, &scan, 0, false).await;
        model.release();
        let events = to_the_end(events).await;
        assert_eq!(fates(&events), all_reported(), "stopped during {verb}");
        assert_eq!(sequences(&events), (1..=events.len() as u64).collect::<Vec<_>>());
        assert_eq!(running.handle.scan(&scan).await.expect("a scan").state(), ScanState::Completed);
        running.stop().await;
    }
}

#[tokio::test]
async fn lost_parcels_and_failed_publications_are_made_up_for() {
    let model = Model::new(&REFERENCES);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    model.state().lose_parcels = 2;
    model.state().fail_publications = 3;
    let scan = submit(&running, sweep()).await;
    let events = to_the_end(watch(&running, &scan, 0, false).await).await;
    assert_eq!(fates(&events), all_reported());
    running.stop().await;
}

#[tokio::test]
async fn what_is_submitted_before_the_planner_first_runs_is_planned() {
    let model = Model::new(&REFERENCES);
    let (_directory, inner) = archive().await;
    let config = CoordinatorConfig { restore: false, ..CoordinatorConfig::default() };
    let none = databases(FixedDatabases::none());
    let running = Running::start_with(&model, Flaky::new(&model, inner), none, config);
    let scan = submit(&running, sweep()).await;
    let events = to_the_end(watch(&running, &scan, 0, false).await).await;
    assert_eq!(fates(&events), all_reported());
    running.stop().await;
}

#[tokio::test]
async fn no_outcome_is_acknowledged_before_its_report_is_archived() {
    let model = Model::new(&REFERENCES);
    let (_directory, inner) = archive().await;
    let flaky = Flaky::new(&model, inner);
    let running = Running::start(&model, flaky.clone());
    model.hold("assess");
    let scan = submit(&running, sweep()).await;
    let events = watch(&running, &scan, 0, false).await;
    model.until_held(3).await;
    flaky.refuses.store(true, Ordering::SeqCst);
    model.release();
    model.until(|_| flaky.refused.load(Ordering::SeqCst) >= 3).await;
    assert!(!model.state().acknowledged.contains(&"assess"), "acknowledged while the archive was away");
    flaky.refuses.store(false, Ordering::SeqCst);
    assert_eq!(fates(&to_the_end(events).await), all_reported());
    model.until(|state| state.acknowledged.iter().filter(|verb| **verb == "assess").count() == 3).await;
    running.stop().await;
}

/// The archive is slow to write what a sweep does: who waits for one image does not wait for that, and the sweep is acknowledged
/// and ends once it is written.
#[tokio::test]
async fn an_image_that_somebody_waits_for_does_not_wait_for_the_events_of_a_sweep() {
    let model = Model::new(&REFERENCES);
    let (_directory, inner) = archive().await;
    let flaky = Flaky::new(&model, inner.clone());
    let running = Running::start(&model, flaky.clone());
    model.hold("index");
    let swept = submit(&running, sweep()).await;
    model.until_held(4).await;
    let own = ("r.example/own:1".to_owned(), vec!["own"]);
    model.state().references.extend([own]);
    let awaited = submit(&running, images(&["r.example/own:1"])).await;
    model.until_held(5).await;
    flaky.waits.send_replace(Some(swept.clone()));
    model.release_layers(&["base", "one", "two"]);
    model.until(|_| flaky.waiting.load(Ordering::SeqCst) > 0).await;
    model.release_layers(&["own"]);
    let events = to_the_end(watch(&running, &awaited, 0, true).await).await;
    assert_eq!(fates(&events), [("r.example/own:1".to_owned(), "reported")]);
    assert_eq!(running.handle.scan(&awaited).await.expect("a scan").state(), ScanState::Completed);
    // What the sweep did meanwhile is neither written nor acknowledged.
    assert_eq!(fates(&inner.events(&swept, 0, 100).await.expect("read")), []);
    let assessed = |state: &model::State| state.acknowledged.iter().filter(|verb| **verb == "assess").count();
    assert!(assessed(&model.state()) <= 1, "its own at most");
    flaky.waits.send_replace(None);
    model.until(|state| assessed(state) == 3).await;
    model.release_layers(&["tool"]);
    let events = to_the_end(watch(&running, &swept, 0, false).await).await;
    assert_eq!(fates(&events), all_reported());
    assert_eq!(sequences(&events), (1..=events.len() as u64).collect::<Vec<_>>());
    model.until(|state| assessed(state) == 4).await;
    running.stop().await;
}
