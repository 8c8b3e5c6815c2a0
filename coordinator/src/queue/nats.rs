//! The job queue on NATS JetStream, the coordinator's side: it makes the streams and consumers, checks that the server
//! took them as they were meant, and repairs what older servers leave behind.
//!
//! A job's subject is made of its lane, verb and key, and the stream holds one message for each subject: the queue itself
//! refuses a second job while the first is queued or running. Jobs carry no message id, because the server would swallow
//! a job that is asked for again within its window after the first was done.

mod janitor;
mod limits;
mod outcomes;
mod topology;
mod withdrawals;

use std::time::Duration;

use async_nats::jetstream::{
    ErrorCode,
    context::PublishError,
    stream::{LastRawMessageErrorKind, Stream},
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
    v1::{Job, Lane},
};
use tokio::task::JoinHandle;

pub use self::limits::Limits;
use self::{outcomes::Outcomes, withdrawals::Withdrawals};
use crate::databases::nats::NatsDatabases;
use crate::ports::{JobQueue, OutcomeDelivery, PortError, Published};

/// How the queue is set up.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// The server, and how to log in.
    pub endpoint: NatsEndpoint,
    /// Copies of each stream in a NATS cluster: 1 or 3.
    pub replicas: usize,
    /// How long the queue waits for a sign of life from a worker; workers must be set to the same.
    pub ack_wait: Duration,
    /// How long an outcome may go unacknowledged before it comes again.
    pub outcome_wait: Duration,
    /// How often to look for messages that no worker will ever be handed.
    pub janitor_every: Duration,
    /// What streams hold that are made now.
    pub limits: Limits,
}

impl NatsConfig {
    /// The settings of production, on one server without login.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            endpoint: NatsEndpoint::new(url, "strata-coordinator"),
            replicas: 1,
            ack_wait: subject::ACK_WAIT,
            outcome_wait: Duration::from_secs(15),
            janitor_every: Duration::from_secs(60),
            limits: Limits::default(),
        }
    }
}

/// A coordinator's connection to the queue.
pub struct NatsQueue {
    connection: Connection,
    outcomes: Outcomes,
    janitor: JoinHandle<()>,
    replicas: usize,
    databases_bytes: i64,
    withdrawals: Withdrawals,
}

/// What waits and what runs in one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// The lane.
    pub lane: Lane,
    /// Jobs that no worker has taken.
    pub waiting: u64,
    /// Jobs that a worker holds.
    pub running: u64,
}

impl NatsQueue {
    /// Connects, makes the streams and consumers that do not exist, and checks all of them.
    ///
    /// # Errors
    /// When no server answers within the endpoint's patience, refuses the login or is too old, or when a stream or
    /// consumer is not as it must be: the message names the field.
    pub async fn connect(config: NatsConfig) -> Result<Self, PortError> {
        let connection = connection::connect(&config.endpoint).await?;
        topology::ensure(&connection.jetstream, &config).await?;
        let outcomes = Outcomes::new(connection.clone());
        let (replicas, databases_bytes) = (config.replicas, config.limits.databases_bytes);
        let janitor = tokio::spawn(janitor::run(connection.clone(), config));
        let withdrawals = Withdrawals::start(connection.client.clone());
        Ok(Self { connection, outcomes, janitor, replicas, databases_bytes, withdrawals })
    }

    /// The object store of advisory databases, over the same connection.
    ///
    /// # Errors
    /// When the server refuses, or has a store of the name that breaks a promise.
    pub async fn databases(&self) -> Result<NatsDatabases, PortError> {
        NatsDatabases::open(self.connection.jetstream.clone(), self.replicas, self.databases_bytes).await
    }

