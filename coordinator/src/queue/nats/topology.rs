//! Streams and consumers as they must be. A server drops settings that it does not know, and a consumer of the same name
//! with another filter is changed without a word: everything is compared with what the server says that it has.

use std::time::Duration;

use async_nats::jetstream::{
    Context, ErrorCode,
    consumer::{AckPolicy, Config as ConsumerConfig, PullConsumer, pull::Config as PullConfig},
    context::GetStreamErrorKind,
    stream::{Config as StreamConfig, ConsumerErrorKind, DiscardPolicy, RetentionPolicy, StorageType},
};
use strata_proto::{subject, v1::Lane};

use super::NatsConfig;
use crate::ports::PortError;

/// Deliveries after which the server itself gives up. A delivery is not yet an execution: workers count those, and give up
/// earlier.
const MAX_DELIVER: i64 = 100;
/// Jobs and outcomes that may be unacknowledged at once, in the whole cluster. The server's own limit of 1000 would
/// throttle a large cluster without a word.
const MAX_ACK_PENDING: i64 = 20_000;
/// Pulls that may wait at once. It can never be changed later.
const MAX_WAITING: i64 = 4096;

/// A field that is not as it was asked for.
struct Difference {
    field: &'static str,
    is: String,
    want: String,
    /// Whether a promise of the queue breaks; else it is a limit that someone may have set on purpose.
    breaks: bool,
}

/// Makes what does not exist, and compares.
///
/// # Errors
/// When the server refuses, or has a stream or consumer that breaks a promise of the queue.
pub(super) async fn ensure(jetstream: &Context, config: &NatsConfig) -> Result<(), PortError> {
    for wanted in streams(config) {
        stream(jetstream, wanted).await?;
    }
    for lane in subject::LANES {
        let (name, filter) = subject::lane_consumer(lane);
        let wanted = PullConfig {
            durable_name: Some(name),
            filter_subject: filter,
            ack_wait: config.ack_wait,
            max_deliver: MAX_DELIVER,
            ..common()
        };
        consumer(jetstream, subject::JOBS, wanted).await?;
    }
    let wanted = PullConfig {
        durable_name: Some(subject::OUTCOMES_CONSUMER.to_owned()),
        ack_wait: config.outcome_wait,
        max_deliver: -1,
        ..common()
    };
    consumer(jetstream, subject::OUTCOMES, wanted).await
}

/// The consumer of a lane with fresh numbers.
pub(super) async fn lane_consumer(jetstream: &Context, lane: Lane) -> Result<PullConsumer, PortError> {
    let (name, _) = subject::lane_consumer(lane);
    let found = jetstream.get_consumer_from_stream(&name, subject::JOBS).await;
    found.map_err(|error| PortError { action: "look at a consumer", reason: format!("{name}: {error}") })
}

/// The consumer of outcomes with fresh numbers.
pub(super) async fn outcomes_consumer(jetstream: &Context) -> Result<PullConsumer, PortError> {
    let name = subject::OUTCOMES_CONSUMER;
    let found = jetstream.get_consumer_from_stream(name, subject::OUTCOMES).await;
    found.map_err(|error| PortError { action: "look at a consumer", reason: format!("{name}: {error}") })
}

fn common() -> PullConfig {
    PullConfig {
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: MAX_ACK_PENDING,
        max_waiting: MAX_WAITING,
        ..PullConfig::default()
    }
}

fn streams(config: &NatsConfig) -> [StreamConfig; 3] {
    let limits = &config.limits;
    let base = StreamConfig {
        storage: StorageType::File,
        num_replicas: config.replicas,
        max_message_size: subject::MAX_MESSAGE,
        duplicate_window: Duration::from_secs(120),
        allow_direct: true,
        ..StreamConfig::default()
    };
    let jobs = StreamConfig {
        name: subject::JOBS.to_owned(),
        subjects: vec![subject::JOBS_ALL.to_owned()],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        max_messages_per_subject: 1,
        discard_new_per_subject: true,
        max_messages: limits.jobs,
        max_bytes: limits.jobs_bytes,
        max_age: limits.jobs_age,
        ..base.clone()
    };
    let outcomes = StreamConfig {
        name: subject::OUTCOMES.to_owned(),
        subjects: vec![subject::OUTCOMES_ALL.to_owned()],
        retention: RetentionPolicy::WorkQueue,
        // A full stream makes workers wait; an outcome is never thrown away for a newer one.
        discard: DiscardPolicy::New,
        max_bytes: limits.outcomes_bytes,
        max_age: limits.outcomes_age,
        ..base.clone()
    };
    let dead = StreamConfig {
        name: subject::DEAD.to_owned(),
        subjects: vec![subject::DEAD_ALL.to_owned()],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_messages_per_subject: 10,
        max_bytes: limits.dead_bytes,
        max_age: limits.dead_age,
        ..base
    };
    [jobs, outcomes, dead]
}

