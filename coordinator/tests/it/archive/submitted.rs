//! Reports that were made elsewhere: recorded once, marked, and bound to the manifests of their image in whatever order the two
//! come. The same for every archive.

use std::collections::BTreeSet;

use strata_coordinator::{
    access::sight::Sight,
    ports::{Archive, Forget, Keep, MOST_BOUND, Submission},
};
use strata_proto::v1::{
    Report, ReportSummary, Scan, ScanFinished, ScanState, SearchReportsRequest, SourceContext, SubmitRequest,
    SubmittedVerdict, event::Kind,
};

use super::suite::{event, new_report, report};

const COMMIT: &str = "9d91119100000000000000000000000000000001";

pub(super) fn submission(scan: &str, id: &str, config: &str, prefixes: &[&str]) -> Submission {
    let references = vec![format!("docker-archive:{id}.tar")];
    let source = SourceContext {
        commit: COMMIT.to_owned(),
        branch: "main".to_owned(),
        tag: "v1".to_owned(),
        build_id: format!("4242/{id}"),
        repository: "https://forge.example/acme/app".to_owned(),
        ..SourceContext::default()
    };
    let request = SubmitRequest {
        images: references.clone(),
        idempotency_key: format!("submission:{id}"),
        source: Some(source),
        ..SubmitRequest::default()
    };
    let mut record = Scan {
        id: scan.to_owned(),
        request: Some(request),
        owner: "token:ci".to_owned(),
        verdict: Some(SubmittedVerdict { status: "failed".to_owned(), exit_code: 1, ..Default::default() }),
        ..Scan::default()
    };
    record.set_state(ScanState::Completed);
    Submission {
        events: vec![event(scan, 1, Kind::Finished(ScanFinished::default()))],
        scan: record,
        report_id: id.to_owned(),
        references,
        report: Report {
            config_digest: config.to_owned(),
            submitted_by: "ci (token:ci)".to_owned(),
            ..report(config, &["submitted"], &["CVE-2010-1"])
        },
        prefixes: prefixes.iter().map(|text| text.parse().expect("a prefix")).collect(),
        at_unix_ms: 1_000,
    }
}

/// A report that the cluster made of an image in a registry.
pub(super) async fn pushed(archive: &dyn Archive, image: &str, config: &str, reference: &str) {
    let report = Report { config_digest: config.to_owned(), ..report(image, &[], &[]) };
    let names = [reference.to_owned()];
    let id = format!("own of {image}");
    archive.put_report(new_report(&id, &report, 2_000), "sweep", &names).await.expect("stored");
}

pub(super) async fn found(
    archive: &dyn Archive,
    edit: impl FnOnce(&mut SearchReportsRequest),
) -> Vec<ReportSummary> {
    seen(archive, &Sight::default(), edit).await
}

pub(super) async fn seen(
    archive: &dyn Archive,
    sight: &Sight,
    edit: impl FnOnce(&mut SearchReportsRequest),
) -> Vec<ReportSummary> {
    let mut query = SearchReportsRequest { limit: 100, ..SearchReportsRequest::default() };
    edit(&mut query);
    archive.search(&query, sight).await.expect("searched")
}

pub(super) fn ids(found: &[ReportSummary]) -> Vec<&str> {
    found.iter().map(|one| one.report_id.as_str()).collect()
}

pub(super) async fn what_is_submitted_is_there_once_and_found<A: Archive + Forget>(archive: &A) {
    it_is_recorded_once_and_marked(archive).await;
    it_is_bound_in_whatever_order_the_two_come(archive).await;
    it_comes_to_no_repository_that_its_submitter_may_not_name(archive).await;
    many_manifests_are_bounded(archive).await;
    it_does_not_push_out_what_the_cluster_made(archive).await;
}