    /// What waits and runs in each lane, interactive first.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn lag(&self) -> Result<Vec<Lag>, PortError> {
        let mut lags = Vec::new();
        for lane in subject::LANES {
            let info = topology::lane_consumer(&self.connection.jetstream, lane).await?;
            let info = info.cached_info();
            let running = u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX);
            lags.push(Lag { lane, waiting: info.num_pending, running });
        }
        Ok(lags)
    }

    /// Whether the connection is up, for readiness.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.client.connection_state() == async_nats::connection::State::Connected
    }

    async fn jobs(&self, action: &'static str) -> Result<Stream, PortError> {
        let stream = self.connection.jetstream.get_stream(subject::JOBS).await;
        stream.map_err(|error| PortError { action, reason: format!("{}: {error}", subject::JOBS) })
    }
}

impl Drop for NatsQueue {
    fn drop(&mut self) {
        self.janitor.abort();
    }
}

#[async_trait]
impl JobQueue for NatsQueue {
    async fn publish(&self, job: &Job, trace: &TraceHeaders) -> Result<Published, PortError> {
        let failed = |reason: String| PortError { action: "publish a job", reason };
        let (subject, headers) = (subject::job(job), message::headers_of(trace));
        let sent = self
            .connection
            .jetstream
            .publish_with_headers(subject, headers, job.encode_to_vec().into())
            .await
            .map_err(|error| failed(error.to_string()))?;
        match sent.await {
            Ok(_) => Ok(Published::Accepted),
            Err(error) if is_taken(&error) => Ok(Published::AlreadyQueued),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    async fn outcomes(&self, max: usize) -> Result<Vec<OutcomeDelivery>, PortError> {
        self.outcomes.pull(max).await
    }

    /// A job that was handed out once stays: it runs, or waits to run again, and the worker that has it is told. So is one
    /// that takes the job in the moment between the look and the deletion.
    async fn withdraw(&self, job: &Job) -> Result<(), PortError> {
        const ACTION: &str = "withdraw a job";
        let failed = |reason: String| PortError { action: ACTION, reason };
        let stream = self.jobs(ACTION).await?;
        let message = match stream.get_last_raw_message_by_subject(&subject::job(job)).await {
            Ok(message) => message,
            Err(error) if is_absent(&error.kind()) => return Ok(()),
            Err(error) => return Err(failed(error.to_string())),
        };
        let consumer = topology::lane_consumer(&self.connection.jetstream, job.lane()).await?;
        self.withdrawals.announce(message.sequence);
        if consumer.cached_info().delivered.stream_sequence >= message.sequence {
            return Ok(());
        }
        stream.delete_message(message.sequence).await.map_err(|error| failed(error.to_string()))?;
        Ok(())
    }

    /// What is unacknowledged comes again after the consumer's wait. A moment more: it is to be taken, too.
    async fn owed(&self) -> Result<Duration, PortError> {
        const MOMENT: Duration = Duration::from_secs(1);
        let consumer = topology::outcomes_consumer(&self.connection.jetstream).await?;
        let info = consumer.cached_info();
        Ok(if info.num_ack_pending > 0 { info.config.ack_wait + MOMENT } else { Duration::ZERO })
    }

    async fn attended(&self) -> Result<bool, PortError> {
        for lane in subject::LANES {
            let consumer = topology::lane_consumer(&self.connection.jetstream, lane).await?;
            let info = consumer.cached_info();
            if info.num_waiting > 0 || info.num_ack_pending > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_absent(kind: &LastRawMessageErrorKind) -> bool {
    match kind {
        LastRawMessageErrorKind::NoMessageFound => true,
        LastRawMessageErrorKind::JetStream(error) => error.error_code() == ErrorCode::NO_MESSAGE_FOUND,
        _ => false,
    }
}

/// Whether the subject has its job. The same code stands for a stream that is full, and then the job is not queued at
/// all: only the description tells them apart.
fn is_taken(error: &PublishError) -> bool {
    let source = std::error::Error::source(error);
    let refusal = source.and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    refusal.is_some_and(|refusal| {
        refusal.error_code() == ErrorCode::STREAM_STORE_FAILED
            && refusal.to_string().contains("maximum messages per subject exceeded")
    })
}
