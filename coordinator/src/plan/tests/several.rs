//! Several repositories in one listing job, and many references in one resolve job.

use std::collections::BTreeSet;

use strata_proto::v1::{
    Job, Listed, ListedRepository, Retry, job::Verb, listed_repository::Result as Answer,
};

use super::bench::{Bench, failure, image, listed, sweep};
use crate::plan::PlanConfig;

/// A sweep of so many repositories whose catalog was listed, at most so many in a job, with one worker that does one job at a
/// time.
fn bench(repositories: usize, list_batch: usize) -> Bench {
    let mut bench = Bench::new(PlanConfig { window: 4, listings: 64, list_batch, ..PlanConfig::default() });
    bench.submit("s", sweep(|_| {}));
    let catalog = bench.only_job("list");
    let names: Vec<String> = (0..repositories).map(|number| format!("r{number:03}")).collect();
    bench.list(&catalog, listed(&names.iter().map(String::as_str).collect::<Vec<_>>(), ""));
    bench
}

fn repositories(job: &Job) -> Vec<String> {
    let Some(Verb::List(list)) = &job.verb else { panic!("{job:?}") };
    std::iter::once(&list.repository).chain(&list.more).cloned().collect()
}

fn page(repository: &str, names: &[&str], next: &str) -> ListedRepository {
    ListedRepository { repository: repository.to_owned(), result: Some(Answer::Page(listed(names, next))) }
}

fn failed(repository: &str, code: &str, retry: Retry) -> ListedRepository {
    let failure = failure(code, retry, 0);
    ListedRepository { repository: repository.to_owned(), result: Some(Answer::Failure(failure)) }
}

fn several(more: Vec<ListedRepository>) -> Listed {
    Listed { more, ..Listed::default() }
}

#[test]
fn there_are_as_many_in_a_job_as_leave_all_workers_something_to_do() {
    for (repositories_there, sizes) in
        [(1, &[1][..]), (3, &[3]), (40, &[32, 8]), (70, &[32, 32, 6]), (400, &[32, 32, 32, 32])]
    {
        let jobs = bench(repositories_there, 32).take("list");
        let is: Vec<usize> = jobs.iter().map(|job| repositories(job).len()).collect();
        assert_eq!(is, sizes, "{repositories_there}");
    }
}

#[test]
fn one_bad_repository_fails_alone_and_what_may_pass_is_asked_again_apart() {
    let mut bench = bench(6, 4);
    let jobs = bench.take("list");
    assert_eq!(jobs.iter().map(|job| repositories(job).len()).collect::<Vec<_>>(), [4, 2]);
    let answer = several(vec![
        failed("r003", "network", Retry::Later),
        failed("r001", "unauthorized", Retry::Never),
        page("r000", &["1"], ""),
        failed("r002", "network", Retry::Later),
    ]);
    bench.list(&jobs[0].key, answer);
    assert_eq!(bench.kinds("s")[1..], ["listing r.example/r001 unauthorized"]);
    bench.list(&jobs[1].key, several(vec![page("r004", &[], ""), page("r005", &[], "")]));
    assert!(bench.take("list").is_empty(), "before its pause");
    for _ in 0..6 {
        bench.pass(60_000);
        let again = bench.take("list");
        assert_eq!(again.iter().map(repositories).collect::<Vec<_>>(), [["r002", "r003"]]);
        let answer = [failed("r002", "network", Retry::Later), failed("r003", "network", Retry::Later)];
        bench.list(&again[0].key, several(answer.into()));
    }
    // The eighth attempt is the last, whatever job it was part of.
    bench.pass(60_000);
    let again = bench.take("list");
    let answer = [page("r002", &["1"], ""), failed("r003", "network", Retry::Later)];
    bench.list(&again[0].key, several(answer.into()));
    assert_eq!(bench.kinds("s")[2..], ["listing r.example/r003 network"]);
    // Each published again and again.
    let tags: BTreeSet<String> = bench.take("resolve").iter().flat_map(references).collect();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), ["r.example/r000:1", "r.example/r002:1"]);
}

#[test]
fn whoever_watches_hears_why_a_listing_is_tried_again() {
    let mut bench = bench(1, 32);
    let hint = |bench: &Bench| bench.plan.progress("s").expect("it runs").hint;
    assert_eq!(hint(&bench), "");
    let job = bench.only_job("list");
    bench.fail(&job, failure("network", Retry::Later, 0));
    assert!(hint(&bench).starts_with("tried again: "), "{}", hint(&bench));
    bench.pass(60_000);
    let job = bench.only_job("list");
    bench.list(&job, listed(&["1"], ""));
    assert_eq!(hint(&bench), "");
}

