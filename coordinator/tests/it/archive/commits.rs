//! Scans tell the commit that their images were built from; every archive finds reports by it.

use strata_coordinator::{access::sight::Sight, ports::Archive};
use strata_proto::v1::{Report, Scan, SearchReportsRequest, SourceContext, SubmitRequest};

use super::suite::new_report;

pub(super) async fn reports_are_found_by_the_commit_that_their_scan_tells(archive: &dyn Archive) {
    let commits = [
        ("09-a", "6909610f00000000000000000000000000000001"),
        ("09-b", "6909610f00000000000000000000000000000002"),
    ];
    for (number, (scan, commit)) in (0..).zip(commits) {
        let source = SourceContext { commit: commit.to_owned(), ..Default::default() };
        let request = SubmitRequest { source: Some(source), ..Default::default() };
        let scan = Scan { id: scan.to_owned(), request: Some(request), ..Scan::default() };
        archive.create_scan(&scan).await.expect("recorded");
        let report = Report { image_digest: format!("sha256:{}", scan.id), ..Report::default() };
        let names = [format!("r.example/nine:{number}")];
        archive
            .put_report(new_report(&scan.id, &report, 900 + number), &scan.id, &names)
            .await
            .expect("stored");
    }
    for (commit, want) in [
        ("6909610f", vec!["09-b", "09-a"]),
        ("6909610f00000000000000000000000000000001", vec!["09-a"]),
        ("6909610", vec!["09-b", "09-a"]),
        ("7909610", vec![]),
        ("0000000", vec![]),
    ] {
        let query = SearchReportsRequest { commit: commit.to_owned(), limit: 10, ..Default::default() };
        let found = archive.search(&query, &Sight::default()).await.expect("searched");
        let found: Vec<&str> = found.iter().map(|summary| summary.report_id.as_str()).collect();
        assert_eq!(found, want, "{commit}");
    }
}
