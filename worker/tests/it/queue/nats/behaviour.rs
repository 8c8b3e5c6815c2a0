//! What only a real server shows while everything works.

use std::time::Duration;

use strata_coordinator::{
    ports::{JobQueue as _, Published},
    queue::nats::NatsQueue,
};
use strata_proto::{
    subject,
    trace::TraceHeaders,
    v1::{Lane, Listed, Outcome, Retry, outcome::Result as Answer},
};
use strata_worker::ports::{JobSource as _, OutcomeSink as _};
use tokio::time::timeout;

use super::{config, jetstream, letters, worker};
use crate::{
    queue::{job, nothing, one, outcome, trace},
    servers::Server,
};

#[tokio::test]
async fn an_outcome_sent_twice_arrives_once() {
    let Some(server) = Server::nats(&[]) else { return };
    let (queue, worker) = (NatsQueue::connect(config(&server)).await.unwrap(), worker(&server).await);
    let mut sent = Outcome { key: "k".to_owned(), sequence: 7, executions: 1, ..Outcome::default() };
    for _ in 0..3 {
        worker.publish(&sent, &trace("t")).await.unwrap();
    }
    // Another execution of the same job is another outcome, even when it says the same.
    sent.executions = 2;
    worker.publish(&sent, &trace("t")).await.unwrap();
    let mut executions = Vec::new();
    while executions.len() < 2 {
        for delivery in queue.outcomes(64).await.unwrap() {
            executions.push(delivery.outcome.executions);
            delivery.handle.done().await.unwrap();
        }
    }
    assert_eq!(executions, [1, 2]);
    let info = jetstream(&server).await.get_stream(subject::OUTCOMES).await.unwrap();
    assert_eq!(info.cached_info().state.messages, 0);
}

#[tokio::test]
async fn an_outcome_that_no_message_can_hold_becomes_a_failure() {
    let Some(server) = Server::nats(&[]) else { return };
    let (queue, worker) = (NatsQueue::connect(config(&server)).await.unwrap(), worker(&server).await);
    let names = vec!["n".repeat(1000); 2000];
    let sent = Outcome {
        key: "k".to_owned(),
        sequence: 7,
        result: Some(Answer::Listed(Listed { names, ..Listed::default() })),
        ..Outcome::default()
    };
    worker.publish(&sent, &trace("t")).await.unwrap();
    let got = queue.outcomes(1).await.unwrap().remove(0).outcome;
    let Some(Answer::Failure(failure)) = got.result else { panic!("{got:?}") };
    assert_eq!((got.key.as_str(), failure.code.as_str(), failure.retry()), ("k", "limit", Retry::Never));
    assert!(failure.message.contains("the outcome of job k has 20060"), "{}", failure.message);
}

#[tokio::test]
async fn a_full_stream_is_no_queued_job() {
    let Some(server) = Server::nats(&[]) else { return };
    let mut config = config(&server);
    config.limits.jobs = 3;
    let queue = NatsQueue::connect(config).await.unwrap();
    for n in 0..3 {
        let published = queue.publish(&job(&n.to_string(), Lane::Sweep), &trace("t")).await.unwrap();
        assert_eq!(published, Published::Accepted);
    }
    // The server gives both refusals the same number; a job that is taken for queued would never run.
    let refused = queue.publish(&job("3", Lane::Sweep), &trace("t")).await.unwrap_err().to_string();
    assert!(refused.starts_with("failed to publish a job: "), "{refused}");
    let worker = worker(&server).await;
    one(&worker, Lane::Sweep).await.handle.done().await.unwrap();
    let published = queue.publish(&job("3", Lane::Sweep), &trace("t")).await.unwrap();
    assert_eq!(published, Published::Accepted);
}

