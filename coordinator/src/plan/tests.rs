//! Events → commands, case by case. The schedules that nobody thinks of are in `simulation.rs`.

mod bench;
mod known;
mod patience;
mod several;
mod skew;
mod tables;
mod under_way;

use strata_proto::v1::{Lane, RegistryTarget, Retry, ScanState, SubmitRequest, event::Kind, job::Verb};

use self::bench::{Bench, failure, image, images, listed, sweep};
use super::{Command, PlanConfig, PlanEvent, Publication};

#[test]
fn one_image_goes_from_submission_to_its_end() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    let resolve = bench.only_job("resolve");
    bench.resolve(&resolve, &[("r.example/a:1", image("a", &["base", "top"], &[]))]);
    let layers = bench.jobs("index");
    assert_eq!(layers.len(), 2);
    for layer in &layers {
        assert!(bench.jobs("assess").is_empty(), "assessed before its last layer");
        bench.index(layer);
    }
    let assess = bench.only_job("assess");
    let stores = bench.assess(&assess, "report");
    assert_eq!(stores.len(), 1);
    assert_eq!(stores[0].wanted_by, [("s".to_owned(), vec!["r.example/a:1".to_owned()])]);
    assert_eq!(bench.kinds("s"), ["started"], "announced before it is archived");
    bench.apply(PlanEvent::Stored { store: stores[0].store });
    assert_eq!(bench.kinds("s"), ["started", "reported r.example/a:1", "finished COMPLETED"]);
}

#[test]
fn an_image_whose_layers_are_cached_is_assessed_at_once() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    let resolve = bench.only_job("resolve");
    bench.resolve(&resolve, &[("r.example/a:1", image("a", &["base"], &["base"]))]);
    assert!(bench.jobs("index").is_empty());
    bench.only_job("assess");
    let summary = bench.plan.scan("s").and_then(|scan| scan.summary).expect("a summary");
    assert_eq!((summary.distinct_layers, summary.layers_reused), (1, 1));
}

#[test]
fn a_reference_found_after_the_report_gets_an_event_of_its_own() {
    let mut bench = Bench::new(PlanConfig { resolve_batch: 1, ..PlanConfig::default() });
    bench.submit("s", images(&["r.example/a:1", "r.example/a:2"]));
    let jobs = bench.jobs("resolve");
    bench.resolve(&jobs[0], &[("r.example/a:1", image("a", &[], &[]))]);
    let assess = bench.only_job("assess");
    let stores = bench.assess(&assess, "report");
    bench.apply(PlanEvent::Stored { store: stores[0].store });
    let commands = bench.resolve(&jobs[1], &[("r.example/a:2", image("a", &[], &[]))]);
    let again = bench::stores(&commands);
    assert_eq!((again[0].parcel.as_deref(), again[0].report_id.as_str()), (None, "report"));
    bench.apply(PlanEvent::Stored { store: again[0].store });
    let want = ["started", "reported r.example/a:1", "reported r.example/a:2", "finished COMPLETED"];
    assert_eq!(bench.kinds("s"), want);
    assert_eq!(bench.summary("s").images, 1);
}

