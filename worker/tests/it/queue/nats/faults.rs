//! The server is killed, loses its disk, or hangs.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use strata_coordinator::{
    ports::{JobQueue as _, Published},
    queue::nats::{NatsConfig as CoordinatorConfig, NatsQueue},
};
use strata_proto::v1::Lane;
use strata_worker::{
    ports::{JobSource as _, OutcomeSink as _},
    queue::nats::NatsWorker,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{config, worker};
use crate::{
    queue::{job, one, outcome, trace},
    servers::Server,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn quick(server: &Server) -> CoordinatorConfig {
    CoordinatorConfig { janitor_every: Duration::from_millis(300), ..config(server) }
}

/// A worker that does whatever comes, as long as the test lasts.
fn work(worker: NatsWorker) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let Ok(deliveries) = worker.pull(Lane::Sweep, 16).await else {
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            for delivery in deliveries {
                while worker.publish(&outcome(&delivery), &trace("t")).await.is_err() {
                    sleep(Duration::from_millis(50)).await;
                }
                // Not heard by the server: then the job comes again.
                let _ = delivery.handle.done().await;
            }
        }
    })
}

/// Collects the keys of outcomes until the test ends.
fn collect(queue: Arc<NatsQueue>) -> (Arc<Mutex<BTreeSet<String>>>, JoinHandle<()>) {
    let keys: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let seen = Arc::clone(&keys);
    let task = tokio::spawn(async move {
        loop {
            let Ok(deliveries) = queue.outcomes(64).await else {
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            for delivery in deliveries {
                seen.lock().unwrap().insert(delivery.outcome.key.clone());
                let _ = delivery.handle.done().await;
            }
        }
    });
    (keys, task)
}

/// Publishes until the queue answers.
async fn publish(queue: &NatsQueue, name: &str) -> Published {
    let tried = async {
        loop {
            match queue.publish(&job(name, Lane::Sweep), &trace("t")).await {
                Ok(published) => return published,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    timeout(PATIENCE, tried).await.expect("the queue comes back")
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_server_was_killed_under_load_every_job_that_is_asked_for_again_has_its_outcome() {
    let Some(mut server) = Server::nats(&[]) else { return };
    let queue = Arc::new(NatsQueue::connect(quick(&server)).await.unwrap());
    let (keys, collector) = collect(Arc::clone(&queue));
    let workers = [work(worker(&server).await), work(worker(&server).await)];
    let mut wanted = BTreeSet::new();
    for round in 0..3 {
        for n in 0..150 {
            let name = format!("{round}-{n}");
            publish(&queue, &name).await;
            wanted.insert((job(&name, Lane::Sweep).key, name));
        }
        server.restart();
    }
    // A server of that age may forget what it has confirmed: who waits for a job publishes it again, and where it is in the queue
    // nothing comes of that.
    until("jobs are lost", async || {
        let missing: Vec<_> = {
            let seen = keys.lock().unwrap();
            wanted.iter().filter(|(key, _)| !seen.contains(key)).collect()
        };
        for (_, name) in &missing {
            publish(&queue, name).await;
        }
        missing.is_empty()
    })
    .await;
    // No subject stays taken by a job that is done.
    for n in 0..150 {
        let name = format!("0-{n}");
        until("a subject stays taken", async || publish(&queue, &name).await == Published::Accepted).await;
    }
    for task in workers.into_iter().chain([collector]) {
        task.abort();
    }
}

#[tokio::test]
async fn jobs_that_a_killed_server_forgot_to_delete_do_not_block_their_subjects() {
    let Some(mut server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(quick(&server)).await.unwrap();
    let worker = worker(&server).await;
    for n in 0..200 {
        publish(&queue, &n.to_string()).await;
    }
    for _ in 0..200 {
        one(&worker, Lane::Sweep).await.handle.done().await.unwrap();
    }
    // Long enough for the server to write that all is acknowledged; 2.9 may then not have written that it is deleted.
    sleep(Duration::from_secs(3)).await;
    server.restart();
    let workers = work(worker);
    for n in 0..200 {
        let name = n.to_string();
        until("a subject stays taken", async || publish(&queue, &name).await == Published::Accepted).await;
    }
    workers.abort();
}

#[tokio::test]
async fn a_server_that_lost_its_disk_gets_its_streams_again() {
    let Some(mut server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(quick(&server)).await.unwrap();
    let worker = worker(&server).await;
    publish(&queue, "a").await;
    one(&worker, Lane::Sweep).await.handle.done().await.unwrap();
    server.restart_empty();
    assert_eq!(publish(&queue, "b").await, Published::Accepted);
    let pulled = async {
        loop {
            match worker.pull(Lane::Sweep, 4).await {
                Ok(mut deliveries) if !deliveries.is_empty() => return deliveries.remove(0),
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let delivery = timeout(PATIENCE, pulled).await.expect("the job arrives");
    assert_eq!(delivery.job, job("b", Lane::Sweep));
    delivery.handle.done().await.unwrap();
}

#[tokio::test]
async fn without_a_server_calls_fail_and_do_not_hang() {
    let Some(mut server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(quick(&server)).await.unwrap();
    let worker = worker(&server).await;
    publish(&queue, "a").await;
    let held = one(&worker, Lane::Sweep).await;
    let result = outcome(&held);
    server.kill();
    until("the loss is noticed", async || !worker.is_connected() && !queue.is_connected()).await;
    let calls = async {
        let pulled = worker.pull(Lane::Sweep, 1).await.err().map(|error| error.to_string());
        let published = queue.publish(&job("b", Lane::Sweep), &trace("t")).await.err();
        let sent = worker.publish(&result, &trace("t")).await.err().map(|error| error.to_string());
        let done = held.handle.done().await.err().map(|error| error.to_string());
        let taken = queue.outcomes(1).await.err().map(|error| error.to_string());
        [pulled, published.map(|error| error.to_string()), sent, done, taken]
    };
    let errors = timeout(PATIENCE, calls).await.expect("no call hangs");
    for (error, action) in errors.iter().zip([
        "pull jobs",
        "publish a job",
        "publish an outcome",
        "settle a job",
        "take outcomes",
    ]) {
        let error = error.as_ref().unwrap_or_else(|| panic!("`{action}` succeeded"));
        assert!(error.starts_with(&format!("failed to {action}: ")), "{error}");
    }
    server.restart();
    until("the worker comes back", async || worker.is_connected() && queue.is_connected()).await;
    publish(&queue, "c").await;
}
