//! Workers of another version, and workers that gave up what is wanted after all.

use strata_proto::{
    WIRE_VERSION,
    subject::OTHER_ANALYSIS,
    v1::{Failure, Outcome, Retry, job::Verb, outcome},
};

use super::bench::{Bench, digest, failure, image, images};
use crate::plan::PlanEvent;

#[test]
fn an_answer_of_another_version_is_no_answer_and_is_asked_for_again() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    let key = bench.only_job("resolve");
    // It may say anything in that version: even what looks like an answer counts for nothing.
    let resolved = outcome::Result::Resolved(strata_proto::v1::Resolved::default());
    bench.apply(PlanEvent::Outcome(Box::new(Outcome {
        key: key.clone(),
        wire_version: WIRE_VERSION + 1,
        worker: "newer".to_owned(),
        result: Some(resolved),
        ..Outcome::default()
    })));
    assert_eq!(bench.kinds("s"), ["started"]);
    bench.pass(1_100);
    assert_eq!(bench.only_job("resolve"), key, "another worker may do it");
    bench.resolve(&key, &[("r.example/a:1", image("a", &[], &[]))]);
    bench.only_job("assess");
}

#[test]
fn only_answers_of_another_version_fail_in_the_end_and_say_why() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    for _ in 0..5 {
        let key = bench.only_job("resolve");
        let newer = Outcome { key, wire_version: WIRE_VERSION + 1, ..Outcome::default() };
        bench.apply(PlanEvent::Outcome(Box::new(newer)));
        bench.pass(10_000);
    }
    let want = ["started", "failed wire-version r.example/a:1", "finished COMPLETED_WITH_FAILURES"];
    assert_eq!(bench.kinds("s"), want);
}

#[test]
fn what_a_worker_gave_up_as_withdrawn_is_done_when_it_is_wanted_again() {
    let mut bench = Bench::default();
    let layer = |bench: &mut Bench, scan: &str| {
        bench.submit(scan, images(&["r.example/a:1"]));
        let resolve = bench.only_job("resolve");
        bench.resolve(&resolve, &[("r.example/a:1", image("a", &["layer"], &[]))]);
        bench.only_job("index")
    };
    let key = layer(&mut bench, "first");
    bench.apply(PlanEvent::Cancel { scan: "first".to_owned() });
    assert_eq!(layer(&mut bench, "second"), key, "the same layer");
    // The worker did not know of the second scan. However often: it is no attempt.
    for _ in 0..20 {
        bench.fail(&key, failure("cancelled", Retry::Later, 0));
        bench.pass(5_000);
        let again = bench.take("index");
        assert!(matches!(again.as_slice(), [job] if matches!(job.verb, Some(Verb::Index(_)))), "{again:?}");
    }
    bench.index(&key);
    bench.only_job("assess");
}

/// An image of two layers, resolved by a worker of this analysis.
fn resolved(bench: &mut Bench, analysis: &'static str, cached: &[&str]) {
    bench.analysis = analysis;
    let key = bench.only_job("resolve");
    bench.resolve(&key, &[("r.example/a:1", image("a", &["one", "two"], cached))]);
}

fn other() -> Failure {
    failure(OTHER_ANALYSIS, Retry::Later, 0)
}

/// A job is offered again and again, in vain.
fn nobody_takes(bench: &mut Bench, verb: &str, key: &str) {
    for _ in 0..=10 {
        bench.fail(key, other());
        bench.pass(2_000);
    }
    assert_eq!(bench.take(verb).len(), 10);
}

#[test]
fn an_image_is_pinned_to_the_analysis_of_who_resolved_it() {
    // What a worker tells that cannot be one is not told.
    for (told, analysis) in [("old", "old"), ("", ""), ("not an analysis", "")] {
        let mut bench = Bench::default();
        bench.submit("s", images(&["r.example/a:1"]));
        resolved(&mut bench, told, &["two"]);
        let jobs = bench.take("index");
        let [index] = jobs.as_slice() else { panic!("{jobs:?}") };
        assert_eq!(index.analysis, analysis);
        let hex = digest("one").replace("sha256:", "");
        assert_eq!(index.key, if analysis.is_empty() { hex } else { format!("{hex}-{analysis}") });
        bench.index(&index.key);
        let jobs = bench.take("assess");
        let [assess] = jobs.as_slice() else { panic!("{jobs:?}") };
        assert_eq!(assess.analysis, analysis);
        bench.assess(&assess.key, "report");
    }
}

