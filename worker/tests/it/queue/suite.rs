//! The suite: one pair of adapters for each case.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use strata_coordinator::ports::{OutcomeDelivery, Published};
use strata_proto::v1::{Bundle, Job, Lane, job::Verb};
use tokio::time::{Instant, sleep, timeout};

use super::{Pair, bundle, bundled, job, nothing, one, outcome, trace};

type Case = (&'static str, fn(Pair) -> BoxFuture<'static, ()>);

const CASES: [Case; 15] = [
    ("a job goes out and its outcome comes back", |pair| Box::pin(round_trip(pair))),
    ("a subject has one job at a time", |pair| Box::pin(single_flight(pair))),
    ("lanes are separate", |pair| Box::pin(lanes(pair))),
    ("nothing is taken beyond what was asked for", |pair| Box::pin(no_prefetch(pair))),
    ("a dropped delivery comes again", |pair| Box::pin(redelivery(pair))),
    ("a released job comes again", |pair| Box::pin(release(pair))),
    ("a job that is extended stays with its worker", |pair| Box::pin(extend(pair))),
    ("an outcome comes again until it is acknowledged", |pair| Box::pin(outcome_again(pair))),
    ("a waiting job can be withdrawn", |pair| Box::pin(withdraw(pair))),
    ("who runs a job that is withdrawn hears of it", |pair| Box::pin(withdraw_running(pair))),
    ("a bundle is one job, whatever is in it", |pair| Box::pin(bundles(pair))),
    ("a bundle is withdrawn as one", |pair| Box::pin(withdraw_bundles(pair))),
    ("a dead letter keeps job and reason", |pair| Box::pin(bury(pair))),
    ("a cancelled pull loses nothing", |pair| Box::pin(cancelled_pull(pair))),
    ("many workers do each job once", |pair| Box::pin(crowd(pair))),
];

/// Runs every case on a pair of its own.
#[expect(clippy::print_stdout, reason = "a failure shows which case it was")]
pub(crate) async fn run(make: impl Fn() -> BoxFuture<'static, Pair>) {
    for (name, case) in CASES {
        println!("case: {name}");
        let pair = make().await;
        timeout(Duration::from_secs(60), case(pair)).await.unwrap_or_else(|_| panic!("`{name}` hangs"));
    }
}

async fn outcomes(pair: &Pair) -> Vec<OutcomeDelivery> {
    loop {
        let outcomes = pair.queue.outcomes(64).await.expect("outcomes");
        if !outcomes.is_empty() {
            return outcomes;
        }
    }
}

async fn round_trip(pair: Pair) {
    let sent = job("a", Lane::Interactive);
    assert_eq!(pair.queue.publish(&sent, &trace("t1")).await.unwrap(), Published::Accepted);
    let delivery = one(&*pair.source, Lane::Interactive).await;
    assert_eq!((&delivery.job, &delivery.trace), (&sent, &trace("t1")));
    assert_eq!(delivery.executions, 1);
    let result = outcome(&delivery);
    pair.sink.publish(&result, &trace("t2")).await.unwrap();
    delivery.handle.done().await.unwrap();
    let got = outcomes(&pair).await;
    assert_eq!(got.len(), 1);
    assert_eq!((&got[0].outcome, &got[0].trace), (&result, &trace("t2")));
    got[0].handle.done().await.unwrap();
    nothing(&*pair.source, Lane::Interactive).await;
}

async fn single_flight(pair: Pair) {
    let sent = job("a", Lane::Sweep);
    let publish = || async { pair.queue.publish(&sent, &trace("t")).await.unwrap() };
    assert_eq!(publish().await, Published::Accepted);
    assert_eq!(publish().await, Published::AlreadyQueued, "queued");
    let first = one(&*pair.source, Lane::Sweep).await;
    assert_eq!(publish().await, Published::AlreadyQueued, "running");
    nothing(&*pair.source, Lane::Sweep).await;
    pair.sink.publish(&outcome(&first), &trace("t")).await.unwrap();
    first.handle.done().await.unwrap();
    for outcome in outcomes(&pair).await {
        outcome.handle.done().await.unwrap();
    }
    assert_eq!(publish().await, Published::Accepted, "done");
    let second = one(&*pair.source, Lane::Sweep).await;
    assert_eq!(second.executions, 1);
    assert!(second.sequence > first.sequence, "{} after {}", second.sequence, first.sequence);
    second.handle.done().await.unwrap();
}

