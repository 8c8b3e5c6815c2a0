//! What can go wrong between a client and the coordinator.

use tonic::Code;

/// A failed call. Reads after "failed to" where it names an action.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of the server is malformed.
    #[error("`{url}` is not a server's URL: {reason}")]
    BadUrl {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or key that was given is none.
    #[error("failed to use the certificates: {reason}")]
    BadCertificates {
        /// What is wrong with them.
        reason: String,
    },
    /// The token holds what no header can.
    #[error("failed to use the token: it holds characters that no token has")]
    BadToken,
    /// What was given as a trace context is none.
    #[error("`{text}` is not a W3C trace context")]
    BadTraceparent {
        /// As it was given.
        text: String,
    },
    /// The deadline came before the answer. Whether the call did its work is not known.
    #[error("failed to {action}: the coordinator at {url} did not answer in time ({allowed:?})")]
    TimedOut {
        /// What was tried.
        action: &'static str,
        /// The server that was asked last.
        url: String,
        /// How long the call might take.
        allowed: std::time::Duration,
    },
    /// Nothing answers there.
    #[error("failed to reach the coordinator at {url}: {}", root_cause(source))]
    Connect {
        /// As it was given.
        url: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The coordinator cannot be reached now; the same again may succeed.
    #[error("failed to {action}: the coordinator at {url} is not available: {message}")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// The server.
        url: String,
        /// Why.
        message: String,
    },
    /// The thing that was asked for does not exist.
    #[error("failed to {action}: {message}")]
    NotFound {
        /// What was tried.
        action: &'static str,
        /// What the coordinator says.
        message: String,
    },
    /// The coordinator wants a token, or does not accept the one it was shown.
    #[error("failed to {action}: {message}")]
    Unauthenticated {
        /// What was tried.
        action: &'static str,
        /// What the coordinator says.
        message: String,
    },
    /// The token does not allow it.
    #[error("failed to {action}: {message}")]
    Denied {
        /// What was tried.
        action: &'static str,
        /// What the coordinator says.
        message: String,
    },
    /// The coordinator refuses the request as it is.
    #[error("failed to {action}: {message}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// What the coordinator says.
        message: String,
        /// Its status code.
        code: Code,
    },
}

impl Error {
    pub(crate) fn from_status(action: &'static str, url: &str, status: tonic::Status) -> Self {
        let message = status.message().to_owned();
        match status.code() {
            Code::NotFound => Self::NotFound { action, message },
            Code::Unauthenticated => Self::Unauthenticated { action, message },
            Code::PermissionDenied => Self::Denied { action, message },
            Code::Unavailable
            | Code::Unknown
            | Code::Aborted
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::ResourceExhausted
            | Code::Cancelled => Self::Unavailable { action, url: url.to_owned(), message },
            code => Self::Refused { action, message, code },
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Unavailable { .. } | Self::TimedOut { .. })
    }
}

/// The innermost reason: transport errors hide "connection refused" two levels down.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
