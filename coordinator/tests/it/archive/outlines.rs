//! Outlines of databases and the questions of reports, in every archive.

use strata_coordinator::ports::{Archive, NewReport, OUTLINES_KEPT, Outlined};
use strata_proto::v1::Report;

fn outlined(number: u32, scheme: u32) -> Outlined {
    Outlined { digest: format!("sha256:db-{number}"), modified: format!("2026-01-{number:02}"), scheme }
}

/// On an archive without outlines.
pub(super) async fn the_latest_outlines_stay_and_reports_tell_what_they_asked(archive: &dyn Archive) {
    assert_eq!(archive.outlines().await.expect("listed"), []);
    let first = outlined(1, 1);
    assert!(!archive.use_outline(&first.digest, 1, 1).await.expect("looked"), "not there yet");
    archive.put_outline(&first, b"one", 1).await.expect("kept");
    assert!(archive.use_outline(&first.digest, 1, 2).await.expect("looked"));
    assert!(!archive.use_outline(&first.digest, 2, 3).await.expect("looked"), "made in another way");
    // Made anew in the other way.
    let first = outlined(1, 2);
    archive.put_outline(&first, b"one again", 4).await.expect("kept");
    assert_eq!(archive.outlines().await.expect("listed"), std::slice::from_ref(&first));
    assert_eq!(archive.outline(&first.digest).await.expect("read").as_deref(), Some(&b"one again"[..]));
    assert_eq!(archive.outline("sha256:none").await.expect("read"), None);
    // The first one is in use again and again: others go before it.
    for number in 2..=OUTLINES_KEPT + 3 {
        archive.put_outline(&outlined(number, 2), b"other", i64::from(10 * number)).await.expect("kept");
        assert!(archive.use_outline(&first.digest, 2, i64::from(10 * number + 1)).await.expect("looked"));
    }
    let kept: Vec<String> =
        archive.outlines().await.expect("listed").into_iter().map(|one| one.digest).collect();
    let newest = (5..=OUTLINES_KEPT + 3).rev().map(|number| outlined(number, 2).digest);
    assert_eq!(kept, std::iter::once(first.digest).chain(newest).collect::<Vec<_>>());

    let report = Report { image_digest: "sha256:asks".to_owned(), ..Report::default() };
    let new = NewReport {
        id: "asks",
        report: &report,
        asked: Some(b"keys"),
        stored_unix_ms: 9,
        assessed_unix_ms: 5,
    };
    let silent = NewReport { id: "silent", asked: None, ..new };
    for new in [new, silent] {
        archive.put_report(new, "s", &["r.example/asks:1".to_owned()]).await.expect("stored");
    }
    let ids = ["asks", "silent", "none"].map(str::to_owned);
    let found = archive.asked_reports(&ids).await.expect("looked");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].summary.report_id.as_str(), &*found[0].asked), ("asks", &b"keys"[..]));
    assert_eq!((found[0].summary.created_unix_ms, found[0].summary.assessed_unix_ms), (9, 5));
    assert!(archive.asked_reports(&[]).await.expect("looked").is_empty());
}