async fn it_is_recorded_once_and_marked(archive: &dyn Archive) {
    let first = submission("10a", "sub-1", "sha256:config-1", &[]);
    let taken = archive.submit_report(&first).await.expect("taken");
    assert_eq!((taken.scan.id.as_str(), taken.known, taken.bound.len()), ("10a", false, 0));
    let again = Submission { scan: Scan { id: "10b".to_owned(), ..first.scan.clone() }, ..first.clone() };
    let taken = archive.submit_report(&again).await.expect("taken");
    assert_eq!((taken.scan.id.as_str(), taken.known), ("10a", true), "the same submission");
    assert_eq!(archive.scan("10b").await.expect("read"), None);
    assert_eq!(archive.events("10a", 0, 9).await.expect("read").len(), 1);
    // The same report of another build: one report, another record.
    let mut other = submission("10c", "sub-1", "sha256:config-1", &[]);
    let request = other.scan.request.as_mut().expect("a request");
    "another".clone_into(&mut request.idempotency_key);
    request.source.as_mut().expect("a source").branch = "topic".to_owned();
    let taken = archive.submit_report(&other).await.expect("taken");
    assert_eq!((taken.scan.id.as_str(), taken.known), ("10c", true));
    let found = found(archive, |query| query.package = "submitted".to_owned()).await;
    let [one] = found.as_slice() else { panic!("one report: {found:?}") };
    assert_eq!((one.submitted_by.as_str(), one.config_digest.as_str()), ("ci (token:ci)", "sha256:config-1"));
    let origins: Vec<_> = one
        .origins
        .iter()
        .map(|origin| (origin.scan_id.as_str(), origin.source.clone().unwrap_or_default().branch))
        .collect();
    assert_eq!(origins, [("10c", "topic".to_owned()), ("10a", "main".to_owned())], "the newest first");
    assert_eq!(one.origins[0].verdict.clone().map(|verdict| verdict.exit_code), Some(1));
    every_field_finds_it(archive).await;
}

async fn every_field_finds_it(archive: &dyn Archive) {
    type Edit = fn(&mut SearchReportsRequest, String);
    let fields: [(Edit, &[&str], &[&str]); 8] = [
        (|query, text| query.commit = text, &[COMMIT, "9d91119"], &["9d91118", "19d9111"]),
        (|query, text| query.branch = text, &["main", "topic"], &["mai", "' OR '1'='1"]),
        (|query, text| query.tag = text, &["v1"], &["v", "v1.0"]),
        (|query, text| query.build_id = text, &["4242/sub-1", "4242"], &["424", "4242/", "4242/sub"]),
        (
            |query, text| query.repository = text,
            &["https://forge.example/acme/app", "acme/app", "app"],
            &["pp", "acme", "https://forge.example/acme/app/", "forge.example/acme/ap", "%"],
        ),
        (|query, text| query.image_id = text, &["sha256:config-1"], &["sha256:config", "sha256:config-11"]),
        (|query, text| query.image_digest = text, &["sha256:config-1"], &["sha256:image-1"]),
        (|query, text| query.report_id = text, &["sub-1"], &["sub-2"]),
    ];
    for (number, (edit, finds, misses)) in fields.into_iter().enumerate() {
        for text in finds {
            let found = found(archive, |query| edit(query, (*text).to_owned())).await;
            assert_eq!(ids(&found), ["sub-1"], "field {number}: `{text}`");
        }
        for text in misses {
            let found = found(archive, |query| edit(query, (*text).to_owned())).await;
            assert_eq!(ids(&found), [""; 0], "field {number}: `{text}`");
        }
    }
    let between = |since: i64, until: i64| {
        found(archive, move |query| {
            (query.since_unix_ms, query.until_unix_ms) = (since, until);
            query.package = "submitted".to_owned();
        })
    };
    assert_eq!(between(1_000, 1_001).await.len(), 1);
    assert_eq!(between(1_001, 0).await.len() + between(0, 1_000).await.len(), 0);
    // All of it must hold of one and the same scan.
    let mixed = |query: &mut SearchReportsRequest| {
        (query.branch, query.build_id) = ("topic".to_owned(), "4243".to_owned());
    };
    assert!(found(archive, mixed).await.is_empty());
}