#[test]
fn what_is_left_out_is_asked_for_by_itself_and_pages_go_on_by_themselves() {
    let mut bench = bench(16, 8);
    let jobs = bench.take("list");
    assert_eq!(repositories(&jobs[0]).len(), 8);
    bench.list(&jobs[0].key, several(vec![page("r000", &["1"], "2")]));
    // A worker that knows of one repository in a job.
    assert_eq!(repositories(&jobs[1]).len(), 8);
    bench.list(&jobs[1].key, listed(&["1"], ""));
    let mut seen = Vec::new();
    for _ in 0..100 {
        for job in bench.take("list") {
            let of = repositories(&job);
            assert_eq!(of.len(), 1, "{of:?}");
            seen.extend(of);
            bench.list(&job.key, listed(&["2"], ""));
        }
    }
    seen.sort();
    // The first has a second page; that of the second job needs no more.
    let want: Vec<String> =
        (0..16).filter(|number| *number != 8).map(|number| format!("r{number:03}")).collect();
    assert_eq!(seen, want);
    assert!(!bench.kinds("s").iter().any(|kind| kind.starts_with("listing")), "nothing failed");
}

#[test]
fn a_job_that_fails_as_a_whole_fails_none_of_its_repositories() {
    for retry in [Retry::Never, Retry::Later] {
        let mut bench = bench(8, 4);
        let jobs = bench.take("list");
        for job in &jobs[1..] {
            let of = repositories(job);
            let answer = several(of.iter().map(|name| page(name, &[], "")).collect());
            bench.list(&job.key, if of.len() > 1 { answer } else { listed(&[], "") });
        }
        bench.fail(&jobs[0].key, failure("panic", retry, 0));
        let mut again = Vec::new();
        for _ in 0..4 {
            for job in bench.take("list") {
                assert_eq!(repositories(&job).len(), 1);
                again.extend(repositories(&job));
                match again.len() {
                    1 => bench.fail(&job.key, failure("panic", Retry::Never, 0)),
                    _ => bench.list(&job.key, listed(&[], "")),
                };
            }
            bench.pass(60_000);
        }
        assert_eq!(again.len(), 4, "{again:?}");
        let bad = format!("listing r.example/{} panic", again[0]);
        assert_eq!(bench.kinds("s")[1..], [bad.as_str(), "finished COMPLETED_WITH_FAILURES"]);
    }
}

fn references(job: &Job) -> Vec<String> {
    let Some(Verb::Resolve(resolve)) = &job.verb else { panic!("{job:?}") };
    resolve.references.clone()
}

/// A sweep of so many references in one repository, with room for two jobs at a time.
fn tags(count: usize) -> Bench {
    let mut bench = bench(1, 32);
    let names: Vec<String> = (0..count).map(|number| format!("{number:04}")).collect();
    let job = bench.only_job("list");
    bench.list(&job, listed(&names.iter().map(String::as_str).collect::<Vec<_>>(), ""));
    bench
}

#[test]
fn resolve_jobs_of_a_sweep_grow_with_what_there_is_to_do() {
    for (count, sizes) in [(10, &[10][..]), (100, &[100]), (1_000, &[128, 128, 128, 128])] {
        let jobs = tags(count).take("resolve");
        let is: Vec<usize> = jobs.iter().map(|job| references(job).len()).collect();
        assert_eq!(is, sizes, "{count}");
    }
}

#[test]
fn references_that_an_answer_had_no_room_for_are_asked_for_again() {
    let mut bench = tags(10);
    let jobs = bench.take("resolve");
    let of = references(&jobs[0]);
    bench.resolve(&jobs[0].key, &[(of[3].as_str(), image("a", &[], &[]))]);
    let again = bench.take("resolve");
    assert_eq!(references(&again[0]), [&of[..3], &of[4..]].concat());
    assert!(!bench.kinds("s").iter().any(|kind| kind.starts_with("failed")));
}

#[test]
fn an_answer_that_is_too_large_comes_in_halves() {
    let mut bench = tags(10);
    let jobs = bench.take("resolve");
    let of = references(&jobs[0]);
    bench.fail(&jobs[0].key, failure("limit", Retry::Never, 0));
    let halves = bench.take("resolve");
    assert_eq!(halves.iter().map(references).collect::<Vec<_>>(), [&of[..5], &of[5..]]);
    // Down to the one that is too large by itself.
    let mut failing = halves[0].clone();
    while references(&failing).len() > 1 {
        bench.fail(&failing.key, failure("limit", Retry::Never, 0));
        failing = bench.take("resolve").remove(0);
    }
    bench.fail(&failing.key, failure("limit", Retry::Never, 0));
    let failed: Vec<String> =
        bench.kinds("s").into_iter().filter(|kind| kind.starts_with("failed")).collect();
    assert_eq!(failed, [format!("failed limit {}", of[0])]);
}
