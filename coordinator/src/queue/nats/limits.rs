//! How much the streams hold, and for how long. They are given to a stream when it is made: one that exists keeps what it has,
//! for somebody may have set it on purpose.

use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const MIB: i64 = 1 << 20;

/// Limits of the streams and of the object store. Nothing in the queue is without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that may wait or run at a time; further ones are refused until there is room, and published again.
    pub jobs: i64,
    /// Bytes of all jobs, with the same consequence.
    pub jobs_bytes: i64,
    /// After so long a job that nobody took is dropped; the planner publishes it again while somebody wants it.
    pub jobs_age: Duration,
    /// Bytes of all outcomes that no coordinator has taken; workers wait while there is no room.
    pub outcomes_bytes: i64,
    /// After so long an outcome that no coordinator took is dropped; the planner publishes its job again.
    pub outcomes_age: Duration,
    /// Bytes of all dead letters; the oldest go first.
    pub dead_bytes: i64,
    /// How long a dead letter is kept.
    pub dead_age: Duration,
    /// Bytes of all published databases; a further one is refused until there is room.
    pub databases_bytes: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            jobs: 1_000_000,
            jobs_bytes: 512 * MIB,
            jobs_age: 72 * HOUR,
            outcomes_bytes: 1024 * MIB,
            outcomes_age: 72 * HOUR,
            dead_bytes: 128 * MIB,
            dead_age: 14 * 24 * HOUR,
            databases_bytes: 1024 * MIB,
        }
    }
}
