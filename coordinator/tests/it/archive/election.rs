//! What every archive promises of the lead.

use std::time::Duration;

use strata_coordinator::ports::{Archive, Forget, Keep, Lead};
use strata_proto::v1::{ScanStarted, ScanState, event::Kind};

use super::suite::{event, scan};

/// Two connections to one empty archive: one leads, the other stands by, and who led before writes in vain.
pub(super) async fn election<A: Archive + Lead + Forget>(first: A, second: A) {
    const LONG: Duration = Duration::from_secs(600);
    assert!(first.lead("first", LONG).await.expect("asked"));
    assert!(!second.lead("second", LONG).await.expect("asked"), "one leads at a time");
    assert!(first.lead("first", LONG).await.expect("asked"), "the lead is renewed");
    let new = scan("01a", ScanState::Running, "");
    // Whoever does not lead takes scans in all the same, and stops none itself.
    second.create_scan(&new).await.expect("recorded");
    second.ask_to_cancel("01a").await.expect("asked");
    second.ask_to_cancel("01a").await.expect("asked twice");
    second.ask_to_cancel("unknown").await.expect("asked");
    assert_eq!(first.asked_to_cancel().await.expect("read"), ["01a"]);
    first.append(&[event("01a", 1, Kind::Started(ScanStarted {}))]).await.expect("the leader writes");
    first.step_down("first").await.expect("stepped down");
    while !second.lead("second", LONG).await.expect("asked") {}
    let late = event("01a", 2, Kind::Started(ScanStarted {}));
    let refused = first.append(std::slice::from_ref(&late)).await.expect_err("its term is over");
    assert!(refused.to_string().contains("another coordinator leads"), "{refused}");
    first.update_scan(&scan("01a", ScanState::Cancelled, "")).await.expect_err("its term is over");
    first.forget_scans(&Keep::default()).await.expect_err("its term is over");
    first.forget_reports(&Keep::default(), 0).await.expect_err("its term is over");
    assert!(!first.lead("first", LONG).await.expect("asked"));
    assert_eq!(first.events("01a", 0, 10).await.expect("reading is free").len(), 1);
    second.update_scan(&scan("01a", ScanState::Cancelled, "")).await.expect("the leader writes");
    assert!(second.asked_to_cancel().await.expect("read").is_empty(), "it has ended");
    // A lead that is not renewed ends by itself.
    assert!(second.lead("second", Duration::ZERO).await.expect("asked"));
    while !first.lead("first", LONG).await.expect("asked") {}
    first.append(&[late]).await.expect("the leader writes");
}
