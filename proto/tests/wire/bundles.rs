//! Bundles of jobs, and of their outcomes.

use strata_proto::v1::{self, Lane, job::Verb, outcome::Result as Answer};

use super::{check, digest, failure, job, options, outcome, text};

fn trace() -> Vec<v1::Property> {
    let value = text("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    vec![v1::Property { key: text("traceparent"), value }]
}

#[test]
fn bundles_of_every_version_are_read() {
    let assess = v1::AssessJob {
        image_digest: digest('c'),
        platform: text("linux/amd64"),
        layers: vec![digest('d'), digest('b')],
        database_digest: digest('e'),
        attached_vex: true,
        reference: text("r.example/a:1"),
        options: options(),
    };
    let pinned = v1::Job { analysis: text("0123456789abcdef"), ..job(Verb::Assess(assess), Lane::Sweep) };
    let bundled = v1::BundledJob { job: Some(pinned), trace: trace() };
    let bundle = v1::Bundle { jobs: vec![bundled.clone(), bundled] };
    check(1, "job-bundle", &job(Verb::Bundle(bundle), Lane::Sweep));
}

#[test]
fn outcomes_of_bundles_of_every_version_are_read() {
    let of = |key: &str, answer| {
        let outcome = v1::Outcome { key: text(key), result: Some(answer), ..v1::Outcome::default() };
        v1::BundledOutcome { outcome: Some(outcome), trace: trace() }
    };
    let indexed = v1::Indexed { analysed: true, bytes: 5, packages: 6 };
    let outcomes = vec![of("a", Answer::Indexed(indexed)), of("b", Answer::Failure(failure()))];
    check(1, "outcome-bundled", &outcome(Answer::Bundled(v1::Bundled { outcomes })));
}