#[tokio::test]
async fn a_worker_holds_no_more_than_it_asked_for() {
    let Some(server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(config(&server)).await.unwrap();
    let (first, second) = (worker(&server).await, worker(&server).await);
    for n in 0..10 {
        queue.publish(&job(&n.to_string(), Lane::Sweep), &trace("t")).await.unwrap();
    }
    let held = first.pull(Lane::Sweep, 3).await.unwrap();
    assert_eq!(held.len(), 3);
    let lag = queue.lag().await.unwrap();
    assert_eq!((lag[0].lane, lag[0].waiting, lag[0].running), (Lane::Interactive, 0, 0));
    assert_eq!((lag[1].lane, lag[1].waiting, lag[1].running), (Lane::Sweep, 7, 3));
    let rest = second.pull(Lane::Sweep, 64).await.unwrap();
    assert_eq!(rest.len(), 7);
}

#[tokio::test]
async fn a_late_word_of_a_dead_worker_does_no_harm() {
    let Some(server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(config(&server)).await.unwrap();
    let (first, second) = (worker(&server).await, worker(&server).await);
    queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    let zombie = one(&first, Lane::Sweep).await;
    let heir = one(&second, Lane::Sweep).await;
    assert_eq!((heir.sequence, heir.executions), (zombie.sequence, 2));
    second.publish(&outcome(&heir), &trace("t")).await.unwrap();
    zombie.handle.extend().await.unwrap();
    zombie.handle.done().await.unwrap();
    heir.handle.done().await.unwrap();
    assert_eq!(queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap(), Published::Accepted);
    let fresh = one(&first, Lane::Sweep).await;
    assert_eq!(fresh.executions, 1);
    // The heir's word is about the old message: the new one is not settled by it.
    heir.handle.done().await.unwrap();
    assert_eq!(queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap(), Published::AlreadyQueued);
    fresh.handle.done().await.unwrap();
}

#[tokio::test]
async fn what_is_no_job_goes_to_the_dead_letters() {
    let Some(server) = Server::nats(&[]) else { return };
    let (queue, worker) = (NatsQueue::connect(config(&server)).await.unwrap(), worker(&server).await);
    let raw = jetstream(&server).await;
    let subject = format!("{}x", subject::lane_consumer(Lane::Sweep).1.trim_end_matches('>'));
    raw.publish(subject, "\u{7}no job".into()).await.unwrap().await.unwrap();
    raw.publish(subject::outcome("x"), "\u{7}no outcome".into()).await.unwrap().await.unwrap();
    nothing(&worker, Lane::Sweep).await;
    let outcomes = timeout(Duration::from_secs(1), queue.outcomes(1)).await;
    assert!(outcomes.unwrap_or_else(|_| Ok(Vec::new())).unwrap().is_empty());
    let dead = raw.get_stream(subject::DEAD).await.unwrap();
    assert_eq!(dead.cached_info().state.messages, 2);
    for stream in [subject::JOBS, subject::OUTCOMES] {
        assert_eq!(raw.get_stream(stream).await.unwrap().cached_info().state.messages, 0, "{stream}");
    }
}

#[tokio::test]
async fn a_job_that_the_server_gave_up_becomes_a_failure() {
    let Some(server) = Server::nats(&[]) else { return };
    let mut config = config(&server);
    config.janitor_every = Duration::from_millis(300);
    let (queue, worker) = (NatsQueue::connect(config).await.unwrap(), worker(&server).await);
    let sent = job("a", Lane::Sweep);
    queue.publish(&sent, &trace("t")).await.unwrap();
    for executions in 1..=100 {
        let delivery = one(&worker, Lane::Sweep).await;
        assert_eq!(delivery.executions, executions);
        delivery.handle.release(Duration::from_millis(1)).await.unwrap();
    }
    // Pulls go on, as they do in a cluster; the job comes to nobody any more.
    let given_up = async {
        loop {
            nothing(&worker, Lane::Sweep).await;
            let outcomes = timeout(Duration::from_millis(100), queue.outcomes(1)).await;
            if let Some(delivery) = outcomes.unwrap_or_else(|_| Ok(Vec::new())).unwrap().pop() {
                delivery.handle.done().await.unwrap();
                return delivery.outcome;
            }
        }
    };
    let failure = timeout(Duration::from_secs(60), given_up).await.expect("the job is given up");
    assert_eq!(failure.key, sent.key);
    let Some(Answer::Failure(failure)) = failure.result else { panic!("{failure:?}") };
    assert_eq!((failure.code.as_str(), failure.retry()), ("poison", Retry::Never));
    let dead = letters(jetstream(&server).await).await;
    assert_eq!(dead, [(sent.key.clone(), "every worker that took it died".to_owned())]);
    let free = async {
        while queue.publish(&sent, &trace("t")).await.unwrap() == Published::AlreadyQueued {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), free).await.expect("its subject is free");
}

#[tokio::test]
async fn jobs_that_others_gave_back_are_not_forgotten_at_the_end() {
    let Some(server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(config(&server)).await.unwrap();
    let (first, second) = (worker(&server).await, worker(&server).await);
    // A pull that is cancelled leaves a request open; the job goes to it.
    let _ = timeout(Duration::from_millis(200), first.pull(Lane::Sweep, 4)).await;
    queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    while queue.lag().await.unwrap()[1].running == 0 {
        tokio::task::yield_now().await;
    }
    first.close().await.unwrap();
    let delivery = one(&second, Lane::Sweep).await;
    assert_eq!(delivery.job.key, job("a", Lane::Sweep).key);
    delivery.handle.done().await.unwrap();
}

#[tokio::test]
async fn only_the_trace_context_travels() {
    let Some(server) = Server::nats(&[]) else { return };
    let (queue, worker) = (NatsQueue::connect(config(&server)).await.unwrap(), worker(&server).await);
    let mut headers = TraceHeaders::default();
    for (name, value) in [("traceparent", "00-1"), ("tracestate", "a=b\r\nNats-Msg-Id: x"), ("cookie", "c")] {
        headers.0.insert(name.to_owned(), value.to_owned());
    }
    queue.publish(&job("a", Lane::Sweep), &headers).await.unwrap();
    let got = one(&worker, Lane::Sweep).await.trace.0;
    let want = [("traceparent", "00-1"), ("tracestate", "a=b  Nats-Msg-Id: x")];
    assert_eq!(got, want.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}
