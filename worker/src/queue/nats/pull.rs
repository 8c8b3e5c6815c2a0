//! Pulls of one lane.

use std::{collections::VecDeque, time::Duration};

use async_nats::jetstream::{
    AckKind, ErrorCode, Message,
    consumer::{
        PullConsumer,
        pull::{Batch, Config as PullConfig},
    },
    stream::ConsumerErrorKind,
};
use futures::{FutureExt as _, StreamExt as _};
use strata_proto::{subject, v1::Lane};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{Connection, differences};
use crate::ports::PortError;

const ACTION: &str = "pull jobs";
/// How long one pull waits for a first job.
const WAIT: Duration = Duration::from_secs(5);
/// How long taking what is there may take.
const TAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// One lane's consumer, as this worker sees it.
pub(super) struct Puller {
    lane: Lane,
    ack_wait: Duration,
    connection: Connection,
    open: Mutex<Open>,
}

/// What a cancelled pull leaves behind for the next one; it holds until the connection is lost.
#[derive(Default)]
struct Open {
    epoch: u64,
    consumer: Option<PullConsumer>,
    /// When the requests below were made.
    since: Option<Instant>,
    /// A request for what is there, not answered to its end.
    taking: Option<Batch>,
    /// What it has brought.
    taken: VecDeque<Message>,
    /// A request for one job.
    waiting: Option<Batch>,
}

impl Open {
    fn forget_requests(&mut self) {
        *self = Self { epoch: self.epoch, consumer: self.consumer.take(), ..Self::default() };
    }

    fn hand_out(&mut self, max: usize) -> Vec<Message> {
        let count = self.taken.len().min(max);
        self.taken.drain(..count).collect()
    }
}

impl Puller {
    pub(super) fn new(lane: Lane, ack_wait: Duration, connection: Connection) -> Self {
        Self { lane, ack_wait, connection, open: Mutex::default() }
    }

    /// Looks at the consumer if there is one.
    pub(super) async fn check(&self) -> Result<(), PortError> {
        if self.find().await?.is_none() {
            tracing::warn!(stream = subject::JOBS, "no coordinator has made the queue yet");
        }
        Ok(())
    }

    /// At most `max` messages: what is there, or else the first that comes within a few seconds.
    pub(super) async fn pull(&self, max: usize) -> Result<Vec<Message>, PortError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let mut epoch = self.connection.epoch.clone();
        let mut open = self.open.lock().await;
        self.connection.wait_until_up(ACTION).await?;
        let now = *epoch.borrow_and_update();
        if open.epoch != now {
            // Requests of an earlier connection are lost, and the server may have lost more than those.
            *open = Open { epoch: now, ..Open::default() };
        }
        // Requests that were left alone for too long: what they brought was handed to another worker meanwhile.
        if open.since.is_some_and(|since| since.elapsed() > self.ack_wait / 2) {
            open.forget_requests();
        }
        if open.consumer.is_none() {
            open.consumer = self.find().await?;
        }
        let Some(consumer) = open.consumer.clone() else {
            let reason =
                format!("stream {} has no consumer for it yet: is a coordinator running?", subject::JOBS);
            return Err(PortError { action: ACTION, reason });
        };
        let pulled = tokio::select! {
            pulled = next(&mut open, &consumer, max) => pulled,
            _ = epoch.changed() => Ok(Vec::new()),
        };
        if pulled.is_err() {
            // The consumer may be gone: look again next time.
            open.forget_requests();
            open.consumer = None;
        }
        pulled
    }

    /// Hands back a job that arrived after its pull was cancelled.
    pub(super) async fn close(&self) {
        let mut open = std::mem::take(&mut *self.open.lock().await);
        let mut messages: Vec<Message> = open.taken.drain(..).collect();
        for batch in [&mut open.taking, &mut open.waiting].into_iter().flatten() {
            while let Some(Some(Ok(message))) = batch.next().now_or_never() {
                messages.push(message);
            }
        }
        for message in messages {
            // Without it the server waits for `ack_wait` and then does the same.
            let _ = message.ack_with(AckKind::Nak(Some(Duration::from_millis(100)))).await;
        }
    }

    /// The lane's consumer; `None` when there is none yet.
    async fn find(&self) -> Result<Option<PullConsumer>, PortError> {
        let (name, _) = subject::lane_consumer(self.lane);
        let jetstream = &self.connection.jetstream;
        let found = jetstream.get_consumer_from_stream::<PullConfig, _, _>(&name, subject::JOBS).await;
        let consumer = match found {
            Ok(consumer) => consumer,
            Err(error) => {
                let absent = [ErrorCode::STREAM_NOT_FOUND, ErrorCode::CONSUMER_NOT_FOUND];
                return match error.kind() {
                    ConsumerErrorKind::JetStream(error) if absent.contains(&error.error_code()) => Ok(None),
                    _ => Err(PortError { action: "look at a consumer", reason: format!("{name}: {error}") }),
                };
            }
        };
        let differences = differences(&consumer.cached_info().config, self.lane, self.ack_wait);
        if differences.is_empty() {
            return Ok(Some(consumer));
        }
        let reason = format!("{name} of {}: {}", subject::JOBS, differences.join("; "));
        Err(PortError { action: "use a consumer", reason })
    }
}

/// What is there, or else the first that comes. All that is under way stays in `open`, so that nothing is lost when the
/// caller stops waiting.
async fn next(open: &mut Open, consumer: &PullConsumer, max: usize) -> Result<Vec<Message>, PortError> {
    if open.taken.is_empty() && open.taking.is_none() && open.waiting.is_none() && max > 1 {
        open.since = Some(Instant::now());
        open.taking = Some(consumer.fetch().max_messages(max).messages().await.map_err(failed)?);
    }
    if let Some(batch) = &mut open.taking {
        // What has arrived is ours to do, whatever becomes of the rest.
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
        return Ok(open.hand_out(max));
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

fn failed(error: impl std::fmt::Display) -> PortError {
    PortError { action: ACTION, reason: error.to_string() }
}