async fn lanes(pair: Pair) {
    for lane in [Lane::Sweep, Lane::Interactive] {
        let published = pair.queue.publish(&job("a", lane), &trace("t")).await.unwrap();
        assert_eq!(published, Published::Accepted, "{lane:?}");
    }
    for lane in [Lane::Interactive, Lane::Sweep] {
        let delivery = one(&*pair.source, lane).await;
        assert_eq!(delivery.job.lane(), lane);
        nothing(&*pair.source, lane).await;
        delivery.handle.done().await.unwrap();
    }
}

async fn no_prefetch(pair: Pair) {
    let keys: BTreeSet<String> = (0..10).map(|n| job(&n.to_string(), Lane::Sweep).key).collect();
    for n in 0..10 {
        pair.queue.publish(&job(&n.to_string(), Lane::Sweep), &trace("t")).await.unwrap();
    }
    let mut held = Vec::new();
    for max in [3, 1, 4, 0, 2] {
        let before = held.len();
        while held.len() < before + max {
            let room = before + max - held.len();
            let jobs = pair.source.pull(Lane::Sweep, room).await.unwrap();
            assert!(jobs.len() <= room, "{} jobs for {room} permits", jobs.len());
            held.extend(jobs);
        }
        // Whoever holds nothing more can still be handed out: withdrawing proves that no worker has it.
    }
    assert_eq!(held.iter().map(|delivery| delivery.job.key.clone()).collect::<BTreeSet<_>>(), keys);
    assert!(held.iter().all(|delivery| delivery.executions == 1));
    for delivery in held {
        delivery.handle.done().await.unwrap();
    }
}

async fn redelivery(pair: Pair) {
    pair.queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    let first = one(&*pair.source, Lane::Sweep).await;
    let sequence = first.sequence;
    drop(first);
    let second = one(&*pair.source, Lane::Sweep).await;
    assert_eq!((second.sequence, second.executions), (sequence, 2));
    assert_eq!((&second.job, &second.trace), (&job("a", Lane::Sweep), &trace("t")));
    second.handle.done().await.unwrap();
    drop(second);
    nothing(&*pair.source, Lane::Sweep).await;
}

async fn release(pair: Pair) {
    pair.queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    let first = one(&*pair.source, Lane::Sweep).await;
    first.handle.release(Duration::from_millis(50)).await.unwrap();
    let second = one(&*pair.source, Lane::Sweep).await;
    assert_eq!((second.sequence, second.executions), (first.sequence, 2));
    let published = pair.queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    assert_eq!(published, Published::AlreadyQueued);
    second.handle.done().await.unwrap();
    drop((first, second));
    nothing(&*pair.source, Lane::Sweep).await;
}

async fn extend(pair: Pair) {
    pair.queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    let held = one(&*pair.source, Lane::Sweep).await;
    let end = Instant::now() + pair.ack_wait * 3;
    let mut idle = 0;
    while Instant::now() < end {
        held.handle.extend().await.unwrap();
        // Long enough for a redelivery to arrive, if there were one; shorter than the queue's patience.
        if let Ok(jobs) = timeout(pair.ack_wait / 3, pair.source.pull(Lane::Sweep, 1)).await {
            assert!(jobs.unwrap().is_empty(), "the job was handed out twice");
        }
        idle += 1;
    }
    assert!(idle > 2);
    held.handle.done().await.unwrap();
}

