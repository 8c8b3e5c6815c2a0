//! Images whose report is in the archive.

use std::collections::BTreeMap;

use strata_proto::{
    subject,
    v1::{ReportSummary, SeverityCounts, SubmitRequest, event::Kind},
};

use super::{
    super::{Command, CopyOf, Known, LookUp, PlanEvent},
    bench::{self, Bench, digest, image, images},
};

const DATABASE: &str = "sha256:db";

fn id(of: &str) -> String {
    subject::report_id(&digest(of), "linux/amd64", "f", DATABASE)
}

fn asked(commands: &[Command]) -> Option<LookUp> {
    commands.iter().find_map(|command| match command {
        Command::LookUp(look_up) => Some(look_up.clone()),
        _ => None,
    })
}

fn summary(of: &str, created_unix_ms: i64) -> (String, Known) {
    let summary = ReportSummary {
        report_id: id(of),
        packages: 7,
        problems: 1,
        findings: Some(SeverityCounts { high: 2, ..SeverityCounts::default() }),
        created_unix_ms,
        ..ReportSummary::default()
    };
    (id(of), summary.into())
}

/// Two names of one image that is known, and one that is not.
fn ask(bench: &mut Bench) -> LookUp {
    bench.submit_with("s", images(&["r.example/a:1", "r.example/a:2", "r.example/b:1"]), DATABASE);
    let resolve = bench.only_job("resolve");
    let commands = bench.resolve_by(
        "f",
        &resolve,
        &[
            ("r.example/a:1", image("a", &["base"], &[])),
            ("r.example/a:2", image("a", &["base"], &[])),
            ("r.example/b:1", image("b", &["base"], &["base"])),
        ],
    );
    let look_up = asked(&commands).expect("a question");
    let mut wanted: Vec<_> = look_up.wanted.iter().map(|sought| sought.report_id.clone()).collect();
    wanted.sort();
    let mut expected = vec![id("a"), id("b")];
    expected.sort();
    assert_eq!(wanted, expected, "each image once");
    assert!(bench.jobs("index").is_empty() && bench.jobs("assess").is_empty(), "work before the answer");
    look_up
}

#[test]
fn what_the_archive_knows_is_unchanged_and_the_rest_is_assessed() {
    for (made, unchanged) in [(999, true), (1_000, false)] {
        let mut bench = Bench::default();
        let look_up = ask(&mut bench).look_up;
        let known = BTreeMap::from([summary("a", made)]);
        let commands = bench.apply(PlanEvent::LookedUp { look_up, known });
        let stores = bench::stores(&commands);
        assert_eq!(stores.len(), 1);
        assert_eq!((stores[0].parcel.as_deref(), stores[0].report_id.as_str()), (None, &*id("a")));
        let names = vec!["r.example/a:1".to_owned(), "r.example/a:2".to_owned()];
        assert_eq!(stores[0].wanted_by, [("s".to_owned(), names)]);
        assert_eq!(bench.jobs("assess").len(), 1, "the other image");
        bench.apply(PlanEvent::Stored { store: stores[0].store });
        let ledger = bench.plan.scan("s").and_then(|scan| scan.summary?.ledger).expect("a ledger");
        let want = if unchanged { (3, 0, 2) } else { (3, 2, 0) };
        assert_eq!((ledger.enumerated, ledger.reported, ledger.unchanged), want, "made at {made}");
        let told = bench.events("s").find_map(|kind| match kind {
            Kind::Reported(reported) => Some((reported.unchanged, reported.packages, reported.problems)),
            _ => None,
        });
        assert_eq!(told, Some((unchanged, 7, 1)));
        let summary = bench.plan.scan("s").and_then(|scan| scan.summary).expect("a summary");
        assert_eq!((summary.images, summary.packages, summary.distinct_layers), (1, 7, 1));
        assert_eq!(summary.findings.map(|counts| counts.high), Some(2));
    }
}

#[test]
fn a_report_that_is_forgotten_before_it_is_used_is_made_again() {
    let mut bench = Bench::default();
    let look_up = ask(&mut bench).look_up;
    let commands = bench.apply(PlanEvent::LookedUp { look_up, known: BTreeMap::from([summary("a", 0)]) });
    bench.apply(PlanEvent::Lost { store: bench::stores(&commands)[0].store });
    let resolve = bench.only_job("resolve");
    let found =
        ["r.example/a:1", "r.example/a:2"].map(|reference| (reference, image("a", &["base"], &["base"])));
    let again = asked(&bench.resolve_by("f", &resolve, &found)).expect("a question");
    bench.take("assess");
    bench.apply(PlanEvent::LookedUp { look_up: again.look_up, known: BTreeMap::new() });
    assert_eq!(bench.jobs("assess").len(), 1);
    assert!(bench.events("s").all(|kind| !matches!(kind, Kind::Failed(_))));
}

#[test]
fn a_scan_that_ended_before_the_answer_wants_nothing() {
    let mut bench = Bench::default();
    let look_up = ask(&mut bench).look_up;
    bench.apply(PlanEvent::Cancel { scan: "s".to_owned() });
    let known = BTreeMap::from([summary("a", 0)]);
    assert_eq!(bench.apply(PlanEvent::LookedUp { look_up, known }), []);
}

#[test]
fn nobody_asks_where_the_report_cannot_be_named() {
    let plain = images(&["r.example/a:1"]);
    let vex = SubmitRequest { attached_vex: true, ..plain.clone() };
    for (request, database, fingerprint) in [(&plain, "", "f"), (&plain, DATABASE, ""), (&vex, DATABASE, "f")]
    {
        let mut bench = Bench::default();
        bench.submit_with("s", request.clone(), database);
        let resolve = bench.only_job("resolve");
        let found = [("r.example/a:1", image("a", &["base"], &["base"]))];
        assert_eq!(asked(&bench.resolve_by(fingerprint, &resolve, &found)), None);
        assert_eq!(bench.jobs("assess").len(), 1, "{database} {fingerprint}");
    }
}

#[test]
fn what_another_database_says_too_is_copied_and_unchanged() {
    let mut bench = Bench::default();
    let look_up = ask(&mut bench);
    let sought = look_up.wanted.iter().find(|sought| sought.report_id == id("a")).expect("asked");
    assert_eq!((&*sought.image_digest, &*sought.platform), (&*digest("a"), "linux/amd64"));
    assert_eq!((&*sought.fingerprint, sought.assessor, &*sought.database), ("f", 7, DATABASE));
    assert!(!look_up.many, "images by name");
    let copy_of = CopyOf {
        report_id: "older".to_owned(),
        database_digest: DATABASE.to_owned(),
        database_modified: "2026-01-02T00:00:00Z".to_owned(),
        assessed_unix_ms: 999,
    };
    let (of, mut known) = summary("a", 5_000);
    known.summary.assessed_unix_ms = 999;
    known.copy_of = Some(copy_of.clone());
    let known = BTreeMap::from([(of, known)]);
    let commands = bench.apply(PlanEvent::LookedUp { look_up: look_up.look_up, known });
    let stores = bench::stores(&commands);
    assert_eq!(stores.len(), 1, "one copy for both names");
    assert_eq!(
        (&stores[0].copy_of, &stores[0].parcel, &*stores[0].report_id),
        (&Some(copy_of), &None, &*id("a"))
    );
    bench.apply(PlanEvent::Stored { store: stores[0].store });
    let ledger = bench.plan.scan("s").and_then(|scan| scan.summary?.ledger).expect("a ledger");
    assert_eq!((ledger.enumerated, ledger.reported, ledger.unchanged), (3, 0, 2), "as old as its origin");
}
