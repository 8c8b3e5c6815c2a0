//! Outlines of databases and the questions of reports, in every archive.

use strata_coordinator::{
    access::sight::Sight,
    ports::{Archive, NewReport, OUTLINES_KEPT, Outlined},
    touched,
};
use strata_proto::{
    outline::Asked,
    v1::{FindTouchedRequest, Report},
};

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

/// On an archive without reports.
pub(super) async fn the_last_report_of_each_image_tells_whether_a_difference_concerns_it(
    archive: &dyn Archive,
) {
    let asked = |keys: &[u32]| Asked { scheme: 1, assessor: 1, keys: keys.to_vec() }.encode();
    let rows: [(&str, &str, &str, Option<Vec<u8>>); 6] = [
        ("a-before", "sha256:a", "r.example/team/a:1", Some(asked(&[7]))),
        ("a-now", "sha256:a", "r.example/other/a:1", Some(asked(&[1]))),
        ("b", "sha256:b", "r.example/team/b:1", Some(asked(&[1, 7]))),
        ("c", "sha256:c", "r.example/team/c:1", None),
        ("file", "", "docker-archive:x.tar", Some(asked(&[7]))),
        ("file-again", "", "docker-archive:x.tar", Some(asked(&[7, 8]))),
    ];
    for (id, digest, reference, asked) in &rows {
        let config_digest = if digest.is_empty() { "sha256:config".to_owned() } else { String::new() };
        let image_digest = (*digest).to_owned();
        let report = Report { image_digest, config_digest, ..Report::default() };
        let new = NewReport {
            id,
            report: &report,
            asked: asked.as_deref(),
            stored_unix_ms: 9,
            assessed_unix_ms: 0,
        };
        archive.put_report(new, "s", &[(*reference).to_owned()]).await.expect("stored");
    }
    let found = async |sight: &Sight| {
        let request = FindTouchedRequest { scheme: 1, changed: vec![7], before: 0 };
        let answer = touched::step(archive, &request, sight).await.expect("looked");
        assert_eq!(answer.next, 0);
        let named = answer.images.into_iter().map(|image| {
            assert_eq!(image.references.len(), 1, "{image:?}");
            (image.report_id, image.unknown.is_empty())
        });
        (named.collect::<Vec<_>>(), answer.untouched)
    };
    let named = |names: &[(&str, bool)]| names.iter().map(|(id, known)| ((*id).to_owned(), *known)).collect();
    let all: Vec<_> = named(&[("file-again", true), ("c", false), ("b", true)]);
    assert_eq!(found(&Sight::default()).await, (all, 1));
    // A report that is hidden does not stand before one that is shown.
    let team = Sight { prefixes: vec!["r.example/team".parse().expect("a prefix")], ..Sight::default() };
    let shown: Vec<_> = named(&[("c", false), ("b", true), ("a-before", true)]);
    assert_eq!(found(&team).await, (shown, 0));
    // Page by page it is the same.
    let (mut before, mut pages) = (u64::MAX, Vec::new());
    while let Some(one) = archive.newest_reports(before, 1, &Sight::default()).await.expect("read").pop() {
        before = one.summary.number;
        pages.push(one.summary.report_id);
    }
    assert_eq!(pages, ["file-again", "c", "b", "a-now"]);
}
