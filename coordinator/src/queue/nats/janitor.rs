//! Messages that no worker will ever be handed, and that keep their subject taken: acknowledged ones that an older server
//! forgot to delete when it crashed, and ones that the server gave up.

use std::time::Duration;

use async_nats::jetstream::{
    message::StreamMessage,
    stream::{DeleteMessageErrorKind, Stream},
};
use prost::Message as _;
use strata_proto::{
    subject,
    v1::{Failure, Job, Outcome, Retry, outcome::Result as Answer},
};
use tokio::time::sleep;

use super::{Connection, NatsConfig, is_absent, message, topology};
use crate::ports::PortError;

const ACTION: &str = "look for forgotten jobs";
/// How many jobs of a lane one round deals with.
const ROUND: usize = 1000;

/// Looks on every new connection and from time to time, until it is aborted. A server that came back without its streams
/// gets them again.
pub(super) async fn run(connection: Connection, config: NatsConfig) {
    let mut epoch = connection.epoch.clone();
    epoch.mark_unchanged();
    loop {
        let round = async {
            topology::ensure(&connection.jetstream, &config).await?;
            clean(&connection).await?;
            clean_outcomes(&connection).await
        };
        if let Err(error) = round.await {
            tracing::warn!(%error, "the queue is not looked after until the next round");
            sleep(Duration::from_secs(1).min(config.janitor_every)).await;
        }
        tokio::select! {
            changed = epoch.changed() => if changed.is_err() { return },
            () = sleep(config.janitor_every) => {}
        }
    }
}

async fn clean(connection: &Connection) -> Result<(), PortError> {
    let stream = connection.jetstream.get_stream_no_info(subject::JOBS).await.map_err(failed)?;
    for lane in subject::LANES {
        let (_, filter) = subject::lane_consumer(lane);
        let consumer = topology::lane_consumer(&connection.jetstream, lane).await?;
        let info = consumer.cached_info();
        // All up to the floor is acknowledged: what is still there was forgotten. With nothing waiting and nothing
        // running, whatever was handed out and is still there was handed out too often.
        let floor = info.ack_floor.stream_sequence;
        let quiet = info.num_pending == 0 && info.num_ack_pending == 0;
        let last = if quiet { info.delivered.stream_sequence.max(floor) } else { floor };
        let mut from = 1;
        for _ in 0..ROUND {
            let next = stream.raw_message_builder().sequence(from).next_by_subject(filter.as_str()).send();
            let letter = match next.await {
                Ok(letter) if letter.sequence <= last => letter,
                Ok(_) => break,
                Err(error) if is_absent(&error.kind()) => break,
                Err(error) => return Err(failed(error)),
            };
            from = letter.sequence.saturating_add(1);
            let fate = if letter.sequence <= floor { &FORGOTTEN } else { &GIVEN_UP };
            remove(connection, &stream, letter, fate).await?;
        }
    }
    Ok(())
}

/// Outcomes that were acknowledged and forgotten block nobody; they only take room.
async fn clean_outcomes(connection: &Connection) -> Result<(), PortError> {
    let mut stream = connection.jetstream.get_stream(subject::OUTCOMES).await.map_err(failed)?;
    let consumer = topology::outcomes_consumer(&connection.jetstream).await?;
    let info = consumer.cached_info();
    let floor = info.ack_floor.stream_sequence;
    let quiet = info.num_pending == 0 && info.num_ack_pending == 0;
    let last = if quiet { info.delivered.stream_sequence.max(floor) } else { floor };
    let first = stream.info().await.map_err(failed)?.state.first_sequence;
    if first > last {
        return Ok(());
    }
    let purged = stream.purge().sequence(last.saturating_add(1)).await.map_err(failed)?;
    if purged.purged > 0 {
        tracing::warn!(outcomes = purged.purged, "removing what the queue kept after it was acknowledged");
    }
    Ok(())
}

/// What becomes of a message that is removed.
struct Fate {
    code: &'static str,
    reason: &'static str,
    retry: Retry,
    bury: bool,
}

/// Its outcome was published before it was acknowledged. But a coordinator that asked for the job again was told that it
/// is queued, and waits: it hears that it should ask once more.
const FORGOTTEN: Fate =
    Fate { code: "queue", reason: "the queue kept it after it was done", retry: Retry::Later, bury: false };

/// A worker died of it every time, before it could even count.
const GIVEN_UP: Fate =
    Fate { code: "poison", reason: "every worker that took it died", retry: Retry::Never, bury: true };

/// The outcome first: a crash in between repeats it, and loses nothing.
async fn remove(
    connection: &Connection,
    stream: &Stream<()>,
    letter: StreamMessage,
    fate: &Fate,
) -> Result<(), PortError> {
    tracing::warn!(subject = %letter.subject, sequence = letter.sequence, reason = fate.reason, "removing a job");
    let job = Job::decode(letter.payload.clone()).ok();
    if fate.bury {
        let to = job.as_ref().map_or_else(|| subject::dead_unreadable().to_owned(), subject::dead);
        let mut headers = letter.headers.clone();
        headers.insert(subject::REASON_HEADER, fate.reason);
        message::publish(connection, ACTION, to, headers, letter.payload).await?;
    }
    if let Some(job) = job {
        let mut failure = Failure {
            code: fate.code.to_owned(),
            message: format!("failed to carry out job {}: {}", job.key, fate.reason),
            ..Failure::default()
        };
        failure.set_retry(fate.retry);
        let outcome = Outcome {
            key: job.key,
            wire_version: strata_proto::WIRE_VERSION,
            worker: String::new(),
            result: Some(Answer::Failure(failure)),
            sequence: letter.sequence,
            ..Outcome::default()
        };
        let mut headers = async_nats::HeaderMap::new();
        if let Some(id) = subject::outcome_id(&outcome) {
            headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        }
        let to = subject::outcome(&outcome.key);
        message::publish(connection, ACTION, to, headers, outcome.encode_to_vec().into()).await?;
    }
    match stream.delete_message(letter.sequence).await {
        Ok(_) => Ok(()),
        // It was settled in this very moment.
        Err(error) if matches!(error.kind(), DeleteMessageErrorKind::JetStream(_)) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: impl std::fmt::Display) -> PortError {
    PortError { action: ACTION, reason: error.to_string() }
}
