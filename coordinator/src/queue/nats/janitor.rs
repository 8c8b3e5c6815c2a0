//! Messages that no worker will ever be handed, and that keep their subject taken: acknowledged ones that an older server
//! forgot to delete when it crashed, and ones that the server gave up.

use std::time::Duration;

use async_nats::jetstream::{message::StreamMessage, stream::Stream};
use futures::TryStreamExt as _;
use prost::Message as _;
use strata_proto::{
    subject,
    trace::TraceHeaders,
    v1::{Failure, Job, Lane, Outcome, Retry, outcome::Result as Answer},
};
use tokio::time::sleep;

use super::{NatsConfig, connection::Connection, message, topology};
use crate::ports::PortError;

const ACTION: &str = "look for forgotten jobs";
/// How many given-up jobs one round deals with.
const ROUND: usize = 1000;

/// Looks on every new connection and from time to time, until it is aborted. A server that came back without its streams
/// gets them again.
pub(super) async fn run(connection: Connection, config: NatsConfig) {
    let mut epoch = connection.epoch.clone();
    epoch.mark_unchanged();
    loop {
        let round = async {
            topology::ensure(&connection.jetstream, &config).await?;
            clean(&connection).await
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
    let stream = connection.jetstream.get_stream(subject::JOBS).await.map_err(failed)?;
    for lane in subject::LANES {
        let (_, filter) = subject::lane_consumer(lane);
        let consumer = topology::lane_consumer(&connection.jetstream, lane).await?;
        let info = consumer.cached_info();
        let known = info.num_pending.saturating_add(u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX));
        if count(&stream, &filter).await? <= known {
            continue;
        }
        // All up to the floor is acknowledged: whatever is still there was forgotten.
        let floor = info.ack_floor.stream_sequence;
        if floor > 0 {
            let purged =
                stream.purge().filter(&filter).sequence(floor.saturating_add(1)).await.map_err(failed)?;
            if purged.purged > 0 {
                tracing::warn!(
                    jobs = purged.purged,
                    lane = subject::lane(lane),
                    "removed jobs that were done"
                );
            }
        }
        if known == 0 {
            give_up(connection, &stream, lane, &filter).await?;
        }
    }
    Ok(())
}

async fn count(stream: &Stream, filter: &str) -> Result<u64, PortError> {
    let mut subjects = stream.info_with_subjects(filter).await.map_err(failed)?;
    let mut count: u64 = 0;
    while let Some((_, messages)) = subjects.try_next().await.map_err(failed)? {
        count = count.saturating_add(u64::try_from(messages).unwrap_or(u64::MAX));
    }
    Ok(count)
}

/// With nothing waiting and nothing running, what is left was delivered too often: a worker died of it every time before
/// it could even count.
async fn give_up(
    connection: &Connection,
    stream: &Stream,
    lane: Lane,
    filter: &str,
) -> Result<(), PortError> {
    let mut left = Vec::new();
    let mut subjects = stream.info_with_subjects(filter).await.map_err(failed)?;
    while let Some((subject, _)) = subjects.try_next().await.map_err(failed)? {
        left.push(subject);
        if left.len() >= ROUND {
            break;
        }
    }
    let mut given_up = Vec::new();
    for subject in left {
        // It may have been settled meanwhile.
        if let Ok(message) = stream.get_last_raw_message_by_subject(&subject).await {
            given_up.push(message);
        }
    }
    let consumer = topology::lane_consumer(&connection.jetstream, lane).await?;
    let info = consumer.cached_info();
    if info.num_pending > 0 || info.num_ack_pending > 0 {
        return Ok(());
    }
    // Of these the server has handed out every one, or there would be something waiting; one that was published
    // after this look has a higher number than the last that was handed out.
    given_up.retain(|message| message.sequence <= info.delivered.stream_sequence);
    for message in given_up {
        bury(connection, stream, message).await?;
    }
    Ok(())
}

async fn bury(connection: &Connection, stream: &Stream, letter: StreamMessage) -> Result<(), PortError> {
    const REASON: &str = "every worker that took it died";
    tracing::error!(subject = %letter.subject, "{REASON}");
    let job = Job::decode(letter.payload.clone()).ok();
    let to = job.as_ref().map_or_else(|| subject::dead_unreadable().to_owned(), subject::dead);
    let mut headers = letter.headers.clone();
    headers.insert(subject::REASON_HEADER, REASON);
    message::publish(connection, ACTION, to, headers, letter.payload).await?;
    if let Some(job) = job {
        let mut failure = Failure {
            code: "poison".to_owned(),
            message: format!("failed to carry out job {}: {REASON}", job.key),
            ..Failure::default()
        };
        failure.set_retry(Retry::Never);
        let outcome = Outcome {
            key: job.key,
            wire_version: strata_proto::WIRE_VERSION,
            worker: "coordinator".to_owned(),
            result: Some(Answer::Failure(failure)),
            sequence: letter.sequence,
            ..Outcome::default()
        };
        let mut headers = message::headers_of(&TraceHeaders::default());
        if let Some(id) = subject::outcome_id(&outcome) {
            headers.insert(async_nats::header::NATS_MESSAGE_ID, id);
        }
        let to = subject::outcome(&outcome.key);
        message::publish(connection, ACTION, to, headers, outcome.encode_to_vec().into()).await?;
    }
    stream.delete_message(letter.sequence).await.map_err(failed).map(drop)
}

fn failed(error: impl std::fmt::Display) -> PortError {
    PortError { action: ACTION, reason: error.to_string() }
}
