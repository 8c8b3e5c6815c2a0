//! The job queue on NATS JetStream, the worker's side. The coordinator makes streams and consumers; a worker looks only
//! whether those it finds are as they must be, and needs no right to change them.
//!
//! A pull first takes what is there, and only if that is nothing asks to be told of one job. So nothing is ever requested
//! beyond what was asked for, and a pull that its caller cancels leaves at most that one request open, which the next
//! pull of the lane goes on with. No request carries a heartbeat: async-nats 0.51 loses wake-ups then.

mod databases;
mod pull;
mod withdrawals;

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    AckKind, Message,
    consumer::{AckPolicy, Config as ConsumerConfig},
};
use async_trait::async_trait;
use prost::Message as _;
use strata_nats::{
    connection::{self, Connection},
    message,
};
use strata_proto::{
    endpoint::NatsEndpoint,
    subject,
    trace::TraceHeaders,
    v1::{Failure, Job, Lane, Outcome, Retry, outcome::Result as Answer},
};
use tokio::time::timeout;

use self::{pull::Puller, withdrawals::Withdrawals};
use super::withdrawn::{self, Withdrawn};
use crate::ports::{Delivery, DeliveryHandle, JobSource, OutcomeSink, PortError};

/// How long one attempt to settle a message may take, and how many there are.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);
const SETTLE_TRIES: usize = 3;
/// How long the goodbye may take. Without a server it never ends: the client keeps it for a connection to come.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// What a server adds to an outcome, and headers of ours, within the limit of a message.
const HEADER_ROOM: usize = 16 << 10;

/// How a worker reaches the queue.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// The server, and how to log in.
    pub endpoint: NatsEndpoint,
    /// How long the queue waits for a sign of life, as the coordinator is configured.
    pub ack_wait: Duration,
}

impl NatsConfig {
    /// The settings of production, on a server without login.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { endpoint: NatsEndpoint::new(url, "strata-worker"), ack_wait: subject::ACK_WAIT }
    }
}

/// A worker's connection to the queue: jobs in, outcomes out. Clones share it.
#[derive(Clone)]
pub struct NatsWorker {
    connection: Connection,
    interactive: Arc<Puller>,
    sweep: Arc<Puller>,
    withdrawals: Arc<Withdrawals>,
}

impl NatsWorker {
    /// Connects. The streams may come later: until a coordinator has made them, a pull fails and says so.
    ///
    /// # Errors
    /// When no server answers within the endpoint's patience, refuses the login or is too old, or when a consumer
    /// exists whose settings would break a promise of the queue.
    pub async fn connect(config: NatsConfig) -> Result<Self, PortError> {
        let connection = connection::connect(&config.endpoint).await?;
        let lane = |lane| Puller::new(lane, config.ack_wait, connection.clone());
        let withdrawals = Withdrawals::listen(&connection.client).await?;
        let queue = Self {
            withdrawals: withdrawals.into(),
            interactive: lane(Lane::Interactive).into(),
            sweep: lane(Lane::Sweep).into(),
            connection: connection.clone(),
        };
        for puller in [&queue.interactive, &queue.sweep] {
            puller.check().await?;
        }
        Ok(queue)
    }

    /// Hands back what arrived and was not pulled, and waits until everything that was sent has left. To be called at the end.
    ///
    /// # Errors
    /// When the server cannot be reached any more: it will then hand the jobs out again by itself.
    pub async fn close(&self) -> Result<(), PortError> {
        let failed = |reason: String| PortError { action: "close the queue", reason };
        if !self.is_connected() {
            return Err(failed("there is no connection to NATS".to_owned()));
        }
        let goodbye = async {
            for puller in [&self.interactive, &self.sweep] {
                puller.close().await;
            }
            self.connection.client.flush().await
        };
        match timeout(CLOSE_TIMEOUT, goodbye).await {
            Ok(said) => said.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed("the server did not answer in time".to_owned())),
        }
    }

    /// Whether the connection is up, for readiness.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.client.connection_state() == async_nats::connection::State::Connected
    }
}

#[async_trait]
impl JobSource for NatsWorker {
    async fn pull(&self, lane: Lane, max: usize) -> Result<Vec<Delivery>, PortError> {
        let puller = match lane {
            Lane::Sweep => &self.sweep,
            Lane::Interactive | Lane::Unspecified => &self.interactive,
        };
        let messages = puller.pull(max).await?;
        let mut deliveries = Vec::with_capacity(messages.len());
        for message in messages {
            deliveries.extend(self.deliver(message).await);
        }
        Ok(deliveries)
    }
}

