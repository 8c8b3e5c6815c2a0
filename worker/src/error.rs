//! What a failed job means to its caller: try again later, or never.

use std::time::Duration;

use strata_proto::v1::{Failure, Retry};

/// A failure with a stable code, a sentence for people, and whether it may pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JobError {
    /// Stable code: `not-found`, `unauthorized`, `digest-mismatch`, `malformed`, `limit`, `network`, `cache`.
    pub code: &'static str,
    /// One sentence that names the thing.
    pub message: String,
    /// Whether the same again may succeed.
    pub later: bool,
    /// How long the other side asked to wait (`Retry-After`).
    pub wait: Option<Duration>,
}

impl JobError {
    /// The same again may succeed: network, timeout, 429, 503, a cache that is away.
    #[must_use]
    pub fn later(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), later: true, wait: None }
    }

    /// The same again would fail the same: not found, refused, malformed, over a limit.
    #[must_use]
    pub fn never(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), later: false, wait: None }
    }

    /// With the wait that the other side asked for.
    #[must_use]
    pub const fn after(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }

    /// As it travels to the coordinator.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        let mut failure = Failure {
            code: self.code.to_owned(),
            message: self.message.clone(),
            retry_after_ms: self.wait.map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            ..Failure::default()
        };
        failure.set_retry(if self.later { Retry::Later } else { Retry::Never });
        failure
    }
}