async fn outcome_again(pair: Pair) {
    pair.queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    let delivery = one(&*pair.source, Lane::Sweep).await;
    let result = outcome(&delivery);
    pair.sink.publish(&result, &trace("t")).await.unwrap();
    delivery.handle.done().await.unwrap();
    drop(outcomes(&pair).await);
    let again = outcomes(&pair).await;
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].outcome, result);
    again[0].handle.done().await.unwrap();
    drop(again);
    let more = timeout(pair.ack_wait * 2, pair.queue.outcomes(1)).await;
    assert!(
        more.unwrap_or_else(|_| Ok(Vec::new())).unwrap().is_empty(),
        "an acknowledged outcome came again"
    );
}

async fn withdraw(pair: Pair) {
    let (waiting, running) = (job("waiting", Lane::Sweep), job("running", Lane::Sweep));
    pair.queue.publish(&running, &trace("t")).await.unwrap();
    let held = one(&*pair.source, Lane::Sweep).await;
    pair.queue.publish(&waiting, &trace("t")).await.unwrap();
    for job in [&waiting, &running, &job("unknown", Lane::Sweep)] {
        pair.queue.withdraw(job).await.unwrap();
    }
    nothing(&*pair.source, Lane::Sweep).await;
    assert_eq!(pair.queue.publish(&running, &trace("t")).await.unwrap(), Published::AlreadyQueued);
    assert_eq!(pair.queue.publish(&waiting, &trace("t")).await.unwrap(), Published::Accepted);
    let fresh = one(&*pair.source, Lane::Sweep).await;
    assert_eq!((fresh.job.key.clone(), fresh.executions), (waiting.key, 1));
    fresh.handle.done().await.unwrap();
    held.handle.done().await.unwrap();
}

async fn withdraw_running(pair: Pair) {
    let (unwanted, wanted) = (job("unwanted", Lane::Sweep), job("wanted", Lane::Sweep));
    let mut held = BTreeMap::new();
    for job in [&unwanted, &wanted] {
        pair.queue.publish(job, &trace("t")).await.unwrap();
        held.insert(job.key.clone(), one(&*pair.source, Lane::Sweep).await);
    }
    pair.queue.withdraw(&unwanted).await.unwrap();
    let dropped = held.remove(&unwanted.key).unwrap();
    // The suite's runner bounds the wait.
    dropped.handle.withdrawn().await;
    let other = held.remove(&wanted.key).unwrap();
    assert!(timeout(pair.ack_wait / 4, other.handle.withdrawn()).await.is_err(), "it is wanted");
    pair.sink.publish(&outcome(&dropped), &trace("t")).await.unwrap();
    dropped.handle.done().await.unwrap();
    for outcome in outcomes(&pair).await {
        outcome.handle.done().await.unwrap();
    }
    // The same key again is another job, which nobody withdrew.
    assert_eq!(pair.queue.publish(&unwanted, &trace("t")).await.unwrap(), Published::Accepted);
    let again = one(&*pair.source, Lane::Sweep).await;
    assert!(timeout(pair.ack_wait / 4, again.handle.withdrawn()).await.is_err(), "it is another one");
    again.handle.done().await.unwrap();
    other.handle.done().await.unwrap();
}

async fn bundles(pair: Pair) {
    let sent = bundle(&["a", "b"]);
    let publish = |job| {
        let pair = &pair;
        async move { pair.queue.publish(&job, &trace("t")).await.unwrap() }
    };
    assert_eq!(publish(sent.clone()).await, Published::Accepted);
    assert_eq!(publish(sent.clone()).await, Published::AlreadyQueued, "queued");
    let first = one(&*pair.source, Lane::Sweep).await;
    assert_eq!((&first.job, first.executions), (&sent, 1));
    // What is in it is not taken: only the plan knows.
    assert_eq!(publish(job("a", Lane::Sweep)).await, Published::Accepted);
    one(&*pair.source, Lane::Sweep).await.handle.done().await.unwrap();
    let sequence = first.sequence;
    drop(first);
    let again = one(&*pair.source, Lane::Sweep).await;
    assert_eq!((&again.job, again.sequence, again.executions), (&sent, sequence, 2));
    assert_eq!(publish(sent.clone()).await, Published::AlreadyQueued, "running");
    let told = bundled(&again);
    pair.sink.publish(&told, &trace("t2")).await.unwrap();
    again.handle.done().await.unwrap();
    drop(outcomes(&pair).await);
    let heard = outcomes(&pair).await;
    assert_eq!(heard.len(), 1);
    assert_eq!((&heard[0].outcome, &heard[0].trace), (&told, &trace("t2")));
    heard[0].handle.done().await.unwrap();
    assert_eq!(publish(sent).await, Published::Accepted, "done");
    one(&*pair.source, Lane::Sweep).await.handle.done().await.unwrap();
}