#[test]
fn a_job_of_another_analysis_is_offered_again_and_no_attempt() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    resolved(&mut bench, "old", &["two"]);
    let key = bench.only_job("index");
    for _ in 0..10 {
        bench.analysis = "new";
        bench.fail(&key, other());
        assert!(bench.jobs("index").is_empty(), "not at once");
        // One that came twice.
        bench.fail(&key, other());
        bench.pass(2_000);
        assert_eq!(bench.jobs("index"), [key.as_str()]);
    }
    bench.analysis = "old";
    bench.index(&key);
    let key = bench.only_job("assess");
    // Whose worker makes the report does not matter.
    bench.analysis = "new";
    assert_eq!(bench.assess(&key, "report").len(), 1);
    assert_eq!(bench.summary("s").layers_analysed, 1);
}

#[test]
fn an_image_whose_workers_are_gone_is_pinned_to_those_that_are_there() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    resolved(&mut bench, "old", &[]);
    let keys = bench.jobs("index");
    assert_eq!(keys.len(), 2);
    bench.index(&keys[0]);
    // All workers of the old analysis went.
    bench.analysis = "new";
    nobody_takes(&mut bench, "index", &keys[1]);
    resolved(&mut bench, "new", &[]);
    let jobs = bench.take("index");
    assert_eq!(jobs.len(), 2, "the other has inventories of its own");
    for job in jobs {
        assert_eq!(job.analysis, "new");
        bench.index(&job.key);
    }
    // And back again: they were there after all, and one inventory too.
    let assess = bench.only_job("assess");
    bench.analysis = "old";
    nobody_takes(&mut bench, "assess", &assess);
    resolved(&mut bench, "old", &[]);
    assert_eq!(bench.jobs("index"), [keys[1].as_str()]);
    bench.index(&keys[1]);
    let key = bench.only_job("assess");
    assert_eq!(bench.assess(&key, "report").len(), 1);
    let summary = bench.summary("s");
    assert_eq!((summary.distinct_layers, summary.layers_analysed, summary.layers_reused), (2, 2, 0));
}

/// A worker that tells of no analysis does what it gets, for its own inventories.
#[test]
fn answers_of_workers_that_heed_no_pin_do_not_count_where_the_analysis_matters() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    resolved(&mut bench, "new", &["two"]);
    let key = bench.only_job("index");
    bench.analysis = "";
    bench.index(&key);
    assert!(bench.jobs("assess").is_empty(), "its inventory is not the one that is waited for");
    assert_eq!(bench.summary("s").layers_analysed, 1, "but the layer was analysed");
    bench.pass(2_000);
    assert_eq!(bench.jobs("index"), [key.as_str()]);
    bench.analysis = "new";
    bench.index(&key);
    assert_eq!(bench.summary("s").layers_analysed, 1);
    let key = bench.only_job("assess");
    bench.analysis = "";
    for _ in 0..5 {
        bench.miss(&key, &["one", "two"], false);
        bench.pass(2_000);
        assert_eq!(bench.jobs("assess"), [key.as_str()], "no round");
    }
    bench.analysis = "new";
    assert_eq!(bench.assess(&key, "report").len(), 1);
}

#[test]
fn an_image_that_nobody_pinned_is_pinned_to_the_first_that_misses_something() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    resolved(&mut bench, "", &["one", "two"]);
    let key = bench.only_job("assess");
    bench.analysis = "new";
    bench.miss(&key, &["one", "two"], false);
    let jobs = bench.take("index");
    assert!(jobs.len() == 2 && jobs.iter().all(|job| job.analysis == "new"), "{jobs:?}");
    for job in jobs {
        bench.index(&job.key);
    }
    let jobs = bench.take("assess");
    assert!(matches!(jobs.as_slice(), [job] if job.analysis == "new"), "{jobs:?}");
}

#[test]
fn an_image_whose_workers_always_go_fails_in_the_end_and_says_why() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    for round in 0.. {
        resolved(&mut bench, "old", &["one", "two"]);
        let key = bench.only_job("assess");
        nobody_takes(&mut bench, "assess", &key);
        if bench.kinds("s").len() > 1 {
            assert_eq!(round, 100);
            break;
        }
    }
    let want = ["started", "failed other-analysis r.example/a:1", "finished COMPLETED_WITH_FAILURES"];
    assert_eq!(bench.kinds("s"), want);
}
