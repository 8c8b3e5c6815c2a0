//! Arguments that bound the queue's streams.

use std::time::Duration;

use clap::{Args as Group, value_parser};
use strata_coordinator::queue::nats::Limits;

/// What the streams of the queue hold when they are made; those that exist keep their limits.
#[derive(Debug, Clone, Group)]
pub struct QueueArgs {
    /// Jobs that the queue may hold when it is made; an existing queue keeps its limit.
    #[arg(long, env = "STRATA_MAX_JOBS", default_value_t = 1_000_000, value_name = "N", value_parser = value_parser!(i64).range(1..))]
    pub max_jobs: i64,
    /// The same in MiB of jobs.
    #[arg(long, env = "STRATA_JOBS_MIB", default_value_t = 512, value_name = "MIB", value_parser = value_parser!(u32).range(1..))]
    pub jobs_mib: u32,
    /// Hours after which the queue drops a job that nobody took; the coordinator publishes it again.
    #[arg(long, env = "STRATA_JOBS_HOURS", default_value_t = 72, value_name = "HOURS", value_parser = value_parser!(u32).range(1..))]
    pub jobs_hours: u32,
    /// MiB of outcomes that may wait for a coordinator; workers wait while there is no room.
    #[arg(long, env = "STRATA_OUTCOMES_MIB", default_value_t = 1024, value_name = "MIB", value_parser = value_parser!(u32).range(1..))]
    pub outcomes_mib: u32,
    /// Hours after which the queue drops an outcome that no coordinator took.
    #[arg(long, env = "STRATA_OUTCOMES_HOURS", default_value_t = 72, value_name = "HOURS", value_parser = value_parser!(u32).range(1..))]
    pub outcomes_hours: u32,
    /// MiB of dead letters; the oldest go first.
    #[arg(long, env = "STRATA_DEAD_MIB", default_value_t = 128, value_name = "MIB", value_parser = value_parser!(u32).range(1..))]
    pub dead_mib: u32,
    /// Days that a dead letter is kept.
    #[arg(long, env = "STRATA_DEAD_DAYS", default_value_t = 14, value_name = "DAYS", value_parser = value_parser!(u32).range(1..))]
    pub dead_days: u32,
    /// MiB of published advisory databases, all together.
    #[arg(long, env = "STRATA_DATABASES_MIB", default_value_t = 1024, value_name = "MIB", value_parser = value_parser!(u32).range(1..))]
    pub databases_mib: u32,
}

impl QueueArgs {
    /// As the queue takes them.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let bytes = |mib: u32| i64::from(mib) << 20;
        let hours = |hours: u32| Duration::from_secs(u64::from(hours) * 3600);
        Limits {
            jobs: self.max_jobs,
            jobs_bytes: bytes(self.jobs_mib),
            jobs_age: hours(self.jobs_hours),
            outcomes_bytes: bytes(self.outcomes_mib),
            outcomes_age: hours(self.outcomes_hours),
            dead_bytes: bytes(self.dead_mib),
            dead_age: hours(self.dead_days.saturating_mul(24)),
            databases_bytes: bytes(self.databases_mib),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Probe {
        #[command(flatten)]
        queue: QueueArgs,
    }

    #[test]
    fn the_defaults_are_those_of_the_queue_and_every_one_can_be_changed() {
        let bare = Probe::parse_from(["x"]).queue.limits();
        assert_eq!(bare, Limits::default());
        let other = Probe::parse_from([
            "x",
            "--max-jobs=1",
            "--jobs-mib=2",
            "--jobs-hours=3",
            "--outcomes-mib=4",
            "--outcomes-hours=5",
            "--dead-mib=6",
            "--dead-days=7",
            "--databases-mib=8",
        ]);
        let hour = Duration::from_secs(3600);
        let expected = Limits {
            jobs: 1,
            jobs_bytes: 2 << 20,
            jobs_age: 3 * hour,
            outcomes_bytes: 4 << 20,
            outcomes_age: 5 * hour,
            dead_bytes: 6 << 20,
            dead_age: 7 * 24 * hour,
            databases_bytes: 8 << 20,
        };
        assert_eq!(other.queue.limits(), expected);
        assert!(Probe::try_parse_from(["x", "--dead-mib=0"]).is_err(), "0 would be no limit");
    }
}
