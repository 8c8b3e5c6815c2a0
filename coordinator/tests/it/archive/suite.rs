//! What every archive promises.

use std::sync::Arc;

use strata_coordinator::{
    access::{sight::Sight, token::mint},
    ports::{Archive, Forget, NewReport, Tokens},
};
use strata_proto::v1::{
    CreateTokenRequest, Event, Finding, ImageReported, ImageSkipped, Package, Report, Scan, ScanFinished,
    ScanStarted, ScanState, SearchReportsRequest, SubmitRequest, Summary, event::Kind,
};

use super::{forget, many, submitted, tagged};

/// Runs the whole suite on one empty archive.
pub(super) async fn conformance<A: Archive + Tokens + Forget + 'static>(archive: Arc<A>) {
    tokens_are_kept_and_end_once(&*archive).await;
    forget::old_tokens_go(&*archive).await;
    let all = Arc::clone(&archive);
    let archive: Arc<dyn Archive> = archive;
    scans_are_recorded_listed_and_updated(&*archive).await;
    an_idempotency_key_names_one_scan(Arc::clone(&archive)).await;
    events_stay_as_they_were_first_appended(&*archive).await;
    many_events_are_read_in_pages(&*archive).await;
    reports_are_stored_once_with_all_their_references(&*archive).await;
    what_is_there_is_known_and_gets_further_references(&*archive).await;
    many::several_at_once(&*archive).await;
    many::new_ones_beside_known_ones(&*archive).await;
    every_field_of_a_search_must_match(&*archive).await;
    hostile_names_are_stored_and_found(&*archive).await;
    what_is_hidden_is_not_found(&*archive).await;
    forget::a_large_request_outlasts_updates(&*archive).await;
    writers_at_once_do_not_fail(archive).await;
    forget::what_is_old_goes(&*all).await;
    submitted::what_is_submitted_is_there_once_and_found(&*all).await;
    tagged::what_is_told_of_an_image_comes_to_its_reports(&*all).await;
}

async fn tokens_are_kept_and_end_once(tokens: &dyn Tokens) {
    assert!(!tokens.any_token().await.expect("read"));
    let mut made = Vec::new();
    for (at, name) in [(5, "b"), (7, "a")] {
        let request = CreateTokenRequest {
            name: name.to_owned(),
            scopes: names(&["read", "scan"]),
            prefixes: names(&["r.example/team"]),
            expires_unix_ms: 99,
        };
        let (stored, secret) = mint(request, at).expect("made");
        tokens.add_token(&stored).await.expect("kept");
        assert!(tokens.add_token(&stored).await.is_err(), "an id is there once");
        assert_eq!(tokens.token(&stored.token.id).await.expect("read"), Some(stored.clone()));
        assert!(stored.verify(&secret, 98).is_ok());
        made.push(stored);
    }
    assert!(tokens.any_token().await.expect("read"));
    assert_eq!(tokens.tokens().await.expect("listed"), made);
    let id = made[0].token.id.clone();
    for at in [50, 60] {
        let revoked = tokens.revoke_token(&id, at).await.expect("revoked").expect("there is one");
        assert_eq!(revoked.token.revoked_unix_ms, 50, "what was revoked stays as it is");
    }
    assert_eq!(tokens.token(&made[1].token.id).await.expect("read"), Some(made[1].clone()));
    assert_eq!(tokens.revoke_token("none", 1).await.expect("looked"), None);
    assert_eq!(tokens.token("' OR 1=1 --").await.expect("looked"), None);
}