#[test]
fn a_failed_layer_fails_each_image_that_needs_it_and_is_named() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1", "r.example/a:2", "r.example/a:3"]));
    let resolve = bench.only_job("resolve");
    bench.resolve(
        &resolve,
        &[
            ("r.example/a:1", image("a", &["bad", "one"], &["one"])),
            ("r.example/a:2", image("b", &["bad"], &[])),
            ("r.example/a:3", image("c", &["one"], &["one"])),
        ],
    );
    let layer = bench.only_job("index");
    bench.fail(&layer, failure("digest-mismatch", Retry::Never, 0));
    let messages: Vec<String> = bench
        .events("s")
        .filter_map(|kind| match kind {
            Kind::Failed(failed) => Some(failed.message.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(messages.len(), 2);
    for (message, reference) in messages.iter().zip(["r.example/a:1", "r.example/a:2"]) {
        assert!(message.contains(&bench::digest("bad")), "{message}");
        assert!(messages.iter().any(|message| message.contains(reference)), "{messages:?}");
    }
    assert_eq!(bench.jobs("assess").len(), 1, "the third image goes on");
}

#[test]
fn a_layer_that_one_place_refuses_is_fetched_from_another() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/private:1", "r.example/public:1"]));
    let resolve = bench.only_job("resolve");
    bench.resolve(
        &resolve,
        &[
            ("r.example/private:1", image("a", &["shared", "x"], &["x"])),
            ("r.example/public:1", image("b", &["shared"], &[])),
        ],
    );
    let layer = bench.only_job("index");
    bench.fail(&layer, failure("unauthorized", Retry::Never, 0));
    let again = bench.only_job("index");
    bench.index(&again);
    assert_eq!(bench.kinds("s").iter().filter(|kind| kind.starts_with("failed")).count(), 1);
    assert_eq!(bench.jobs("assess").len(), 1);
}

#[test]
fn what_has_no_outcome_is_published_again_until_it_is_given_up() {
    let config = PlanConfig { outstanding_ms: 25_000, ..PlanConfig::default() };
    let mut bench = Bench::new(config);
    bench.submit("s", images(&["r.example/a:1"]));
    let key = bench.only_job("resolve");
    bench.apply(PlanEvent::Published { key: key.clone(), result: Publication::Accepted });
    for _ in 0..2 {
        bench.pass(9_000);
        assert!(bench.jobs("resolve").is_empty());
        bench.pass(1_001);
        assert_eq!(bench.only_job("resolve"), key);
        bench.apply(PlanEvent::Published { key: key.clone(), result: Publication::AlreadyQueued });
    }
    let commands = bench.pass(10_001);
    assert!(commands.iter().any(|command| matches!(command, Command::Withdraw(job) if job.key == key)));
    assert_eq!(bench.kinds("s")[1..], ["failed timeout r.example/a:1", "finished COMPLETED_WITH_FAILURES"]);
}

#[test]
fn a_publication_that_failed_is_repeated_soon() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    let key = bench.only_job("resolve");
    bench.apply(PlanEvent::Published { key: key.clone(), result: Publication::Failed });
    bench.pass(300);
    assert_eq!(bench.only_job("resolve"), key);
}

#[test]
fn an_image_whose_inputs_keep_vanishing_fails_after_some_rounds() {
    let mut bench = Bench::new(PlanConfig { rounds: 3, ..PlanConfig::default() });
    bench.submit("s", images(&["r.example/a:1"]));
    let resolve = bench.only_job("resolve");
    bench.resolve(&resolve, &[("r.example/a:1", image("a", &["base"], &["base"]))]);
    for _ in 0..3 {
        let assess = bench.only_job("assess");
        bench.miss(&assess, &["base"], true);
        let layer = bench.only_job("index");
        bench.index(&layer);
        assert!(bench.jobs("assess").is_empty(), "assessed without the image's facts");
        let refresh = bench.only_job("resolve");
        bench.resolve(&refresh, &[("whatever", image("a", &["base"], &["base"]))]);
    }
    let assess = bench.only_job("assess");
    bench.miss(&assess, &["base"], false);
    assert_eq!(
        bench.kinds("s")[1..],
        ["failed cache-lost r.example/a:1", "finished COMPLETED_WITH_FAILURES"]
    );
}

#[test]
fn listings_that_fail_are_in_the_ledger_and_the_sweep_is_no_success() {
    let mut bench = Bench::new(PlanConfig { list_batch: 1, ..PlanConfig::default() });
    bench.submit("s", sweep(|_| {}));
    let catalog = bench.only_job("list");
    bench.list(&catalog, listed(&["one", "two"], ""));
    let tags = bench.jobs("list");
    bench.fail(&tags[0], failure("unauthorized", Retry::Never, 0));
    bench.list(&tags[1], listed(&[], ""));
    let want = ["started", "listing r.example/one unauthorized", "finished COMPLETED_WITH_FAILURES"];
    assert_eq!(bench.kinds("s"), want);
}

