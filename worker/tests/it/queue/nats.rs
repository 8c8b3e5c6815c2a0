//! JetStream, on a real server.

mod behaviour;
mod faults;
mod setup;

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use strata_coordinator::queue::nats::{NatsConfig as CoordinatorConfig, NatsQueue};
use strata_proto::{subject, v1::Job};
use strata_worker::queue::nats::{NatsConfig, NatsWorker};

use super::{Pair, suite};
use crate::servers::Server;

const ACK_WAIT: Duration = Duration::from_millis(1000);

pub(crate) fn config(server: &Server) -> CoordinatorConfig {
    let config = CoordinatorConfig::new(&server.address());
    CoordinatorConfig { ack_wait: ACK_WAIT, outcome_wait: ACK_WAIT, ..config }
}

pub(crate) async fn worker(server: &Server) -> NatsWorker {
    let config = NatsConfig { ack_wait: ACK_WAIT, ..NatsConfig::new(&server.address()) };
    NatsWorker::connect(config).await.expect("connect")
}

/// A client without any adapter, to look behind them.
pub(crate) async fn jetstream(server: &Server) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.address()).await.expect("connect"))
}

async fn pair(server: Server) -> Pair {
    let queue = NatsQueue::connect(config(&server)).await.expect("connect");
    let worker = worker(&server).await;
    let jetstream = jetstream(&server).await;
    Pair {
        queue: Arc::new(queue),
        source: Arc::new(worker.clone()),
        sink: Arc::new(worker),
        dead: Box::new(move || Box::pin(letters(jetstream.clone()))),
        ack_wait: ACK_WAIT,
        _keep: Box::new(server),
    }
}

/// Key and reason of each dead letter.
pub(crate) async fn letters(jetstream: async_nats::jetstream::Context) -> Vec<(String, String)> {
    let stream = jetstream.get_stream(subject::DEAD).await.unwrap();
    let mut letters = Vec::new();
    let mut subjects = stream.info_with_subjects(subject::DEAD_ALL).await.unwrap();
    while let Some(subject) = subjects.next().await {
        let letter = stream.get_last_raw_message_by_subject(&subject.unwrap().0).await.unwrap();
        let job = <Job as prost::Message>::decode(letter.payload).unwrap();
        letters.push((job.key, letter.headers.get(subject::REASON_HEADER).unwrap().to_string()));
    }
    letters
}

#[tokio::test]
async fn conforms() {
    if Server::nats(&[]).is_none() {
        return;
    }
    suite::run(|| Box::pin(async { pair(Server::nats(&[]).unwrap()).await })).await;
}
