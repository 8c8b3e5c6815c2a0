use std::time::Duration;

use futures::FutureExt as _;

use super::*;
use crate::cache::memory::MemoryCache;

#[test]
fn how_an_execution_begins() {
    let usual = Poison::default();
    let patient = Poison { executions: 5, churn_starts: 100, churn_executions: 2 };
    let strict = Poison { executions: 1, ..usual };
    // Executions that began and did not end, and starts of workers lately.
    for (poison, executions, starts, way) in [
        (usual, 0, 0, Way::Beside),
        (usual, 1, 0, Way::Beside),
        (usual, 2, 0, Way::Alone),
        (usual, 3, 0, Way::Never),
        (usual, 3, 14, Way::Never),
        // Workers die all the time: dying with one proves less.
        (usual, 1, 15, Way::Beside),
        (usual, 2, 15, Way::Alone),
        (usual, 3, 15, Way::Alone),
        (usual, 8, 1_000, Way::Alone),
        (usual, 9, 1_000, Way::Never),
        (usual, u64::MAX, u64::MAX, Way::Never),
        (patient, 3, 0, Way::Beside),
        (patient, 4, 0, Way::Alone),
        (patient, 5, 0, Way::Never),
        // Never fewer because of the churn.
        (patient, 4, 100, Way::Alone),
        (patient, 5, 100, Way::Never),
        (strict, 0, 0, Way::Beside),
        (strict, 1, 0, Way::Never),
        (strict, 1, 15, Way::Alone),
    ] {
        assert_eq!(poison.way(Past { executions, starts }), way, "{poison:?} {executions} {starts}");
    }
}

fn token(executions: u64) -> Token {
    Token { sequence: 1, executions, owner: "w".to_owned() }
}

/// A bundle whose worker died was an execution of each of its jobs.
#[tokio::test]
async fn a_death_in_a_bundle_counts() {
    let trials = Trials::new(Arc::new(MemoryCache::new()));
    let job = Job { key: "k".to_owned(), died: 1, ..Job::default() };
    let (first, second, third) = (token(1), token(2), token(3));
    let other = Job { key: "o".to_owned(), ..Job::default() };
    let [fresh, last, poisoned] = [&first, &second, &third].map(|token| trials.of(&job, token));
    let beside = fresh.begin(Poison::default()).await;
    assert!(
        trials.of(&other, &first).begin(Poison::default()).now_or_never().is_some(),
        "others run beside it"
    );
    drop(beside);
    let alone = last.begin(Poison::default()).await;
    assert!(matches!(alone, Begun::Place { .. }));
    assert!(trials.of(&other, &first).begin(Poison::default()).now_or_never().is_none(), "it is alone");
    drop(alone);
    assert!(matches!(poisoned.begin(Poison::default()).await, Begun::Poison(3)));
}

/// Deliveries are what a cache in memory knows: the third is the last that is allowed.
#[tokio::test]
async fn the_last_execution_has_the_worker_to_itself() {
    let trials = Trials::new(Arc::new(MemoryCache::new()));
    let (job, poison) = (Job { key: "k".to_owned(), ..Job::default() }, Poison::default());
    let (first, second, third, fourth) = (token(1), token(2), token(3), token(4));
    let [fresh, suspect, last, poisoned] =
        [&first, &second, &third, &fourth].map(|token| trials.of(&job, token));

    let beside = fresh.begin(poison).await;
    let begun = suspect.begin(poison).await;
    assert!(matches!(begun, Begun::Place { .. }), "a suspect runs beside a fresh job");
    assert!(last.begin(poison).now_or_never().is_none(), "one suspect at a time");
    drop(begun);
    let mut alone = Box::pin(last.begin(poison));
    assert!((&mut alone).now_or_never().is_none(), "the fresh job is still there");
    assert!(fresh.begin(poison).now_or_never().is_none(), "and no other comes in before the one that waits");
    drop(beside);
    let alone = tokio::time::timeout(Duration::from_secs(30), alone).await.expect("the house is empty");
    assert!(matches!(alone, Begun::Place { .. }));
    assert!(fresh.begin(poison).now_or_never().is_none(), "it is alone");
    drop(alone);
    assert!(matches!(poisoned.begin(poison).await, Begun::Poison(3)));
    assert!(fresh.begin(poison).now_or_never().is_some(), "and everybody may in again");
}