#[test]
fn an_empty_registry_is_complete() {
    let mut bench = Bench::default();
    bench.submit("s", sweep(|_| {}));
    let catalog = bench.only_job("list");
    bench.list(&catalog, listed(&[], ""));
    assert_eq!(bench.kinds("s"), ["started", "finished COMPLETED"]);
}

#[test]
fn pages_that_go_in_a_circle_or_never_end_are_cut_off() {
    for (cursors, limit, code) in [(vec!["x", "x"], 100, "malformed"), (vec!["a", "b", "c", "d"], 2, "limit")]
    {
        let mut bench = Bench::new(PlanConfig { pages: limit, ..PlanConfig::default() });
        bench.submit("s", sweep(|_| {}));
        for cursor in cursors {
            for page in bench.jobs("list") {
                bench.list(&page, listed(&[], cursor));
            }
        }
        let want = ["started", &format!("listing r.example {code}"), "finished COMPLETED_WITH_FAILURES"];
        assert_eq!(bench.kinds("s"), want, "at most {limit} pages");
    }
}

#[test]
fn filters_prefix_and_repeated_names() {
    let mut bench = Bench::default();
    let target = |target: &mut RegistryTarget| {
        target.prefix = "team/".to_owned();
        target.include = vec!["*:v*".to_owned()];
        target.exclude = vec!["*:*-debug".to_owned()];
    };
    bench.submit("s", sweep(target));
    let catalog = bench.only_job("list");
    bench.list(&catalog, listed(&["team/a", "other", "team/a", "Not A Repository"], ""));
    let tags = bench.only_job("list");
    bench.list(&tags, listed(&["v1", "v1-debug", "nightly"], "next"));
    let more = bench.only_job("list");
    bench.list(&more, listed(&["v1", "v2", "-bad"], ""));
    assert_eq!(
        bench.kinds("s")[1..],
        [
            "listing r.example malformed",
            "skipped filtered r.example/team/a:v1-debug r.example/team/a:nightly",
            "listing r.example/team/a malformed",
        ]
    );
    assert_eq!(bench.summary("s").ledger.map(|ledger| ledger.enumerated), Some(4));
}

#[test]
fn a_window_bounds_each_lane_and_an_interactive_scan_does_not_wait() {
    let batches = PlanConfig { resolve_batch: 1, resolve_most: 1, ..PlanConfig::default() };
    let mut bench = Bench::new(PlanConfig { window: 3, ..batches });
    let mut request = images(&["r/a:1", "r/a:2", "r/a:3", "r/a:4", "r/a:5"]);
    request.set_lane(Lane::Sweep);
    bench.submit("sweep", request);
    assert_eq!(bench.jobs("resolve").len(), 3);
    bench.submit("quick", images(&["r/q:1"]));
    let quick = bench.take("resolve");
    assert_eq!(
        quick.iter().map(|job| (job.lane(), job.scan_id.as_str())).collect::<Vec<_>>(),
        [(Lane::Interactive, "quick")]
    );
}

#[test]
fn tenants_of_a_lane_share_it() {
    let mut bench = Bench::new(PlanConfig { window: 4, resolve_batch: 1, ..PlanConfig::default() });
    for (scan, tenant, count) in [("a", "big", 30), ("b", "big", 30), ("c", "small", 6)] {
        let references: Vec<String> = (0..count).map(|n| format!("r/{scan}:{n}")).collect();
        let mut request = images(&references.iter().map(String::as_str).collect::<Vec<_>>());
        request.tenant = tenant.to_owned();
        bench.submit(scan, request);
    }
    let mut order = Vec::new();
    while order.len() < 16 {
        for job in bench.take("resolve") {
            order.push(job.scan_id.clone());
            bench.fail(&job.key, failure("not-found", Retry::Never, 0));
        }
    }
    // The first four were out before the others came; after that half of all is the small tenant's.
    let small = order.iter().skip(4).take(10).filter(|scan| *scan == "c").count();
    assert!((4..=6).contains(&small), "{order:?}");
    assert!(order.iter().any(|scan| scan == "b"), "a tenant's own scans take turns: {order:?}");
}

