//! A connection, built by name.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};

use crate::{Client, Error, Options, RetryPolicy, servers::Servers};

/// Builds a [`Client`]; [`Client::builder`] makes one.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use strata_client::{Client, RetryPolicy};
///
/// let client = Client::builder("http://127.0.0.1:7400,http://127.0.0.1:7401")
///     .token("a token")
///     .deadline(Duration::from_secs(10))
///     .retry_calls(RetryPolicy::never())
///     .connect_lazy()?;
/// # drop(client);
/// # Ok::<(), strata_client::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it connects"]
pub struct Builder {
    urls: String,
    options: Options,
    streams: RetryPolicy,
    calls: RetryPolicy,
    deadline: Option<Duration>,
    traceparent: Option<String>,
}

impl Builder {
    pub(crate) fn new(urls: &str, options: Options) -> Self {
        Self {
            urls: urls.to_owned(),
            options,
            streams: RetryPolicy::streams(),
            calls: RetryPolicy::calls(),
            deadline: None,
            traceparent: None,
        }
    }

    /// Shows this token with every call. It goes over TLS or loopback only.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.options.token = Some(token.into());
        self
    }

    /// Lets the token cross a network in the clear.
    pub const fn token_in_the_clear(mut self) -> Self {
        self.options.token_in_the_clear = true;
        self
    }

    /// Trusts these authorities (PEM) instead of the system's.
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.options.authorities = Some(pem.into());
        self
    }

    /// Shows this certificate, with its key (both PEM).
    pub fn identity(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.options.identity = Some((certificate.into(), key.into()));
        self
    }

    /// How long each call may take, its further attempts included, instead of a minute (a quarter of an hour for a database).
    /// Streams have none: a scan takes as long as it takes.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How calls that may be made twice are tried again.
    pub const fn retry_calls(mut self, policy: RetryPolicy) -> Self {
        self.calls = policy;
        self
    }

    /// How streams that break are resumed.
    pub const fn retry_streams(mut self, policy: RetryPolicy) -> Self {
        self.streams = policy;
        self
    }

    /// Joins this W3C trace context (`traceparent`) where the program records no span of its own. One that does needs
    /// nothing: the current span's context goes along by itself.
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Connects now.
    ///
    /// # Errors
    /// When a URL or an option cannot be used, none of the servers answers, or none can prove who it is.
    pub async fn connect(self) -> Result<Client, Error> {
        let traceparent = self.checked_traceparent()?;
        let authorization = self.options.authorization()?;
        let servers = Servers::connect(&self.urls, &self.options).await?;
        Ok(self.client(servers, authorization, traceparent))
    }

    /// Connects when the first call needs it.
    ///
    /// # Errors
    /// When a URL or an option cannot be used.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let traceparent = self.checked_traceparent()?;
        let authorization = self.options.authorization()?;
        let servers = Servers::lazy(&self.urls, &self.options)?;
        Ok(self.client(servers, authorization, traceparent))
    }

    fn client(
        self,
        servers: Servers,
        authorization: Option<MetadataValue<Ascii>>,
        traceparent: Option<MetadataValue<Ascii>>,
    ) -> Client {
        let Self { streams, calls, deadline, .. } = self;
        Client { servers, streams, calls, deadline, authorization, traceparent }
    }

    fn checked_traceparent(&self) -> Result<Option<MetadataValue<Ascii>>, Error> {
        let Some(text) = &self.traceparent else { return Ok(None) };
        let value = text.parse().ok().filter(|_| is_traceparent(text));
        value.map(Some).ok_or_else(|| Error::BadTraceparent { text: text.clone() })
    }
}

/// W3C Trace Context, version 00: `00-TRACE-PARENT-FLAGS`, hexadecimal, neither of the ids all zero.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, length| {
        part.len() == length
            && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else { return false };
    *version == "00"
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && [trace, parent].iter().all(|id| id.bytes().any(|byte| byte != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_one_or_refused() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (text, expected) in [
            (good.to_owned(), true),
            (good.to_uppercase(), false),
            (good.replace("00-4", "01-4"), false),
            (good.replace("00f067aa0ba902b7", "0000000000000000"), false),
            (format!("{good}-more"), false),
            (String::new(), false),
        ] {
            assert_eq!(is_traceparent(&text), expected, "{text}");
            let built =
                Client::builder("http://127.0.0.1:1").traceparent(text.as_str()).checked_traceparent();
            assert_eq!(built.is_ok(), expected, "{text}");
        }
    }
}