async fn withdraw_bundles(pair: Pair) {
    let (running, waiting) = (bundle(&["a", "b"]), bundle(&["c", "d"]));
    pair.queue.publish(&running, &trace("t")).await.unwrap();
    let held = one(&*pair.source, Lane::Sweep).await;
    pair.queue.publish(&waiting, &trace("t")).await.unwrap();
    for whole in [&running, &waiting] {
        // Its name is enough.
        let verb = Some(Verb::Bundle(Bundle::default()));
        pair.queue.withdraw(&Job { verb, ..whole.clone() }).await.unwrap();
    }
    nothing(&*pair.source, Lane::Sweep).await;
    held.handle.withdrawn().await;
    pair.sink.publish(&bundled(&held), &trace("t")).await.unwrap();
    held.handle.done().await.unwrap();
    for outcome in outcomes(&pair).await {
        outcome.handle.done().await.unwrap();
    }
    for whole in [&running, &waiting] {
        assert_eq!(pair.queue.publish(whole, &trace("t")).await.unwrap(), Published::Accepted);
        one(&*pair.source, Lane::Sweep).await.handle.done().await.unwrap();
    }
}

async fn bury(pair: Pair) {
    pair.queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    let delivery = one(&*pair.source, Lane::Sweep).await;
    delivery.handle.bury(&delivery.job, "it killed\nthree workers: ü").await.unwrap();
    delivery.handle.done().await.unwrap();
    let dead = (pair.dead)().await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].0, delivery.job.key);
    assert!(dead[0].1.starts_with("it killed") && dead[0].1.ends_with("three workers: ü"), "{:?}", dead[0].1);
}

async fn cancelled_pull(pair: Pair) {
    for n in 0..20 {
        // Cancelled while it waits; the job then comes to the next pull, and for the first time.
        let _ = timeout(Duration::from_millis(5), pair.source.pull(Lane::Sweep, 4)).await;
        let sent = job(&n.to_string(), Lane::Sweep);
        pair.queue.publish(&sent, &trace("t")).await.unwrap();
        let delivery = one(&*pair.source, Lane::Sweep).await;
        assert_eq!((delivery.job.key.clone(), delivery.executions), (sent.key, 1), "round {n}");
        delivery.handle.done().await.unwrap();
    }
}

async fn crowd(pair: Pair) {
    const JOBS: usize = 300;
    let pair = Arc::new(pair);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let pair = Arc::clone(&pair);
        tasks.spawn(async move {
            loop {
                for delivery in pair.source.pull(Lane::Sweep, 8).await.unwrap() {
                    pair.sink.publish(&outcome(&delivery), &trace("t")).await.unwrap();
                    delivery.handle.done().await.unwrap();
                }
            }
        });
    }
    for n in 0..JOBS {
        let published = pair.queue.publish(&job(&n.to_string(), Lane::Sweep), &trace("t")).await.unwrap();
        assert_eq!(published, Published::Accepted);
    }
    let mut executions = BTreeMap::new();
    while executions.len() < JOBS {
        for delivery in outcomes(&pair).await {
            *executions.entry(delivery.outcome.key.clone()).or_insert(0) += 1;
            assert_eq!(delivery.outcome.executions, 1);
            delivery.handle.done().await.unwrap();
        }
    }
    assert!(executions.values().all(|times| *times == 1));
    tasks.shutdown().await;
    sleep(Duration::ZERO).await;
}
