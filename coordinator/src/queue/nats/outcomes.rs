//! Outcomes, taken from their stream. As on the worker's side a request asks for what is there, and only if that is
//! nothing for one message; what a cancelled call leaves open, the next one goes on with.

use std::{collections::VecDeque, time::Duration};

use async_nats::jetstream::{
    AckKind, Message,
    consumer::{PullConsumer, pull::Batch},
};
use async_trait::async_trait;
use futures::StreamExt as _;
use prost::Message as _;
use strata_proto::{subject, v1::Outcome};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{Connection, message};
use crate::ports::{OutcomeDelivery, OutcomeHandle, PortError};

const ACTION: &str = "take outcomes";
/// How long one call waits for a first outcome.
const WAIT: Duration = Duration::from_secs(5);
/// How long taking what is there may take, and how long to wait for a lost connection.
const TAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// What one request asks for at most.
const MOST: usize = 512;
/// Requests older than this are given up: what they brought comes again.
const STALE: Duration = Duration::from_secs(7);
/// How long one attempt to settle a message may take, and how many there are.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);
const SETTLE_TRIES: usize = 3;

/// The coordinator's consumer.
pub(super) struct Outcomes {
    connection: Connection,
    open: Mutex<Open>,
}

/// What a cancelled call leaves behind for the next one; it holds until the connection is lost.
#[derive(Default)]
struct Open {
    epoch: u64,
    consumer: Option<PullConsumer>,
    since: Option<Instant>,
    taking: Option<Batch>,
    taken: VecDeque<Message>,
    waiting: Option<Batch>,
}

impl Outcomes {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, open: Mutex::default() }
    }

    /// At most `max` outcomes: what is there, or else the first that comes within a few seconds.
    pub(super) async fn pull(&self, max: usize) -> Result<Vec<OutcomeDelivery>, PortError> {
        let max = max.min(MOST);
        if max == 0 {
            return Ok(Vec::new());
        }
        let mut epoch = self.connection.epoch.clone();
        let mut open = self.open.lock().await;
        self.connection.wait_until_up(ACTION).await?;
        let now = *epoch.borrow_and_update();
        if open.epoch != now {
            *open = Open { epoch: now, ..Open::default() };
        }
        if open.since.is_some_and(|since| since.elapsed() > STALE) {
            *open = Open { epoch: now, consumer: open.consumer.take(), ..Open::default() };
        }
        let consumer = match &open.consumer {
            Some(consumer) => consumer.clone(),
            None => {
                let found = self
                    .connection
                    .jetstream
                    .get_consumer_from_stream(subject::OUTCOMES_CONSUMER, subject::OUTCOMES)
                    .await;
                open.consumer.insert(found.map_err(failed)?).clone()
            }
        };
        let pulled = tokio::select! {
            pulled = next(&mut open, &consumer, max) => pulled,
            _ = epoch.changed() => Ok(Vec::new()),
        };
        if pulled.is_err() {
            *open = Open { epoch: now, ..Open::default() };
        }
        drop(open);
        let mut outcomes = Vec::new();
        for message in pulled? {
            outcomes.extend(self.deliver(message).await);
        }
        Ok(outcomes)
    }

    /// A message as an outcome. What is none will never be: it goes to the dead letters.
    async fn deliver(&self, message: Message) -> Option<OutcomeDelivery> {
        match Outcome::decode(message.payload.clone()) {
            Ok(outcome) => {
                let trace = message::trace_of(message.headers.as_ref());
                Some(OutcomeDelivery { outcome, trace, handle: Box::new(Handle { message }) })
            }
            Err(error) => {
                tracing::error!(subject = %message.subject, %error, "a message that is no outcome");
                let mut headers = async_nats::HeaderMap::new();
                headers.insert(subject::REASON_HEADER, format!("it is no outcome: {error}"));
                let letter = message.payload.clone();
                let subject = subject::dead_unreadable().to_owned();
                let kept =
                    message::publish(&self.connection, "keep a dead letter", subject, headers, letter).await;
                if kept.is_ok() {
                    let _ = Handle { message }.done().await;
                }
                None
            }
        }
    }
}

/// What is there, or else the first that comes. All that is under way stays in `open`.
async fn next(open: &mut Open, consumer: &PullConsumer, max: usize) -> Result<Vec<Message>, PortError> {
    if open.taken.is_empty() && open.taking.is_none() && open.waiting.is_none() {
        open.since = Some(Instant::now());
        open.taking = Some(consumer.fetch().max_messages(max).messages().await.map_err(failed)?);
    }
    if let Some(batch) = &mut open.taking {
        let end = loop {
            match timeout(TAKE_TIMEOUT, batch.next()).await {
                Ok(Some(Ok(message))) => open.taken.push_back(message),
                Ok(Some(Err(error))) => break Err(failed(error)),
                Ok(None) => break Ok(()),
                Err(_) => break Err(failed("the server did not answer in time")),
            }
        };
        open.taking = None;
        if open.taken.is_empty() {
            end?;
        }
    }
    if !open.taken.is_empty() {
        let count = open.taken.len().min(max);
        return Ok(open.taken.drain(..count).collect());
    }
    if open.waiting.is_none() {
        open.since = Some(Instant::now());
        open.waiting = Some(consumer.batch().max_messages(1).expires(WAIT).messages().await.map_err(failed)?);
    }
    let message = match &mut open.waiting {
        Some(batch) => batch.next().await,
        None => None,
    };
    open.waiting = None;
    message.transpose().map_err(failed).map(|message| message.into_iter().collect())
}

struct Handle {
    message: Message,
}

#[async_trait]
impl OutcomeHandle for Handle {
    async fn done(&self) -> Result<(), PortError> {
        let mut reason = String::new();
        for _ in 0..SETTLE_TRIES {
            match timeout(SETTLE_TIMEOUT, self.message.double_ack_with(AckKind::Ack)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => reason = error.to_string(),
                Err(_) => reason = "the server did not answer in time".to_owned(),
            }
        }
        Err(PortError { action: "acknowledge an outcome", reason })
    }
}

fn failed(error: impl std::fmt::Display) -> PortError {
    PortError { action: ACTION, reason: error.to_string() }
}
