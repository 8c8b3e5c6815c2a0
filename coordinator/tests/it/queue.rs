//! The coordinator's half of the queues, alone.

use std::time::Duration;

use async_nats::jetstream::{self, consumer::PullConsumer, stream::RetentionPolicy};
use strata_coordinator::{
    ports::{JobQueue as _, Published},
    queue::{
        channel::ChannelQueue,
        nats::{NatsConfig, NatsQueue},
    },
};
use strata_proto::{
    subject,
    trace::TraceHeaders,
    v1::{IndexJob, Job, Lane, ListJob, Outcome, job::Verb},
};

use crate::servers::Server;

fn job(key: &str, lane: Lane) -> Job {
    let verb = Some(Verb::Index(IndexJob::default()));
    let mut job = Job { key: key.to_owned(), verb, ..Job::default() };
    job.set_lane(lane);
    job
}

async fn jetstream(server: &Server) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.address()).await.unwrap())
}

#[tokio::test]
async fn the_server_has_what_was_asked_for() {
    let Some(server) = Server::nats(&[]) else { return };
    let _queue = NatsQueue::connect(NatsConfig::new(&server.address())).await.unwrap();
    let jetstream = jetstream(&server).await;
    let jobs = jetstream.get_stream(subject::JOBS).await.unwrap();
    let config = &jobs.cached_info().config;
    assert_eq!(config.retention, RetentionPolicy::WorkQueue);
    assert_eq!((config.max_messages_per_subject, config.discard_new_per_subject), (1, true));
    for stream in [subject::JOBS, subject::OUTCOMES, subject::DEAD] {
        let stream = jetstream.get_stream(stream).await.unwrap();
        let config = &stream.cached_info().config;
        // Nothing grows without bound.
        assert!(config.max_bytes > 0 && config.max_age > Duration::ZERO, "{}", config.name);
        assert!(config.max_message_size > 0, "{}", config.name);
    }
    for lane in subject::LANES {
        let (name, filter) = subject::lane_consumer(lane);
        let consumer: PullConsumer = jobs.get_consumer(&name).await.unwrap();
        let config = &consumer.cached_info().config;
        assert_eq!((config.filter_subject.as_str(), config.ack_wait), (filter.as_str(), subject::ACK_WAIT));
        assert_eq!((config.max_deliver, config.max_ack_pending, config.max_waiting), (100, 20_000, 4096));
        assert!(config.backoff.is_empty());
    }
}

#[tokio::test]
async fn a_withdrawn_job_leaves_the_stream_and_others_stay() {
    let Some(server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(NatsConfig::new(&server.address())).await.unwrap();
    let (first, second) = (job("a", Lane::Sweep), job("b", Lane::Sweep));
    for job in [&first, &second, &job("a", Lane::Interactive)] {
        queue.publish(job, &TraceHeaders::default()).await.unwrap();
    }
    for _ in 0..2 {
        queue.withdraw(&first).await.unwrap();
    }
    let stream = jetstream(&server).await.get_stream(subject::JOBS).await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 2);
    assert!(stream.get_last_raw_message_by_subject(&subject::job(&first)).await.is_err());
}

#[tokio::test]
async fn a_job_carries_no_message_id() {
    let Some(server) = Server::nats(&[]) else { return };
    let queue = NatsQueue::connect(NatsConfig::new(&server.address())).await.unwrap();
    let sent = job("a", Lane::Sweep);
    queue.publish(&sent, &TraceHeaders::default()).await.unwrap();
    let stream = jetstream(&server).await.get_stream(subject::JOBS).await.unwrap();
    let message = stream.get_last_raw_message_by_subject(&subject::job(&sent)).await.unwrap();
    assert!(message.headers.get(async_nats::header::NATS_MESSAGE_ID).is_none());
}

/// An outcome frees its own job's subject: not that of the same key in another lane, or of another verb.
#[tokio::test]
async fn an_outcome_frees_the_subject_of_its_execution() {
    let (queue, mut ends) = ChannelQueue::new();
    let trace = TraceHeaders::default();
    let (sweep, interactive) = (job("a", Lane::Sweep), job("a", Lane::Interactive));
    let list = Job { verb: Some(Verb::List(ListJob::default())), ..sweep.clone() };
    for job in [&sweep, &interactive, &list] {
        assert_eq!(queue.publish(job, &trace).await.unwrap(), Published::Accepted);
    }
    let slot = ends.sweep.recv().await.unwrap();
    let (sequence, taken, _) = slot.lock().unwrap().take().unwrap();
    assert_eq!(taken, sweep);
    let outcome = Outcome { key: "a".to_owned(), sequence, executions: 1, ..Outcome::default() };
    ends.outcomes.send((outcome, trace.clone())).await.unwrap();
    queue.outcomes(1).await.unwrap().remove(0).handle.done().await.unwrap();
    for (job, want) in [
        (&sweep, Published::Accepted),
        (&interactive, Published::AlreadyQueued),
        (&list, Published::AlreadyQueued),
    ] {
        assert_eq!(queue.publish(job, &trace).await.unwrap(), want, "{}", subject::job(job));
    }
}

/// An outcome from a worker that does not name its execution frees all that it may be about.
#[tokio::test]
async fn an_outcome_without_a_number_blocks_nothing() {
    let (queue, ends) = ChannelQueue::new();
    let trace = TraceHeaders::default();
    queue.publish(&job("a", Lane::Sweep), &trace).await.unwrap();
    let outcome = Outcome { key: "a".to_owned(), ..Outcome::default() };
    ends.outcomes.send((outcome, trace.clone())).await.unwrap();
    queue.outcomes(1).await.unwrap().remove(0).handle.done().await.unwrap();
    assert_eq!(queue.publish(&job("a", Lane::Sweep), &trace).await.unwrap(), Published::Accepted);
}

/// What was handed out and not acknowledged comes again: whoever leads next is told how long that may take.
#[tokio::test]
async fn an_outcome_that_nobody_acknowledged_is_owed() {
    let Some(server) = Server::nats(&[]) else { return };
    let first = NatsQueue::connect(NatsConfig::new(&server.address())).await.unwrap();
    let next = NatsQueue::connect(NatsConfig::new(&server.address())).await.unwrap();
    assert_eq!(next.owed().await.unwrap(), Duration::ZERO, "nothing was handed out");
    let outcome = Outcome { key: "a".to_owned(), ..Outcome::default() };
    let bytes = prost::Message::encode_to_vec(&outcome).into();
    jetstream(&server).await.publish(subject::outcome("a"), bytes).await.unwrap().await.unwrap();
    let handed = first.outcomes(1).await.unwrap().remove(0);
    assert!(next.owed().await.unwrap() > Duration::from_secs(1), "it waits for an acknowledgement");
    handed.handle.done().await.unwrap();
    assert_eq!(next.owed().await.unwrap(), Duration::ZERO, "it was acknowledged");
}
