//! What is written of many images at once.

use strata_coordinator::{
    access::sight::Sight,
    archive::content::Content,
    ports::{Archive, Naming, PutReport},
};
use strata_proto::v1::SearchReportsRequest;

use super::suite::{names, report};

/// Reports and names of many images in one transaction: one report for two scans, one that is there, one that is not.
pub(super) async fn several_at_once(archive: &dyn Archive) {
    let stored =
        ["many-1", "many-2"].map(|id| report(&format!("sha256:{id}"), &["zlib", id], &["CVE-2009-1"]));
    let [one, two] = &stored;
    let (a, b, none) = (names(&["r.example/many:1"]), names(&["r.example/many:2", "r.example/many:3"]), []);
    let contents = [one, two].map(|report| Content::of(report.clone(), None).expect("packed"));
    let put = |id, content, stored_unix_ms, scan, references| PutReport {
        id,
        content,
        stored_unix_ms,
        assessed_unix_ms: 0,
        scan,
        references,
    };
    let first = put("many-1", &contents[0], 100, "s1", &a);
    for _ in 0..2 {
        let second = put("many-2", &contents[1], 100, "s1", &b);
        let again = put("many-1", &contents[0], 900, "s2", &b);
        archive.put_reports(&[second, first, again]).await.expect("stored");
    }
    assert_eq!(archive.report("many-1").await.expect("read").as_ref(), Some(one));
    let name = |report, scan, references| Naming { report, scan, references };
    let namings = [
        name("many-2", "s3", &a[..]),
        name("none", "s3", &a),
        name("many-1", "s3", &none),
        name("many-2", "s4", &a),
    ];
    assert_eq!(archive.name_reports(&namings).await.expect("named"), [true, false, true, true]);
    assert!(archive.name_reports(&[]).await.expect("named").is_empty());
    for (package, expected) in [("many-1", 3), ("many-2", 3)] {
        let query = SearchReportsRequest { package: package.to_owned(), limit: 10, ..Default::default() };
        let found = archive.search(&query, &Sight::default()).await.expect("searched");
        let found: Vec<_> = found.iter().map(|one| (one.report_id.as_str(), one.references.len())).collect();
        assert_eq!(found, [(package, expected)]);
    }
}