#[test]
fn a_layer_that_waits_for_a_sweep_is_promoted_by_an_interactive_scan() {
    let mut bench = Bench::new(PlanConfig { window: 1, ..PlanConfig::default() });
    let mut request = images(&["r.example/a:1"]);
    request.set_lane(Lane::Sweep);
    bench.submit("sweep", request);
    let resolve = bench.only_job("resolve");
    bench.resolve(&resolve, &[("r.example/a:1", image("a", &["first", "second"], &[]))]);
    assert_eq!(bench.take("index").len(), 1, "the window has room for one");
    bench.submit("quick", images(&["r.example/b:1"]));
    let resolve = bench.only_job("resolve");
    bench.resolve(&resolve, &[("r.example/b:1", image("b", &["first", "second"], &[]))]);
    let promoted = bench.take("index");
    assert_eq!(promoted.iter().map(|job| job.lane()).collect::<Vec<_>>(), [Lane::Interactive]);
}

#[test]
fn cancelling_keeps_what_another_scan_wants() {
    let mut bench = Bench::default();
    for (scan, own) in [("one", "r.example/a:1"), ("two", "r.example/b:1")] {
        bench.submit(scan, images(&[own]));
        let resolve = bench.only_job("resolve");
        bench.resolve(&resolve, &[(own, image(scan, &["shared", scan], &[]))]);
    }
    assert_eq!(bench.jobs("index").len(), 3);
    let commands = bench.apply(PlanEvent::Cancel { scan: "one".to_owned() });
    let withdrawn = commands.iter().filter(|command| matches!(command, Command::Withdraw(_))).count();
    assert_eq!(withdrawn, 1, "only the layer that nobody else wants: {commands:?}");
    let ended = commands
        .iter()
        .any(|command| matches!(command, Command::UpdateScan(scan) if scan.state() == ScanState::Cancelled));
    assert!(ended);
    assert_eq!(bench.kinds("one"), ["started", "finished CANCELLED"]);
}

#[test]
fn scans_of_one_image_share_a_report_only_where_they_are_assessed_alike() {
    let vex = SubmitRequest { attached_vex: true, ..images(&["r.example/a:1"]) };
    let plain = images(&["r.example/a:1"]);
    for (one, other, reports) in [
        ((&plain, "sha256:a"), (&plain, "sha256:a"), 1),
        ((&plain, "sha256:a"), (&plain, "sha256:b"), 2),
        ((&plain, "sha256:a"), (&vex, "sha256:a"), 2),
    ] {
        let mut bench = Bench::default();
        for (id, (request, database)) in [("one", one), ("two", other)] {
            bench.submit_with(id, request.clone(), database);
            let resolve = bench.only_job("resolve");
            bench.resolve(&resolve, &[("r.example/a:1", image("a", &["base"], &[]))]);
        }
        for layer in bench.jobs("index") {
            bench.index(&layer);
        }
        let asked: Vec<(String, bool)> = bench
            .take("assess")
            .into_iter()
            .filter_map(|job| match job.verb {
                Some(Verb::Assess(assess)) => Some((assess.database_digest, assess.attached_vex)),
                _ => None,
            })
            .collect();
        assert_eq!(asked.len(), reports, "{one:?} {other:?}");
        assert!(asked.contains(&(other.1.to_owned(), other.0.attached_vex)), "{asked:?}");
    }
}
