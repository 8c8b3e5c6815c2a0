use strata_proto::v1::{AssessJob, IndexJob, Indexed};

use super::*;

fn index(key: &str) -> Job {
    let verb = IndexJob { digest: format!("sha256:{key}"), size: 7, ..IndexJob::default() };
    let mut job = Job {
        key: key.to_owned(),
        scan_id: "scan".to_owned(),
        verb: Some(Verb::Index(verb)),
        ..Job::default()
    };
    job.set_lane(Lane::Sweep);
    job
}

fn out(job: Job, small: bool) -> Outbound {
    Outbound { job: Box::new(job), trace: headers(""), small }
}

fn small(key: &str) -> Outbound {
    out(index(key), true)
}

fn headers(text: &str) -> TraceHeaders {
    TraceHeaders([("traceparent".to_owned(), text.to_owned())].into())
}

/// Subjects and keys of what is published; `-` before what is withdrawn.
fn shown(orders: &[Order]) -> Vec<(String, Vec<String>)> {
    let show = |order: &Order| match order {
        Order::Publish { job, keys, .. } => {
            if let Some(Verb::Bundle(bundle)) = &job.verb {
                let inside: Vec<_> =
                    bundle.jobs.iter().flat_map(|one| &one.job).map(|job| &job.key).collect();
                assert_eq!(inside, keys.iter().collect::<Vec<_>>());
                assert_eq!((job.wire_version, job.lane()), (WIRE_VERSION, Lane::Sweep));
            }
            (subject::verb(job).to_owned(), keys.clone())
        }
        Order::Withdraw(job) => (format!("-{}", subject::verb(job)), Vec::new()),
    };
    orders.iter().map(show).collect()
}

fn row(verb: &str, keys: &[&str]) -> (String, Vec<String>) {
    (verb.to_owned(), keys.iter().map(|key| (*key).to_owned()).collect())
}

/// A bundle of these jobs, and its key.
fn bundle(bundles: &mut Bundles, keys: &[&str]) -> String {
    let orders = bundles.pack(keys.iter().map(|key| small(key)).collect(), Some(1));
    match orders.as_slice() {
        [Order::Publish { job, .. }] => job.key.clone(),
        _ => panic!("{:?}", shown(&orders)),
    }
}

fn failure(code: &str) -> Answer {
    let mut failure = Failure { code: code.to_owned(), ..Failure::default() };
    failure.set_retry(Retry::Later);
    Answer::Failure(failure)
}

fn done() -> Answer {
    Answer::Indexed(Indexed { analysed: true, ..Indexed::default() })
}

fn answer(key: &str, result: Answer) -> Outcome {
    Outcome {
        key: key.to_owned(),
        worker: "w".to_owned(),
        slots: 6,
        scan_id: "scan".to_owned(),
        analysis: "f".to_owned(),
        bundles: true,
        sequence: 9,
        result: Some(result),
        ..Outcome::default()
    }
}

fn bundled(key: &str, members: Vec<(&str, Answer)>) -> Outcome {
    let outcome = |(key, result): (&str, Answer)| BundledOutcome {
        outcome: Some(Outcome { key: key.to_owned(), result: Some(result), ..Outcome::default() }),
        trace: headers(key).to_properties(),
    };
    answer(key, Answer::Bundled(Bundled { outcomes: members.into_iter().map(outcome).collect() }))
}

/// Keys and how they ended.
fn opened(bundles: &mut Bundles, outcome: Outcome) -> Vec<(String, String)> {
    let opened = bundles.open(outcome, headers("around"));
    let show = |(outcome, _): &(Outcome, TraceHeaders)| {
        assert_eq!((outcome.worker.as_str(), outcome.slots, outcome.bundles), ("w", 6, true));
        assert_eq!((outcome.scan_id.as_str(), outcome.analysis.as_str()), ("scan", "f"));
        let how = match &outcome.result {
            Some(Answer::Failure(failure)) => failure.code.clone(),
            Some(Answer::Indexed(_)) => "done".to_owned(),
            other => panic!("{other:?}"),
        };
        (outcome.key.clone(), how)
    };
    opened.iter().map(show).collect()
}

fn ends(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(key, how)| ((*key).to_owned(), (*how).to_owned())).collect()
}

#[test]
fn small_jobs_of_one_scan_analysis_and_verb_travel_together() {
    let other_scan = |key| out(Job { scan_id: "other".to_owned(), ..index(key) }, true);
    let pinned = |key| out(Job { analysis: "f".to_owned(), ..index(key) }, true);
    let assess = |key| out(Job { verb: Some(Verb::Assess(AssessJob::default())), ..index(key) }, true);
    for (jobs, slots, expected) in [
        (vec![small("a"), small("b")], Some(1), vec![row("bundle", &["a", "b"])]),
        (vec![small("a"), small("b")], None, vec![row("index", &["a"]), row("index", &["b"])]),
        (vec![small("a"), small("b")], Some(2), vec![row("index", &["a"]), row("index", &["b"])]),
        (vec![small("a")], Some(1), vec![row("index", &["a"])]),
        (
            vec![small("a"), out(index("large"), false), small("b")],
            Some(1),
            vec![row("index", &["large"]), row("bundle", &["a", "b"])],
        ),
        (
            vec![small("a"), other_scan("b"), small("c"), other_scan("d")],
            Some(1),
            vec![row("bundle", &["b", "d"]), row("bundle", &["a", "c"])],
        ),
        (vec![small("a"), pinned("b")], Some(1), vec![row("index", &["a"]), row("index", &["b"])]),
        (
            vec![small("a"), assess("b"), small("c"), assess("d")],
            Some(1),
            vec![row("bundle", &["b", "d"]), row("bundle", &["a", "c"])],
        ),
    ] {
        assert_eq!(shown(&Bundles::default().pack(jobs, slots)), expected);
    }
}