async fn it_is_bound_in_whatever_order_the_two_come(archive: &dyn Archive) {
    for (number, first) in [("2", "scan"), ("3", "push")] {
        let (config, image) = (format!("sha256:config-{number}"), format!("sha256:image-{number}"));
        let submission = submission(&format!("10-{number}"), &format!("sub-{number}"), &config, &[]);
        let reference = format!("r.example/ten/{number}:1");
        if first == "scan" {
            archive.submit_report(&submission).await.expect("taken");
            let unbound = found(archive, |query| query.image_digest.clone_from(&image)).await;
            assert_eq!(ids(&unbound), [""; 0]);
        }
        pushed(archive, &image, &config, &reference).await;
        if first == "push" {
            let taken = archive.submit_report(&submission).await.expect("taken");
            assert_eq!(taken.bound, std::slice::from_ref(&image));
        }
        // The next sweep finds the image unchanged, under another tag.
        let more = [format!("r.example/ten/{number}:2")];
        let own = format!("own of {image}");
        assert!(archive.add_references(&own, "sweep 2", &more).await.expect("named"));
        let found = found(archive, |query| query.image_digest.clone_from(&image)).await;
        let id = format!("sub-{number}");
        let both: BTreeSet<&str> = ids(&found).into_iter().collect();
        assert_eq!(both, BTreeSet::from([own.as_str(), id.as_str()]), "the {first} comes first");
        let (submitted, own) = match found.as_slice() {
            [one, other] if one.report_id == id => (one, other),
            [one, other] => (other, one),
            _ => unreachable!("two were found"),
        };
        assert_eq!(submitted.bound_digests, [image]);
        assert_eq!(submitted.image_digest, config, "what it says itself stays");
        let want = [format!("docker-archive:{id}.tar"), reference, format!("r.example/ten/{number}:2")];
        assert_eq!(submitted.references, want, "the {first} comes first");
        assert_eq!((own.submitted_by.as_str(), own.bound_digests.len()), ("", 0));
        let other = self::found(archive, |query| query.image_id.clone_from(&config)).await;
        assert_eq!(other.len(), 2);
    }
}

async fn it_comes_to_no_repository_that_its_submitter_may_not_name(archive: &dyn Archive) {
    pushed(archive, "sha256:image-4", "sha256:config-4", "r.example/theirs/app:1").await;
    let limited = submission("10-4", "sub-4", "sha256:config-4", &["r.example/ours"]);
    assert_eq!(archive.submit_report(&limited).await.expect("taken").bound, [""; 0]);
    let sight = Sight { prefixes: vec!["r.example/ours".parse().expect("a prefix")], ..Sight::default() };
    let of_the_commit = |query: &mut SearchReportsRequest| {
        (query.commit, query.image_id) = (COMMIT.to_owned(), "sha256:config-4".to_owned());
    };
    assert!(
        seen(archive, &sight, of_the_commit).await.is_empty(),
        "it has no name in their repositories yet"
    );
    pushed(archive, "sha256:image-4b", "sha256:config-4", "r.example/ours/app:1").await;
    let found = seen(archive, &sight, of_the_commit).await;
    assert_eq!(ids(&found), ["sub-4"], "found by a commit that only the archive's own name tells");
    assert_eq!(found[0].references, ["r.example/ours/app:1"]);
    assert_eq!(found[0].bound_digests, ["sha256:image-4b"]);
    assert_eq!(found[0].origins.len(), 1);
    let theirs = Sight { prefixes: vec!["r.example/theirs".parse().expect("a prefix")], ..Sight::default() };
    assert!(seen(archive, &theirs, of_the_commit).await.is_empty());
}

async fn many_manifests_are_bounded(archive: &dyn Archive) {
    archive.submit_report(&submission("10-5", "sub-5", "sha256:config-5", &[])).await.expect("taken");
    for number in 0..MOST_BOUND + 5 {
        let image = format!("sha256:image-5-{number:02}");
        pushed(archive, &image, "sha256:config-5", "r.example/five:1").await;
    }
    let found = found(archive, |query| query.report_id = "sub-5".to_owned()).await;
    assert_eq!(found[0].bound_digests.len(), usize::try_from(MOST_BOUND).expect("small"));
    assert_eq!(found[0].bound_digests[0], "sha256:image-5-00", "the first that were seen");
}

async fn it_does_not_push_out_what_the_cluster_made<A: Archive + Forget>(archive: &A) {
    let own = report("sha256:image-6", &[], &[]);
    archive.put_report(new_report("own-6", &own, 3_000), "gone", &[]).await.expect("stored");
    let mut newer = submission("10-6", "sub-6", "sha256:config-6", &[]);
    newer.report.image_digest = "sha256:image-6".to_owned();
    archive.submit_report(&newer).await.expect("taken");
    let keep = Keep { latest_from_unix_ms: i64::MIN, ..Keep::default() };
    let mut after = Some(0);
    while let Some(number) = after {
        after = archive.forget_reports(&keep, number).await.expect("forgotten").1;
    }
    assert!(archive.report("own-6").await.expect("read").is_some(), "the newest that the cluster made");
}