async fn what_is_hidden_is_not_found(archive: &dyn Archive) {
    for (id, owner) in [("00a", "token:a"), ("00b", "token:b")] {
        let scan = Scan { owner: owner.to_owned(), ..scan(id, ScanState::Completed, "") };
        archive.create_scan(&scan).await.expect("recorded");
    }
    for (id, references) in [
        ("hide-1", [("00a", "h.example/team/app:1"), ("00b", "h.example/teamwork:1")]),
        ("hide-2", [("00b", "h.example/other:1"), ("00b", "h.example:5000/team/app:1")]),
        ("hide-3", [("00a", "h.example/other:2"), ("00b", "h.example/team@sha256:3")]),
    ] {
        for (scan, reference) in references {
            let report = report(id, &["hidden"], &[]);
            archive.put_report(new_report(id, &report, 1), scan, &names(&[reference])).await.expect("stored");
        }
    }
    let sight = |prefixes: &[&str], own: Option<&str>| Sight {
        owner: own.unwrap_or_default().to_owned(),
        own_only: own.is_some(),
        prefixes: prefixes.iter().map(|text| text.parse().expect("a prefix")).collect(),
        ..Sight::default()
    };
    for (sight, want) in [
        (sight(&[], None), vec![("hide-3", 2), ("hide-2", 2), ("hide-1", 2)]),
        (sight(&["h.example/team"], None), vec![("hide-3", 1), ("hide-1", 1)]),
        (sight(&["h.example"], None), vec![("hide-3", 2), ("hide-2", 1), ("hide-1", 2)]),
        (sight(&["h.example:5000", "h.example/teamwork"], None), vec![("hide-2", 1), ("hide-1", 1)]),
        (sight(&["h.example/tea"], None), vec![]),
        (sight(&[], Some("token:a")), vec![("hide-3", 1), ("hide-1", 1)]),
        (sight(&["h.example/team"], Some("token:a")), vec![("hide-1", 1)]),
        (sight(&[], Some("token:c")), vec![]),
    ] {
        let query = SearchReportsRequest { package: "hidden".to_owned(), limit: 9, ..Default::default() };
        let found = archive.search(&query, &sight).await.expect("searched");
        let found: Vec<_> = found.iter().map(|one| (one.report_id.as_str(), one.references.len())).collect();
        assert_eq!(found, want, "{sight:?}");
        for id in ["hide-1", "hide-2", "hide-3", "none"] {
            let shown = archive.shows_report(id, &sight).await.expect("looked");
            assert_eq!(shown, found.iter().any(|(found, _)| *found == id), "{id} {sight:?}");
        }
    }
}

pub(super) fn scan(id: &str, state: ScanState, key: &str) -> Scan {
    let request = SubmitRequest {
        images: vec!["r.example/a:1".to_owned()],
        idempotency_key: key.to_owned(),
        ..SubmitRequest::default()
    };
    let mut scan = Scan { id: id.to_owned(), request: Some(request), created_unix_ms: 5, ..Scan::default() };
    scan.set_state(state);
    scan
}

pub(super) fn event(scan: &str, sequence: u64, kind: Kind) -> Event {
    Event { sequence, scan_id: scan.to_owned(), time_unix_ms: 1, kind: Some(kind) }
}

fn ids(scans: &[Scan]) -> Vec<&str> {
    scans.iter().map(|scan| scan.id.as_str()).collect()
}

