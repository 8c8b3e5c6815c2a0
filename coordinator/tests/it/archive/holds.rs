//! What is held is kept, whatever its age; who had it held, and who released it, is told.

use strata_coordinator::{
    access::sight::Sight,
    ports::{Archive, Forget, Forgotten, Keep},
};
use strata_proto::v1::{ReportHold, ReportSummary, ScanState, SearchReportsRequest};

use super::suite::{new_report, report, scan};

/// Nothing is so new that it would stay.
fn everything() -> Keep {
    Keep { scans_from: "~".to_owned(), latest_from_unix_ms: i64::MAX, ..Keep::default() }
}

async fn forget(archive: &dyn Forget) {
    while archive.forget_scans(&everything()).await.expect("forgotten") != Forgotten::default() {}
    let mut after = Some(0);
    while let Some(number) = after {
        after = archive.forget_reports(&everything(), number).await.expect("forgotten").1;
    }
}

async fn all_are_sound(archive: &dyn Archive) {
    let (mut checked, mut after) = (Vec::new(), Some(0));
    while let Some(number) = after {
        let (step, next) = archive.check(number).await.expect("checked");
        checked.extend(step);
        after = next;
    }
    assert!(checked.iter().any(|one| one.report_id == "report of x1"));
    assert!(checked.iter().all(|one| one.known && one.wrong.is_none()), "{checked:?}");
}

async fn found(archive: &dyn Archive) -> Vec<ReportSummary> {
    let query = SearchReportsRequest { package: "evidence".to_owned(), limit: 9, ..Default::default() };
    archive.search(&query, &Sight::default()).await.expect("searched")
}

/// Leaves nothing else in the archive.
pub(super) async fn what_is_held_is_kept<A: Archive + Forget>(archive: &A) {
    for id in ["x1", "x2"] {
        archive.create_scan(&scan(id, ScanState::Completed, "")).await.expect("recorded");
        let body = report("sha256:held", &["evidence"], &[]);
        let (id, references) = (format!("report of {id}"), [format!("r.example/held:{id}")]);
        archive.put_report(new_report(&id, &body, 5), &id[10..], &references).await.expect("stored");
    }
    let hold = |by: &str, at: i64| ReportHold {
        report_id: "report of x1".to_owned(),
        held_by: by.to_owned(),
        held_unix_ms: at,
        reason: "case 7".to_owned(),
        ..ReportHold::default()
    };
    let first = hold("legal (token:a)", 7);
    assert_eq!(archive.hold_report(&first).await.expect("held"), Some(first.clone()));
    assert_eq!(
        archive.hold_report(&hold("another", 8)).await.expect("held"),
        Some(first.clone()),
        "the first stays"
    );
    let missing = ReportHold { report_id: "none".to_owned(), ..first.clone() };
    assert_eq!(archive.hold_report(&missing).await.expect("looked"), None);
    let holds: Vec<_> = found(archive).await.into_iter().map(|one| (one.report_id, one.hold)).collect();
    assert_eq!(holds, [("report of x2".to_owned(), None), ("report of x1".to_owned(), Some(first.clone()))]);
    forget(archive).await;
    let left = found(archive).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(
        (left[0].report_id.as_str(), left[0].references.len()),
        ("report of x1", 1),
        "and so is its name"
    );
    assert!(archive.scan("x1").await.expect("read").is_some(), "the scan that names it is evidence too");
    assert_eq!(archive.scan("x2").await.expect("read"), None);
    all_are_sound(archive).await;

    let released = archive.release_report("report of x1", "token:b", 99).await.expect("released");
    assert_eq!(
        released,
        Some(ReportHold { released_by: "token:b".to_owned(), released_unix_ms: 99, ..first.clone() })
    );
    assert_eq!(archive.release_report("report of x1", "token:b", 100).await.expect("looked"), None, "once");
    assert_eq!(found(archive).await[0].hold, None);
    // It can be held anew, and released anew.
    let again = hold("token:b", 101);
    assert_eq!(archive.hold_report(&again).await.expect("held"), Some(again));
    assert!(archive.release_report("report of x1", "token:b", 102).await.expect("released").is_some());
    forget(archive).await;
    assert!(found(archive).await.is_empty());
    assert_eq!(archive.scan("x1").await.expect("read"), None);
}