impl NatsWorker {
    /// A message as a delivery. What is no job can never be carried out: it goes to the dead letters.
    async fn deliver(&self, message: Message) -> Option<Delivery> {
        let info = message.info().map(|info| (info.stream_sequence, info.delivered));
        let Ok((sequence, executions)) = info else {
            tracing::error!(subject = %message.subject, "a message without JetStream's acknowledgement subject");
            return None;
        };
        let executions = u64::try_from(executions).unwrap_or(1);
        let (connection, withdrawn) = (self.connection.clone(), self.withdrawals.numbers());
        let handle = NatsHandle { connection, message, executions, sequence, withdrawn };
        match Job::decode(handle.message.payload.clone()) {
            Ok(job) => {
                let trace = message::trace_of(handle.message.headers.as_ref());
                Some(Delivery { job, trace, executions, sequence, handle: Box::new(handle) })
            }
            Err(error) => {
                tracing::error!(subject = %handle.message.subject, sequence, %error, "a message that is no job");
                let reason = format!("it is no job: {error}");
                let buried = handle.bury_as(subject::dead_unreadable().to_owned(), &reason).await;
                if buried.is_ok() {
                    let _ = handle.done().await;
                }
                None
            }
        }
    }
}

/// The queue's side of one delivery.
struct NatsHandle {
    connection: Connection,
    message: Message,
    executions: u64,
    sequence: u64,
    withdrawn: Withdrawn,
}

impl NatsHandle {
    async fn settle(&self, action: &'static str, kind: AckKind) -> Result<(), PortError> {
        // Without a connection the client would keep it for one that may never come.
        self.connection.wait_until_up(action).await?;
        let mut reason = String::new();
        for _ in 0..SETTLE_TRIES {
            match timeout(SETTLE_TIMEOUT, self.message.double_ack_with(kind)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => reason = error.to_string(),
                Err(_) => reason = "the server did not answer in time".to_owned(),
            }
        }
        Err(PortError { action, reason })
    }

    async fn bury_as(&self, subject: String, reason: &str) -> Result<(), PortError> {
        let mut headers = self.message.headers.clone().unwrap_or_default();
        headers.insert(subject::REASON_HEADER, message::header_text(reason));
        headers.insert(subject::EXECUTIONS_HEADER, self.executions.to_string());
        message::publish(
            &self.connection,
            "keep a dead letter",
            subject,
            headers,
            self.message.payload.clone(),
        )
        .await
    }
}

#[async_trait]
impl DeliveryHandle for NatsHandle {
    async fn extend(&self) -> Result<(), PortError> {
        self.message
            .ack_with(AckKind::Progress)
            .await
            .map_err(|error| PortError { action: "extend a job", reason: error.to_string() })
    }

    /// Confirmed by the server, which confirms a dead worker's late word just as well: this proves no ownership.
    async fn done(&self) -> Result<(), PortError> {
        self.settle("settle a job", AckKind::Ack).await
    }

    /// Never without a delay: the server would hand the job back at once, again and again.
    async fn release(&self, delay: Duration) -> Result<(), PortError> {
        let delay = delay.max(Duration::from_millis(50));
        self.settle("release a job", AckKind::Nak(Some(delay))).await
    }

    async fn bury(&self, job: &Job, reason: &str) -> Result<(), PortError> {
        self.bury_as(subject::dead(job), reason).await
    }

    async fn withdrawn(&self) {
        withdrawn::holds(&self.withdrawn, self.sequence).await;
    }
}

#[async_trait]
impl OutcomeSink for NatsWorker {
    /// An outcome that no message can hold becomes a failure that says so: without an outcome the scan would never end.
    async fn publish(&self, outcome: &Outcome, trace: &TraceHeaders) -> Result<(), PortError> {
        let mut payload = outcome.encode_to_vec();
        let limit =
            self.connection.client.max_payload().min(usize::try_from(subject::MAX_MESSAGE).unwrap_or(0));
        if payload.len() > limit.saturating_sub(HEADER_ROOM) {
            payload = too_large(outcome, payload.len()).encode_to_vec();
        }
        let mut headers = message::headers_of(trace);
        if let Some(id) = subject::outcome_id(outcome) {
            headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        }
        let subject = subject::outcome(&outcome.key);
        message::publish(&self.connection, "publish an outcome", subject, headers, payload.into()).await
    }
}

fn too_large(outcome: &Outcome, size: usize) -> Outcome {
    let mut failure = Failure {
        code: "limit".to_owned(),
        message: format!("the outcome of job {} has {size} bytes, more than a message may hold", outcome.key),
        ..Failure::default()
    };
    failure.set_retry(Retry::Never);
    Outcome { result: Some(Answer::Failure(failure)), ..outcome.clone() }
}

/// What a consumer must have, or a promise of the queue breaks. The server drops fields that it does not know, and takes
/// another filter for an existing name: only looking tells.
fn differences(config: &ConsumerConfig, lane: Lane, ack_wait: Duration) -> Vec<String> {
    let (_, filter) = subject::lane_consumer(lane);
    let mut found = Vec::new();
    let mut compare = |field: &str, is: String, want: String| {
        if is != want {
            found.push(format!("{field} is {is} and must be {want}"));
        }
    };
    compare("filter_subject", config.filter_subject.clone(), filter);
    compare("ack_policy", format!("{:?}", config.ack_policy), format!("{:?}", AckPolicy::Explicit));
    compare("ack_wait", format!("{:?}", config.ack_wait), format!("{ack_wait:?}"));
    compare("backoff", format!("{:?}", config.backoff), "[]".to_owned());
    found
}