async fn stream(jetstream: &Context, wanted: StreamConfig) -> Result<(), PortError> {
    let failed =
        |error: String| PortError { action: "set up a stream", reason: format!("{}: {error}", wanted.name) };
    let (found, ours) = match jetstream.get_stream(&wanted.name).await {
        Ok(stream) => (stream.cached_info().config.clone(), false),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                let made = jetstream.create_stream(wanted.clone()).await;
                (made.map_err(|error| failed(error.to_string()))?.cached_info().config.clone(), true)
            }
            _ => return Err(failed(error.to_string())),
        },
    };
    judge(&wanted.name, stream_differences(&found, &wanted), ours).map_err(failed)
}

async fn consumer(jetstream: &Context, stream: &str, wanted: PullConfig) -> Result<(), PortError> {
    let name = wanted.durable_name.clone().unwrap_or_default();
    let failed = |error: String| PortError {
        action: "set up a consumer",
        reason: format!("{name} of stream {stream}: {error}"),
    };
    let found = jetstream.get_consumer_from_stream::<PullConfig, _, _>(&name, stream).await;
    let (found, ours) = match found {
        Ok(consumer) => (consumer, false),
        Err(error) => match error.kind() {
            ConsumerErrorKind::JetStream(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND => {
                let made = jetstream.create_consumer_on_stream(wanted.clone(), stream).await;
                (made.map_err(|error| failed(error.to_string()))?, true)
            }
            _ => return Err(failed(error.to_string())),
        },
    };
    judge(&name, consumer_differences(&found.cached_info().config, &wanted), ours).map_err(failed)
}

/// What we made ourselves must be as we asked; what was there may have other limits.
fn judge(name: &str, differences: Vec<Difference>, ours: bool) -> Result<(), String> {
    let mut broken = Vec::new();
    for Difference { field, is, want, breaks } in differences {
        if breaks || ours {
            broken.push(format!("{field} is {is} and must be {want}"));
        } else {
            tracing::warn!(name, field, is, want, "a limit of the queue is not the usual one");
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(broken.join("; ")) }
}

fn stream_differences(is: &StreamConfig, want: &StreamConfig) -> Vec<Difference> {
    let mut all = Differences::default();
    all.compare("subjects", &is.subjects, &want.subjects, true);
    all.compare("retention", &is.retention, &want.retention, true);
    all.compare("discard", &is.discard, &want.discard, true);
    all.compare("discard_new_per_subject", &is.discard_new_per_subject, &want.discard_new_per_subject, true);
    let per_subject = want.discard_new_per_subject;
    if want.max_messages_per_subject > 0 {
        let (is, want) = (is.max_messages_per_subject, want.max_messages_per_subject);
        all.compare("max_msgs_per_subject", &is, &want, per_subject);
    }
    if want.max_messages > 0 {
        all.compare("max_msgs", &is.max_messages, &want.max_messages, false);
    }
    all.compare("storage", &is.storage, &want.storage, false);
    all.compare("num_replicas", &is.num_replicas, &want.num_replicas, false);
    all.compare("max_bytes", &is.max_bytes, &want.max_bytes, false);
    all.compare("max_age", &is.max_age, &want.max_age, false);
    all.compare("max_msg_size", &is.max_message_size, &want.max_message_size, false);
    all.compare("duplicate_window", &is.duplicate_window, &want.duplicate_window, false);
    all.0
}

fn consumer_differences(is: &ConsumerConfig, want: &PullConfig) -> Vec<Difference> {
    let mut all = Differences::default();
    all.compare("filter_subject", &is.filter_subject, &want.filter_subject, true);
    all.compare("ack_policy", &is.ack_policy, &want.ack_policy, true);
    all.compare("deliver_policy", &is.deliver_policy, &want.deliver_policy, true);
    all.compare("ack_wait", &is.ack_wait, &want.ack_wait, true);
    all.compare("backoff", &is.backoff, &want.backoff, true);
    all.compare("max_deliver", &is.max_deliver, &want.max_deliver, false);
    all.compare("max_ack_pending", &is.max_ack_pending, &want.max_ack_pending, false);
    all.compare("max_waiting", &is.max_waiting, &want.max_waiting, false);
    all.0
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        field: &'static str,
        is: &T,
        want: &T,
        breaks: bool,
    ) {
        if is != want {
            self.0.push(Difference { field, is: format!("{is:?}"), want: format!("{want:?}"), breaks });
        }
    }
}

#[cfg(test)]
mod tests;
