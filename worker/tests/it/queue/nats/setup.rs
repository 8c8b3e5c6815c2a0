//! Who makes what, and what is refused.

use async_nats::jetstream::{
    consumer::{AckPolicy, pull::Config as PullConfig},
    stream::{Config as StreamConfig, DiscardPolicy, RetentionPolicy},
};
use strata_coordinator::queue::nats::{NatsConfig as CoordinatorConfig, NatsQueue};
use strata_proto::{
    endpoint::{NatsLogin, Secret},
    subject,
    v1::Lane,
};
use strata_worker::{
    ports::JobSource as _,
    queue::nats::{NatsConfig, NatsWorker},
};

use super::{ACK_WAIT, config, jetstream, worker};
use crate::servers::Server;

/// The stream of jobs as it must be.
fn jobs() -> StreamConfig {
    StreamConfig {
        name: subject::JOBS.to_owned(),
        subjects: vec![subject::JOBS_ALL.to_owned()],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        max_messages_per_subject: 1,
        ..StreamConfig::default()
    }
}

async fn refusal(server: &Server) -> String {
    match NatsQueue::connect(config(server)).await {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_stream_that_breaks_a_promise_is_refused_by_its_field() {
    type Change = fn(&mut StreamConfig);
    let changes: [(&str, Change); 4] = [
        ("retention", |stream| stream.retention = RetentionPolicy::Limits),
        ("discard_new_per_subject", |stream| stream.discard_new_per_subject = false),
        ("max_msgs_per_subject", |stream| stream.max_messages_per_subject = 2),
        ("subjects", |stream| stream.subjects = vec!["strata.jobs.sweep.>".to_owned()]),
    ];
    for (field, change) in changes {
        let Some(server) = Server::nats(&[]) else { return };
        let mut stream = jobs();
        change(&mut stream);
        jetstream(&server).await.create_stream(stream).await.unwrap();
        let refusal = refusal(&server).await;
        assert!(refusal.starts_with("failed to set up a stream: STRATA_JOBS: "), "{refusal}");
        assert!(refusal.contains(&format!("{field} is ")), "{field}: {refusal}");
    }
}

#[tokio::test]
async fn other_limits_are_someones_choice() {
    let Some(server) = Server::nats(&[]) else { return };
    jetstream(&server).await.create_stream(StreamConfig { max_messages: 77, ..jobs() }).await.unwrap();
    NatsQueue::connect(config(&server)).await.unwrap();
    let stream = jetstream(&server).await.get_stream(subject::JOBS).await.unwrap();
    assert_eq!(stream.cached_info().config.max_messages, 77);
}

#[tokio::test]
async fn a_consumer_with_another_filter_is_refused_by_both_sides() {
    let Some(server) = Server::nats(&[]) else { return };
    let jetstream = jetstream(&server).await;
    let stream = jetstream.create_stream(jobs()).await.unwrap();
    let (name, _) = subject::lane_consumer(Lane::Sweep);
    let consumer = PullConfig {
        durable_name: Some(name),
        filter_subject: "strata.jobs.sweep.index.>".to_owned(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        ..PullConfig::default()
    };
    stream.create_consumer(consumer).await.unwrap();
    let refusal = refusal(&server).await;
    assert!(refusal.contains("worker-sweep") && refusal.contains("filter_subject is "), "{refusal}");
    let worker = NatsConfig { ack_wait: ACK_WAIT, ..NatsConfig::new(&server.address()) };
    let refusal = NatsWorker::connect(worker).await.err().expect("refused").to_string();
    assert!(refusal.contains("worker-sweep") && refusal.contains("filter_subject is "), "{refusal}");
}

#[tokio::test]
async fn both_sides_must_agree_on_the_wait() {
    let Some(server) = Server::nats(&[]) else { return };
    let _queue = NatsQueue::connect(config(&server)).await.unwrap();
    let refusal = NatsWorker::connect(NatsConfig::new(&server.address())).await.err().expect("refused");
    assert!(refusal.to_string().contains("ack_wait is 1s and must be 30s"), "{refusal}");
}

#[tokio::test]
async fn a_second_coordinator_changes_nothing() {
    let Some(server) = Server::nats(&[]) else { return };
    let (_first, _second) = (
        NatsQueue::connect(config(&server)).await.unwrap(),
        NatsQueue::connect(config(&server)).await.unwrap(),
    );
}

#[tokio::test]
async fn a_worker_may_come_before_its_coordinator() {
    let Some(server) = Server::nats(&[]) else { return };
    let worker = worker(&server).await;
    let early = worker.pull(Lane::Sweep, 1).await.err().expect("there is no queue").to_string();
    assert!(early.contains("is a coordinator running?"), "{early}");
    let _queue = NatsQueue::connect(config(&server)).await.unwrap();
    assert!(worker.pull(Lane::Sweep, 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_login_is_used_and_never_printed() {
    let Some(server) = Server::nats(&["--user", "bob", "--pass", "hunter2"]) else { return };
    let login = |password: &str| {
        let mut config = config(&server);
        let password = Secret::new(password.to_owned());
        config.endpoint.login = NatsLogin::Password { user: "bob".to_owned(), password };
        config
    };
    assert!(!format!("{:?}", login("hunter2")).contains("hunter2"));
    NatsQueue::connect(login("hunter2")).await.unwrap();
    let in_url = CoordinatorConfig::new(&format!("nats://bob:hunter2@{}", server.address()));
    NatsQueue::connect(CoordinatorConfig { ack_wait: ACK_WAIT, outcome_wait: ACK_WAIT, ..in_url })
        .await
        .unwrap();
    for wrong in [login("hunter3"), config(&server)] {
        // A wrong password is not tried again for the whole of the endpoint's patience.
        let refused = NatsQueue::connect(wrong).await.err().expect("refused").to_string();
        assert!(
            refused.starts_with("failed to connect to NATS: ") && !refused.contains("hunter"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let Some(mut server) = Server::nats(&[]) else { return };
    server.kill();
    let mut config = config(&server);
    config.endpoint.patience = std::time::Duration::from_millis(300);
    let refused = NatsQueue::connect(config).await.err().expect("refused").to_string();
    assert!(refused.contains(&server.address()), "{refused}");
}