#[test]
fn a_job_that_is_published_again_is_its_bundle() {
    let mut bundles = Bundles::default();
    let key = bundle(&mut bundles, &["a", "b", "c"]);
    let again = |key: &str| out(index(key), false);
    let orders = bundles.pack(vec![again("a"), again("b"), again("c")], Some(1));
    assert_eq!(shown(&orders), [row("bundle", &["a", "b", "c"])]);
    assert!(matches!(orders.as_slice(), [Order::Publish { job, .. }] if job.key == key));
    // Also where workers do not know bundles any more: the queue may still have it.
    let orders = bundles.pack(vec![again("b"), again("c"), again("d")], None);
    assert_eq!(shown(&orders), [row("index", &["d"]), row("bundle", &["b", "c"])]);
    // Whoever was left out of it is on their own.
    assert_eq!(shown(&bundles.pack(vec![again("a")], Some(1))), [row("index", &["a"])]);
    assert_eq!(opened(&mut bundles, bundled(&key, vec![])), ends(&[("b", "apart"), ("c", "apart")]));
    assert_eq!(shown(&bundles.pack(vec![again("b")], Some(1))), [row("index", &["b"])]);
}

#[test]
fn each_job_of_a_bundle_has_one_outcome() {
    for (told, expected) in [
        (vec![("a", done()), ("b", done())], vec![("a", "done"), ("b", "done")]),
        (vec![("b", failure("network")), ("a", done())], vec![("b", "network"), ("a", "done")]),
        (vec![("b", failure("cancelled"))], vec![("b", "cancelled"), ("a", "apart")]),
        (vec![], vec![("a", "apart"), ("b", "apart")]),
        // Of a job that it did not have: told twice, or by whoever led before.
        (
            vec![("a", done()), ("b", done()), ("a", failure("apart")), ("x", done())],
            vec![("a", "done"), ("b", "done"), ("x", "done")],
        ),
    ] {
        let mut bundles = Bundles::default();
        let key = bundle(&mut bundles, &["a", "b"]);
        assert_eq!(opened(&mut bundles, bundled(&key, told)), ends(&expected));
        assert!(bundles.of.is_empty() && bundles.members.is_empty());
    }
}

#[test]
fn a_bundle_that_nobody_understood_or_that_was_given_up_comes_apart() {
    for code in ["malformed", "poison", "queue", "limit"] {
        let mut bundles = Bundles::default();
        let key = bundle(&mut bundles, &["a", "b"]);
        let told = opened(&mut bundles, answer(&key, failure(code)));
        assert_eq!(told, ends(&[("a", "apart"), ("b", "apart")]), "{code}");
    }
}

#[test]
fn a_bundle_of_whoever_led_before_tells_what_was_done() {
    let mut bundles = Bundles::default();
    let told =
        vec![("a", done()), ("b", failure("apart")), ("c", failure("cancelled")), ("d", failure("network"))];
    assert_eq!(opened(&mut bundles, bundled("unknown", told)), ends(&[("a", "done"), ("d", "network")]));
}

#[test]
fn outcomes_carry_their_own_trace() {
    let mut bundles = Bundles::default();
    let key = bundle(&mut bundles, &["a", "b"]);
    let opened = bundles.open(bundled(&key, vec![("a", done())]), headers("around"));
    let traces: Vec<&TraceHeaders> = opened.iter().map(|(_, trace)| trace).collect();
    assert_eq!(traces, [&headers("a"), &headers("around")]);
    let single = bundles.open(answer("x", done()), headers("own"));
    assert_eq!(single, [(answer("x", done()), headers("own"))]);
}

#[test]
fn a_bundle_is_withdrawn_with_the_last_of_its_jobs() {
    let mut bundles = Bundles::default();
    let key = bundle(&mut bundles, &["a", "b"]);
    let mut withdraw = |key: &str| bundles.withdraw(Box::new(index(key)));
    assert!(withdraw("a").is_none());
    let whole = withdraw("b");
    let Some(Order::Withdraw(job)) = &whole else { panic!("it is withdrawn") };
    assert_eq!((subject::verb(job), job.key.as_str(), job.lane()), ("bundle", key.as_str(), Lane::Sweep));
    let single = withdraw("c");
    assert!(matches!(&single, Some(Order::Withdraw(job)) if job.key == "c" && subject::verb(job) == "index"));
    // Asked for again, it travels anew, and what comes of the earlier bundle is not meant.
    let next = bundle(&mut bundles, &["b", "d"]);
    assert_ne!(next, key);
    let told = vec![("a", failure("cancelled")), ("b", failure("cancelled"))];
    assert_eq!(opened(&mut bundles, bundled(&key, told)), []);
    assert_eq!(
        opened(&mut bundles, bundled(&next, vec![("b", done()), ("d", done())])),
        ends(&[("b", "done"), ("d", "done")])
    );
}

#[test]
fn a_job_whose_outcome_came_by_itself_is_in_no_bundle() {
    let mut bundles = Bundles::default();
    let key = bundle(&mut bundles, &["a", "b"]);
    assert_eq!(opened(&mut bundles, answer("a", done())), ends(&[("a", "done")]));
    assert_eq!(shown(&bundles.pack(vec![small("a")], Some(1))), [row("index", &["a"])]);
    assert_eq!(opened(&mut bundles, bundled(&key, vec![("b", done())])), ends(&[("b", "done")]));
    let whole = bundle(&mut bundles, &["c", "d"]);
    for member in ["c", "d"] {
        assert_eq!(opened(&mut bundles, answer(member, done())), ends(&[(member, "done")]));
    }
    assert!(bundles.of.is_empty() && bundles.members.is_empty(), "{whole}");
}
