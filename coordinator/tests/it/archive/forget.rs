//! What is old goes, and nothing else.

use strata_coordinator::{
    access::{
        sight::Sight,
        token::{BOOTSTRAP, adopt, mint},
    },
    ports::{Archive, Forget, Forgotten, Keep, Tokens},
};
use strata_proto::v1::{
    CreateTokenRequest, Event, Scan, ScanStarted, ScanState, SearchReportsRequest, SubmitRequest, Summary,
    event::Kind,
};

use super::suite::{event, new_report, report, scan};

const KEPT_FOR_EVER: i64 = i64::MIN;

/// Steps until nothing goes any more; what went in all.
async fn forget(archive: &dyn Forget, keep: &Keep) -> Forgotten {
    let mut gone = Forgotten::default();
    loop {
        let step = archive.forget_scans(keep).await.expect("forgotten");
        if step == Forgotten::default() {
            break;
        }
        assert!(step.scans <= 50 && step.events <= 2_000, "a step is small: {step:?}");
        gone.scans += step.scans;
        gone.events += step.events;
        gone.references += step.references;
    }
    let mut after = Some(0);
    while let Some(number) = after {
        let (step, next) = archive.forget_reports(keep, number).await.expect("forgotten");
        gone.reports += step.reports;
        after = next;
    }
    gone
}

/// Tokens that ended before a moment go, but never the last one, and never one that a file would bring back.
pub(super) async fn old_tokens_go(archive: &(impl Tokens + Forget)) {
    let keep = |tokens_from_unix_ms| Keep { tokens_from_unix_ms, ..Keep::default() };
    let adopted = adopt(&format!("strata_{}_{}", "ab".repeat(6), "5".repeat(64)), 1).expect("a token");
    archive.add_token(&adopted).await.expect("kept");
    archive.revoke_token(&adopted.token.id, 2).await.expect("revoked");
    let before = archive.tokens().await.expect("listed");
    assert_eq!(
        archive.forget_tokens(&keep(50)).await.expect("forgotten").tokens,
        0,
        "nothing ended before 50"
    );
    // One of the suite's was revoked at 50, the other expires at 99.
    assert_eq!(archive.forget_tokens(&keep(51)).await.expect("forgotten").tokens, 1);
    assert_eq!(archive.forget_tokens(&keep(51)).await.expect("forgotten").tokens, 0);
    assert_eq!(archive.forget_tokens(&keep(i64::MAX)).await.expect("forgotten").tokens, 1);
    let left = archive.tokens().await.expect("listed");
    assert_eq!((before.len(), left.len()), (3, 1));
    assert_eq!(left[0].token.name, BOOTSTRAP);
}

/// The last token stays though it ended: without any, calls would need none.
pub(super) async fn the_last_token_stays(archive: &(impl Tokens + Forget)) {
    let keep = Keep { tokens_from_unix_ms: i64::MAX, ..Keep::default() };
    let request = |name: &str| CreateTokenRequest {
        name: name.to_owned(),
        scopes: vec!["read".to_owned()],
        expires_unix_ms: 99,
        ..CreateTokenRequest::default()
    };
    for name in ["a", "b", "c"] {
        archive.add_token(&mint(request(name), 1).expect("made").0).await.expect("kept");
    }
    assert_eq!(archive.forget_tokens(&keep).await.expect("forgotten").tokens, 2);
    assert!(archive.any_token().await.expect("read"), "the archive still knows that calls need a token");
}

async fn with_package(archive: &dyn Archive, package: &str) -> Vec<(String, Vec<String>)> {
    let query = SearchReportsRequest { package: package.to_owned(), limit: 9, ..Default::default() };
    let found = archive.search(&query, &Sight::default()).await.expect("searched");
    found.into_iter().map(|summary| (summary.report_id, summary.references)).collect()
}

/// Five scans, one of them running, and four reports of two images.
async fn fill(archive: &dyn Archive) {
    for (id, state) in [
        ("z1", ScanState::Completed),
        ("z2", ScanState::Running),
        ("z3", ScanState::CompletedWithFailures),
        ("z4", ScanState::Cancelled),
        ("z5", ScanState::Completed),
    ] {
        archive.create_scan(&scan(id, state, &format!("key of {id}"))).await.expect("recorded");
        let events: Vec<Event> =
            (1..=4_000).map(|sequence| event(id, sequence, Kind::Started(ScanStarted {}))).collect();
        let some = if id == "z1" { &events[..] } else { &events[..3] };
        archive.append(some).await.expect("appended");
    }
    for (id, image, at, wanted_by) in [
        ("old", "sha256:a", 1, &["z1"][..]),
        ("new", "sha256:a", 2, &["z3"]),
        ("both", "sha256:a", 3, &["z1", "z4"]),
        ("last", "sha256:b", 1_000, &["z1"]),
    ] {
        let body = report(image, &[&format!("only-{id}"), "every"], &[]);
        for scan in wanted_by {
            let references = [format!("r.example/{id}:{scan}")];
            archive.put_report(new_report(id, &body, at), scan, &references).await.expect("stored");
        }
    }
}