async fn scans_are_recorded_listed_and_updated(archive: &dyn Archive) {
    for id in ["01a", "01b", "01c"] {
        let new = scan(id, ScanState::Running, "");
        assert_eq!(archive.create_scan(&new).await.expect("recorded"), new);
        assert_eq!(archive.create_scan(&new).await.expect("the same again"), new);
    }
    assert_eq!(archive.scan("01b").await.expect("read"), Some(scan("01b", ScanState::Running, "")));
    assert_eq!(archive.scan("01x").await.expect("read"), None);
    assert_eq!(ids(&archive.scans(10, "").await.expect("listed")), ["01c", "01b", "01a"]);
    assert_eq!(ids(&archive.scans(1, "01c").await.expect("listed")), ["01b"]);
    assert_eq!(ids(&archive.running().await.expect("listed")), ["01a", "01b", "01c"]);
    let mut done = scan("01b", ScanState::Completed, "");
    done.summary = Some(Summary { images: 7, ..Summary::default() });
    done.finished_unix_ms = 9;
    archive.update_scan(&done).await.expect("updated");
    // What was written while it ran comes late.
    archive.update_scan(&scan("01b", ScanState::Running, "")).await.expect("nothing to do");
    assert_eq!(archive.scan("01b").await.expect("read"), Some(done));
    assert_eq!(ids(&archive.running().await.expect("listed")), ["01a", "01c"]);
    for (id, state, database) in [
        ("01d", ScanState::Running, "sha256:b"),
        ("01e", ScanState::Running, "sha256:a"),
        ("01f", ScanState::Running, "sha256:b"),
        ("01g", ScanState::Completed, "sha256:done"),
    ] {
        let pinned = Scan { database_digest: database.to_owned(), ..scan(id, state, "") };
        assert_eq!(archive.create_scan(&pinned).await.expect("recorded"), pinned);
    }
    assert_eq!(archive.pinned().await.expect("listed"), ["sha256:a", "sha256:b"]);
    let ended = Scan { database_digest: "sha256:a".to_owned(), ..scan("01e", ScanState::Cancelled, "") };
    archive.update_scan(&ended).await.expect("updated");
    assert_eq!(archive.pinned().await.expect("listed"), ["sha256:b"]);
}

async fn an_idempotency_key_names_one_scan(archive: Arc<dyn Archive>) {
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let archive = Arc::clone(&archive);
            let new = scan(&format!("02{number}"), ScanState::Completed, "the key");
            tokio::spawn(async move { archive.create_scan(&new).await.expect("recorded").id })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.push(task.await.expect("no panic"));
    }
    winners.dedup();
    assert_eq!(winners.len(), 1, "eight submissions at once with one key made several scans: {winners:?}");
    // An updated scan keeps its key.
    archive.update_scan(&scan(&winners[0], ScanState::Cancelled, "the key")).await.expect("updated");
    let again = archive.create_scan(&scan("029", ScanState::Running, "the key")).await.expect("recorded");
    assert_eq!((again.id.as_str(), again.state()), (winners[0].as_str(), ScanState::Cancelled));
}

async fn events_stay_as_they_were_first_appended(archive: &dyn Archive) {
    let skipped =
        |code: &str| Kind::Skipped(ImageSkipped { code: code.to_owned(), ..ImageSkipped::default() });
    let first = vec![
        event("03", 1, Kind::Started(ScanStarted {})),
        event("03", 2, skipped("first")),
        event("other", 1, Kind::Started(ScanStarted {})),
    ];
    archive.append(&first).await.expect("appended");
    let again = vec![event("03", 2, skipped("second")), event("03", 3, skipped("third"))];
    archive.append(&again).await.expect("appended");
    archive.append(&[]).await.expect("nothing to append");
    let want = vec![first[0].clone(), first[1].clone(), again[1].clone()];
    assert_eq!(archive.events("03", 0, 10).await.expect("read"), want);
    assert_eq!(archive.events("03", 1, 1).await.expect("read"), want[1..2]);
    assert_eq!(archive.events("03", 3, 10).await.expect("read"), []);
    assert_eq!(archive.events("03", u64::MAX, 10).await.expect("read"), []);
    assert_eq!(archive.events("none", 0, 10).await.expect("read"), []);
}

async fn many_events_are_read_in_pages(archive: &dyn Archive) {
    let finished = Kind::Finished(ScanFinished::default());
    let events: Vec<Event> = (1..=2_500).map(|sequence| event("04", sequence, finished.clone())).collect();
    archive.append(&events).await.expect("appended");
    let mut read = Vec::new();
    loop {
        let page = archive.events("04", read.len() as u64, 1_000).await.expect("read");
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, events);
}

pub(super) fn report(image: &str, packages: &[&str], vulnerabilities: &[&str]) -> Report {
    Report {
        image_digest: image.to_owned(),
        packages: packages
            .iter()
            .map(|name| Package { name: (*name).to_owned(), ..Package::default() })
            .collect(),
        findings: vulnerabilities
            .iter()
            .map(|id| Finding {
                id: (*id).to_owned(),
                aliases: vec![format!("GHSA-of-{id}")],
                severity: 5,
                ..Finding::default()
            })
            .collect(),
        database_digest: "sha256:db".to_owned(),
        ..Report::default()
    }
}

