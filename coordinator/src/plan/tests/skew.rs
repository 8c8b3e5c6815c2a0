//! Workers of another version, and workers that gave up what is wanted after all.

use strata_proto::{
    WIRE_VERSION,
    v1::{Outcome, Retry, job::Verb, outcome},
};

use super::bench::{Bench, failure, image, images};
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