/// On an archive with scans of other cases, whose ids sort before these.
pub(super) async fn what_is_old_goes<A: Archive + Forget>(archive: &A) {
    fill(archive).await;
    by_number(archive).await;
    by_age(archive).await;
}

async fn by_number<A: Archive + Forget>(archive: &A) {
    // Three stay, and the one that runs.
    let keep = Keep { scans: 3, latest_from_unix_ms: KEPT_FOR_EVER, ..Keep::default() };
    let gone = forget(archive, &keep).await;
    assert!(gone.scans > 1 && gone.events >= 4_000 && gone.reports == 1, "{gone:?}");
    let left = archive.scans(100, "").await.expect("listed");
    let left: Vec<_> = left.iter().filter(|scan| scan.state() != ScanState::Running).collect();
    assert_eq!(left.iter().map(|scan| scan.id.as_str()).collect::<Vec<_>>(), ["z5", "z4", "z3"]);
    assert_eq!(archive.scan("z1").await.expect("read"), None);
    assert!(archive.scan("z2").await.expect("read").is_some(), "it runs");
    assert!(archive.events("z1", 0, 9).await.expect("read").is_empty());
    assert_eq!(archive.events("z2", 0, 9).await.expect("read").len(), 3);
    assert_eq!(archive.report("old").await.expect("read"), None, "a newer one of its image is there");
    for id in ["new", "both", "last"] {
        assert!(archive.report(id).await.expect("read").is_some(), "{id}");
    }
    assert_eq!(with_package(archive, "only-old").await, []);
    assert_eq!(
        with_package(archive, "only-both").await,
        [("both".to_owned(), vec!["r.example/both:z4".to_owned()])]
    );
    assert_eq!(with_package(archive, "only-last").await, [("last".to_owned(), Vec::new())]);
    assert_eq!(forget(archive, &keep).await, Forgotten::default(), "once");

    // The newest report of an image, when it is too old as well; those of other cases first.
    forget(archive, &Keep { latest_from_unix_ms: 500, ..keep.clone() }).await;
    assert!(archive.report("last").await.expect("read").is_some(), "it is from 1000");
    let keep = Keep { latest_from_unix_ms: 2_000, ..keep };
    assert_eq!(forget(archive, &keep).await, Forgotten { reports: 1, ..Forgotten::default() });
    assert_eq!(archive.report("last").await.expect("read"), None);
    assert_eq!(with_package(archive, "every").await.len(), 2);
}

async fn by_age<A: Archive + Forget>(archive: &A) {
    // What was forgotten can come again, and its key is free.
    let keep = Keep { scans_from: "z4".to_owned(), latest_from_unix_ms: KEPT_FOR_EVER, ..Keep::default() };
    assert_eq!(
        forget(archive, &keep).await,
        Forgotten { scans: 1, events: 3, references: 1, reports: 1, ..Forgotten::default() },
        "`new` has a newer one"
    );
    let again = archive.create_scan(&scan("z6", ScanState::Completed, "key of z1")).await.expect("recorded");
    assert_eq!(again.id, "z6");
    let body = report("sha256:a", &["only-old"], &[]);
    archive
        .put_report(new_report("old", &body, 9), "z6", &["r.example/old:z6".to_owned()])
        .await
        .expect("stored");
    assert_eq!(with_package(archive, "only-old").await.len(), 1);
    assert_eq!(forget(archive, &Keep { scans_from: String::new(), ..keep }).await, Forgotten::default());
}

/// A request of megabytes is written once, and is there whenever the scan is read.
pub(super) async fn a_large_request_outlasts_updates(archive: &dyn Archive) {
    let request = SubmitRequest {
        images: (0..5_000).map(|n| format!("r.example/app-{n}:1")).collect(),
        idempotency_key: "large".to_owned(),
        ..SubmitRequest::default()
    };
    let mut large = Scan { request: Some(request), ..scan("y1", ScanState::Running, "") };
    archive.create_scan(&large).await.expect("recorded");
    assert_eq!(archive.scan("y1").await.expect("read").as_ref(), Some(&large));
    for last_sequence in [7, 8] {
        large.last_sequence = last_sequence;
        large.summary = Some(Summary { layers_analysed: last_sequence, ..Summary::default() });
        archive.update_scan(&large).await.expect("updated");
        assert_eq!(archive.scan("y1").await.expect("read").as_ref(), Some(&large));
        assert!(archive.running().await.expect("read").contains(&large));
        assert!(archive.scans(100, "").await.expect("read").contains(&large));
    }
    let other = Scan { id: "y2".to_owned(), ..large.clone() };
    assert_eq!(archive.create_scan(&other).await.expect("recorded"), large, "the key is the first one's");
    large.set_state(ScanState::Completed);
    archive.update_scan(&large).await.expect("updated");
    assert_eq!(archive.scan("y1").await.expect("read"), Some(large));
}