/// A report that was stored then.
pub(super) fn new_report<'a>(id: &'a str, report: &'a Report, stored_unix_ms: i64) -> NewReport<'a> {
    NewReport { id, report, asked: None, stored_unix_ms, assessed_unix_ms: 0 }
}

pub(super) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

async fn reports_are_stored_once_with_all_their_references(archive: &dyn Archive) {
    let stored = report("sha256:05", &["zlib", "musl"], &["CVE-2005-1"]);
    let references = names(&["r.example/five:1", "r.example/five:2"]);
    archive.put_report(new_report("05", &stored, 100), "s1", &references).await.expect("stored");
    archive.put_report(new_report("05", &stored, 100), "s1", &references).await.expect("the same again");
    archive
        .put_report(new_report("05", &stored, 900), "s2", &names(&["r.example/five:3"]))
        .await
        .expect("more references");
    assert_eq!(archive.report("05").await.expect("read"), Some(stored));
    assert_eq!(archive.report("none").await.expect("read"), None);
    let query =
        SearchReportsRequest { image_digest: "sha256:05".to_owned(), limit: 10, ..Default::default() };
    let found = archive.search(&query, &Sight::default()).await.expect("searched");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].references, ["r.example/five:1", "r.example/five:2", "r.example/five:3"]);
    assert_eq!((found[0].packages, found[0].problems, found[0].created_unix_ms), (2, 0, 100));
    assert_eq!(found[0].findings.map(|counts| counts.critical), Some(1));
    assert_eq!(found[0].database_digest, "sha256:db");
    assert_eq!(found[0].report_id, "05");
}

async fn what_is_there_is_known_and_gets_further_references(archive: &dyn Archive) {
    for (id, at) in [("known-1", 100), ("known-2", 200)] {
        let stored = report(&format!("sha256:{id}"), &["zlib"], &["CVE-2008-1"]);
        archive
            .put_report(new_report(id, &stored, at), "s1", &names(&["r.example/eight:1"]))
            .await
            .expect("stored");
    }
    let mut known = archive.known_reports(&names(&["known-2", "none", "known-1"])).await.expect("looked");
    known.sort_by(|a, b| a.report_id.cmp(&b.report_id));
    let found: Vec<_> = known
        .iter()
        .map(|summary| (summary.report_id.as_str(), summary.created_unix_ms, summary.packages))
        .collect();
    assert_eq!(found, [("known-1", 100, 1), ("known-2", 200, 1)]);
    assert!(known.iter().all(|summary| summary.findings.is_some_and(|counts| counts.critical == 1)));
    assert!(archive.known_reports(&[]).await.expect("looked").is_empty());
    let more = names(&["r.example/eight:1", "r.example/eight:2"]);
    for _ in 0..2 {
        assert!(archive.add_references("known-1", "s2", &more).await.expect("named"));
    }
    assert!(!archive.add_references("none", "s2", &more).await.expect("looked"));
    let query =
        SearchReportsRequest { image_digest: "sha256:known-1".to_owned(), limit: 10, ..Default::default() };
    let found = archive.search(&query, &Sight::default()).await.expect("searched");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].references, ["r.example/eight:1", "r.example/eight:2"]);
}

