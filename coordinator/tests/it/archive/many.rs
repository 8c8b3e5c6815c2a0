//! What is written of many images at once.

use strata_coordinator::{
    access::sight::Sight,
    archive::content::Content,
    ports::{Archive, Naming, PutReport},
};
use strata_proto::v1::{Report, SearchReportsRequest};

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

/// Many new reports at once, among them some that are there: in other words, with the same words, and a content that
/// another report has.
pub(super) async fn new_ones_beside_known_ones(archive: &dyn Archive) {
    let of = |id: &str, said: &str| report(&format!("sha256:{id}"), &["zlib", said], &["CVE-2009-2"]);
    let content = |report: &Report| Content::of(report.clone(), None).expect("packed");
    let put = |id, content, references| PutReport {
        id,
        content,
        stored_unix_ms: 100,
        assessed_unix_ms: 0,
        scan: "s1",
        references,
    };
    let there = of("beside-0", "beside-first");
    let reference = names(&["r.example/beside:1"]);
    let first = content(&there);
    archive.put_reports(&[put("beside-0", &first, &reference)]).await.expect("stored");

    let news: Vec<(String, Report)> = (1..300)
        .map(|number| {
            (format!("beside-{number}"), of(&format!("beside-{number}"), &format!("only-{number}")))
        })
        .collect();
    let contents: Vec<Content> = news.iter().map(|(_, report)| content(report)).collect();
    let (other_words, same) = (content(&of("beside-0", "beside-second")), content(&news[0].1));
    let mut puts: Vec<PutReport<'_>> =
        news.iter().zip(&contents).map(|((id, _), content)| put(id, content, &reference)).collect();
    puts.push(put("beside-0", &other_words, &reference));
    puts.push(put("beside-same", &same, &reference));
    for _ in 0..2 {
        archive.put_reports(&puts).await.expect("stored");
    }

    for (id, report) in &news {
        assert_eq!(archive.report(id).await.expect("read").as_ref(), Some(report), "{id}");
    }
    assert_eq!(archive.report("beside-0").await.expect("read"), Some(there), "it stays as it was");
    assert_eq!(archive.report("beside-same").await.expect("read").as_ref(), Some(&news[0].1));
    let found = async |package: &str| {
        let query = SearchReportsRequest { package: package.to_owned(), limit: 10, ..Default::default() };
        let found = archive.search(&query, &Sight::default()).await.expect("searched");
        found.into_iter().map(|one| one.report_id).collect::<Vec<String>>()
    };
    assert_eq!(found("beside-first").await, ["beside-0"]);
    assert!(found("beside-second").await.is_empty(), "what was not stored is not found");
    let mut both = found("only-1").await;
    both.sort();
    assert_eq!(both, ["beside-1", "beside-same"]);
    assert_eq!(found("only-299").await, ["beside-299"]);
}
