//! Failures that may pass, and pages without end.

use strata_proto::v1::{Listed, Retry, job::Verb};

use super::{
    PlanConfig,
    bench::{self, Bench, failure, image, images, listed, sweep},
};

#[test]
fn failures_that_may_pass_are_tried_again_later_and_not_for_ever() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    let key = bench.only_job("resolve");
    let mut pauses = Vec::new();
    for attempt in 1..=4 {
        bench.fail(&key, failure("network", Retry::Later, 0));
        let mut waited = 0;
        while bench.jobs("resolve").is_empty() {
            waited += 100;
            bench.pass(100);
            assert!(waited < 60_000, "attempt {attempt} never comes");
        }
        pauses.push(waited);
    }
    for (pause, most) in pauses.iter().zip([1_000, 2_000, 4_000, 8_000]) {
        assert!((most / 2..=most + 100).contains(pause), "{pauses:?}");
    }
    bench.fail(&key, failure("network", Retry::Later, 0));
    assert_eq!(bench.kinds("s")[1..], ["failed network r.example/a:1", "finished COMPLETED_WITH_FAILURES"]);
}

#[test]
fn a_registry_that_asks_for_patience_gets_it() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    let key = bench.only_job("resolve");
    bench.fail(&key, failure("too-many-requests", Retry::Later, 30_000));
    bench.pass(29_900);
    assert!(bench.jobs("resolve").is_empty());
    bench.pass(7_700);
    assert_eq!(bench.only_job("resolve"), key);
}

#[test]
fn waiting_that_a_registry_asked_for_is_no_attempt_and_failing_is() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1", "r.example/a:2"]));
    let both = ["r.example/a:1", "r.example/a:2"];
    for _ in 0..20 {
        let key = bench.only_job("resolve");
        bench.refuse(&key, &both, &failure("rate-limited", Retry::Later, 10_000));
        bench.pass(75_000);
    }
    for _ in 0..5 {
        let key = bench.only_job("resolve");
        bench.refuse(&key, &both, &failure("network", Retry::Later, 0));
        bench.pass(60_000);
    }
    let failed = bench.kinds("s").iter().filter(|kind| kind.starts_with("failed network")).count();
    assert_eq!(failed, 2, "{:?}", bench.kinds("s"));
}

/// Fails each of an image's layers so many times, one layer after the other, and lets them through then. Whether the image is
/// assessed in the end.
fn flaky(layers: usize, times: usize, apart_ms: i64) -> (bool, Vec<String>) {
    let mut bench = Bench::new(PlanConfig { attempts: 4, ..PlanConfig::default() });
    bench.submit("s", images(&["r.example/a:1"]));
    let resolve = bench.only_job("resolve");
    let names: Vec<String> = (0..layers).map(|layer| format!("layer {layer}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.resolve(&resolve, &[("r.example/a:1", image("a", &names, &[]))]);
    let mut waiting = std::collections::BTreeSet::new();
    for layer in bench.jobs("index") {
        for _ in 0..times {
            bench.fail(&layer, failure("network", Retry::Later, 0));
            // Longer than any pause: it is published again.
            bench.pass(apart_ms);
        }
        waiting.extend(bench.jobs("index"));
        bench.index(&layer);
        waiting.remove(&layer);
    }
    for layer in waiting {
        bench.index(&layer);
    }
    (!bench.jobs("assess").is_empty(), bench.kinds("s"))
}

#[test]
fn an_image_of_many_layers_has_a_budget_of_its_own() {
    for (layers, times, apart_ms, assessed) in [
        (1, 0, 60_000, true),
        (1, 1, 60_000, true),
        (1, 3, 60_000, true),
        // No layer fails more often than it may; the registry flakes all the time, and it is through in half an hour.
        (40, 1, 45_000, true),
        (40, 3, 15_000, true),
        // And here it would not be for two hours.
        (40, 3, 60_000, false),
    ] {
        let (is, kinds) = flaky(layers, times, apart_ms);
        assert_eq!(is, assessed, "{layers} layers, {times} times: {kinds:?}");
        let failed = kinds.iter().any(|kind| kind == "failed network r.example/a:1");
        assert_eq!(failed, !assessed, "{layers} layers, {times} times: {kinds:?}");
    }
}

#[test]
fn pages_that_go_round_in_a_circle_end_and_are_named() {
    for length in [1_usize, 2, 3, 7, 40] {
        let mut bench = Bench::default();
        bench.submit("s", sweep(|target| target.repositories = vec!["a".to_owned()]));
        let mut pages = 0;
        while let Some(key) = bench.jobs("list").pop() {
            // The circle begins after the second page.
            let number = if pages < 2 { pages } else { 2 + (pages - 2) % length };
            bench.list(&key, listed(&[&format!("t{number}")], &format!("/page/{number}")));
            pages += 1;
            assert!(pages < 4 * length + 12, "a circle of {length} goes on");
        }
        let kinds = bench.kinds("s");
        assert!(kinds.contains(&"listing r.example/a malformed".to_owned()), "{length}: {kinds:?}");
        assert_eq!(
            bench
                .plan
                .scan("s")
                .and_then(|scan| scan.summary)
                .and_then(|summary| summary.ledger)
                .map(|ledger| ledger.enumerated),
            Some(u64::try_from(length + 2).expect("few"))
        );
    }
}

#[test]
fn digests_that_a_listing_told_go_to_the_worker_once() {
    let mut bench = Bench::default();
    bench.submit("s", sweep(|target| target.repositories = vec!["a".to_owned()]));
    let key = bench.only_job("list");
    let digests = vec![bench::digest("one"), String::new()];
    bench.list(&key, Listed { digests, ..listed(&["1", "2"], "") });
    let digests = |bench: &mut Bench| {
        let jobs = bench.take("resolve");
        match jobs.first().and_then(|job| job.verb.clone()) {
            Some(Verb::Resolve(resolve)) => (jobs[0].key.clone(), resolve.digests),
            other => panic!("{other:?}"),
        }
    };
    let (key, first) = digests(&mut bench);
    assert_eq!(first, [bench::digest("one"), String::new()]);
    // Perhaps it was the digest that is not there any more.
    bench.refuse(&key, &["r.example/a:1", "r.example/a:2"], &failure("network", Retry::Later, 0));
    bench.pass(2_000);
    assert_eq!(digests(&mut bench).1, Vec::<String>::new());
}