async fn every_field_of_a_search_must_match(archive: &dyn Archive) {
    for (id, reference, packages, ids, at) in [
        ("06a", "r.example/six/web:1", ["openssl", "curl"], ["CVE-2006-1", "CVE-2006-2"], 600),
        ("06b", "r.example/six/api:1", ["openssl", "zstd"], ["CVE-2006-2", "CVE-2006-3"], 700),
        ("06c", "r.example/six/100%:1", ["zstd", "gzip"], ["CVE-2006-3", "CVE-2006-4"], 650),
    ] {
        let report = report(&format!("sha256:{id}"), &packages, &ids);
        archive.put_report(new_report(id, &report, at), "s", &names(&[reference])).await.expect("stored");
    }
    let query = |edit: fn(&mut SearchReportsRequest)| {
        let mut query =
            SearchReportsRequest { reference: "/six/".to_owned(), limit: 10, ..Default::default() };
        edit(&mut query);
        query
    };
    for (query, want) in [
        (query(|_| {}), vec!["06c", "06b", "06a"]),
        (query(|q| q.limit = 2), vec!["06c", "06b"]),
        (query(|q| q.package = "openssl".to_owned()), vec!["06b", "06a"]),
        (query(|q| q.package = "OpenSSL".to_owned()), vec![]),
        (query(|q| q.vulnerability = "cve-2006-3".to_owned()), vec!["06c", "06b"]),
        (query(|q| q.vulnerability = "GHSA-of-CVE-2006-4".to_owned()), vec!["06c"]),
        (query(|q| q.vulnerability = "CVE-2006".to_owned()), vec![]),
        (query(|q| q.reference = "0%".to_owned()), vec!["06c"]),
        (query(|q| q.reference = "s_x".to_owned()), vec![]),
        (query(|q| q.reference = "' OR 1=1 --".to_owned()), vec![]),
        (
            query(|q| {
                q.package = "openssl".to_owned();
                q.vulnerability = "CVE-2006-3".to_owned();
                q.image_digest = "sha256:06b".to_owned();
            }),
            vec!["06b"],
        ),
        (
            query(|q| {
                q.package = "gzip".to_owned();
                q.vulnerability = "CVE-2006-1".to_owned();
            }),
            vec![],
        ),
    ] {
        let found = archive.search(&query, &Sight::default()).await.expect("searched");
        let found: Vec<&str> = found.iter().map(|summary| summary.report_id.as_str()).collect();
        assert_eq!(found, want, "{query:?}");
    }
}

/// Names come from images: they may be of any length and hold any character.
async fn hostile_names_are_stored_and_found(archive: &dyn Archive) {
    let long = "n".repeat(100_000);
    let report = report("sha256:07", &[&long, "zero\0byte", "", "quo\"te'\\"], &["\0", "CVE-\u{1f4a5}"]);
    archive
        .put_report(new_report("07", &report, 1), "s", &names(&["r.example/seven:1"]))
        .await
        .expect("stored");
    assert_eq!(archive.report("07").await.expect("read"), Some(report));
    for package in ["zerobyte", "quo\"te'\\"] {
        let query = SearchReportsRequest { package: package.to_owned(), limit: 5, ..Default::default() };
        assert_eq!(archive.search(&query, &Sight::default()).await.expect("searched").len(), 1, "{package}");
    }
}

async fn writers_at_once_do_not_fail(archive: Arc<dyn Archive>) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 12;
    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let archive = Arc::clone(&archive);
            tokio::spawn(async move {
                let scan = format!("08-{writer}");
                for sequence in 1..=EACH {
                    let reported = Kind::Reported(ImageReported::default());
                    archive.append(&[event(&scan, sequence, reported)]).await.expect("appended");
                    let id = format!("08-{sequence}");
                    // All writers store the same reports with the same terms.
                    let report = report(&id, &["shared", &id, "other"], &["CVE-8-1", "CVE-8-2", &id]);
                    archive
                        .put_report(new_report(&id, &report, 1), &scan, &[format!("r/{scan}")])
                        .await
                        .expect("stored");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    for writer in 0..WRITERS {
        let events = archive.events(&format!("08-{writer}"), 0, 1_000).await.expect("read");
        assert_eq!(events.len() as u64, EACH);
    }
    let query = SearchReportsRequest { package: "shared".to_owned(), limit: 100, ..Default::default() };
    let found = archive.search(&query, &Sight::default()).await.expect("searched");
    assert_eq!(found.len() as u64, EACH);
    assert!(found.iter().all(|summary| summary.references.len() as u64 == WRITERS), "{found:?}");
}
