//! Two connections, so that a lease never waits behind a large value, and a breaker: while Redis is away every call fails
//! at once instead of after a timeout.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{
    Client, ClientTlsConfig, FromRedisValue, Pipeline, RedisError, ScriptInvocation, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use strata_proto::endpoint::{RedisEndpoint, TlsTexts, is_hopeless, redacted};
use tokio::time::Instant;

use super::RedisConfig;
use crate::ports::PortError;

/// Failures in a row that open the breaker.
const FAILURES: u32 = 3;
/// How long it stays open before one call may try.
const OPEN_FOR: Duration = Duration::from_secs(2);
const TLS_CONNECT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Link {
    control: ConnectionManager,
    bulk: ConnectionManager,
    breaker: Arc<Mutex<Breaker>>,
    /// Without its login.
    url: Arc<str>,
}

impl Link {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, PortError> {
        let failed = |error: &RedisError| PortError {
            action: "connect to Redis",
            reason: format!("{}: {error}", redacted(&config.endpoint.url)),
        };
        let client = client(&config.endpoint).map_err(|error| failed(&error))?;
        // A handshake takes longer than a connection.
        let shortest =
            if config.endpoint.url.starts_with("rediss") { TLS_CONNECT } else { Duration::from_millis(250) };
        let manager = |timeout: Duration| {
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(config.control_timeout.max(shortest)))
                .set_response_timeout(Some(timeout))
                .set_number_of_retries(1)
                .set_min_delay(Duration::from_millis(20))
                .set_max_delay(Duration::from_millis(500));
            client.get_connection_manager_lazy(config).map_err(|error| failed(&error))
        };
        Ok(Self {
            control: manager(config.control_timeout)?,
            bulk: manager(config.bulk_timeout)?,
            breaker: Arc::default(),
            url: redacted(&config.endpoint.url).into(),
        })
    }

    /// Asks once. A server that is away may come; one that refuses what it is shown will not think better of it.
    pub(super) async fn probe(&self) -> Result<(), PortError> {
        let mut connection = self.control.clone();
        match redis::cmd("PING").query_async::<()>(&mut connection).await {
            Err(error) if is_hopeless(&error.to_string()) => {
                let reason = format!("{}: {error}", self.url);
                Err(PortError { action: "connect to Redis", reason })
            }
            _ => Ok(()),
        }
    }

    /// Small commands.
    pub(super) async fn control<T: FromRedisValue>(
        &self,
        action: &'static str,
        pipe: &Pipeline,
    ) -> Result<T, PortError> {
        let mut connection = self.control.clone();
        self.guard(action, pipe.query_async(&mut connection)).await
    }

    /// Commands with values.
    pub(super) async fn bulk<T: FromRedisValue>(
        &self,
        action: &'static str,
        pipe: &Pipeline,
    ) -> Result<T, PortError> {
        let mut connection = self.bulk.clone();
        self.guard(action, pipe.query_async(&mut connection)).await
    }

    /// A script without values.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        action: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, PortError> {
        let mut connection = self.control.clone();
        self.guard(action, script.invoke_async(&mut connection)).await
    }

    /// A script with a value.
    pub(super) async fn call_bulk<T: FromRedisValue>(
        &self,
        action: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, PortError> {
        let mut connection = self.bulk.clone();
        self.guard(action, script.invoke_async(&mut connection)).await
    }

    async fn guard<T>(
        &self,
        action: &'static str,
        request: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, PortError> {
        if !self.breaker().admits(Instant::now()) {
            let reason = "Redis has not answered lately, and is left alone for a moment".to_owned();
            return Err(PortError { action, reason });
        }
        let result = request.await;
        // A refusal is an answer: the server is there.
        let answered = match &result {
            Ok(_) => true,
            Err(error) => error.code().is_some(),
        };
        self.breaker().note(answered, Instant::now());
        result.map_err(|error| PortError { action, reason: error.to_string() })
    }

    /// A poisoned lock is taken as it is: every section leaves its data whole.
    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Warns of a server that will refuse writes when its memory is full, instead of forgetting what was not used.
    pub(super) async fn look_at_policy(&self) {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").arg("memory");
        let Ok(answers) = self.control::<Vec<String>>("look at Redis", &pipe).await else {
            tracing::warn!(
                "Redis cannot be reached yet: layers are analysed without knowing what others have done"
            );
            return;
        };
        let text = answers.concat();
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .unwrap_or_default()
                .trim()
        };
        if field("maxmemory") != "0" && field("maxmemory_policy") == "noeviction" {
            tracing::warn!(
                "Redis has maxmemory-policy noeviction: set volatile-lru, or a full cache stops all scans"
            );
        }
    }
}

/// A client for the endpoint, with its certificates.
fn client(endpoint: &RedisEndpoint) -> Result<Client, RedisError> {
    let RedisEndpoint { url, tls } = endpoint;
    if tls == &TlsTexts::default() {
        return Client::open(url.as_str());
    }
    let client_tls =
        tls.client.clone().map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    Client::build_with_tls(url.as_str(), TlsCertificates { client_tls, root_cert: tls.authorities.clone() })
}

#[derive(Default)]
struct Breaker {
    failures: u32,
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether a call may try. Of those that ask after the break one is admitted at a time.
    fn admits(&mut self, now: Instant) -> bool {
        match self.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.open_until = Some(now + OPEN_FOR);
                true
            }
            None => true,
        }
    }

    fn note(&mut self, answered: bool, now: Instant) {
        if answered {
            *self = Self::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.open_until = Some(now + OPEN_FOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_opens_probes_and_closes() {
        let mut breaker = Breaker::default();
        let start = Instant::now();
        for _ in 0..FAILURES {
            assert!(breaker.admits(start));
            breaker.note(false, start);
        }
        assert!(!breaker.admits(start));
        let later = start + OPEN_FOR;
        assert!(breaker.admits(later), "one probe");
        assert!(!breaker.admits(later), "and no second one");
        breaker.note(false, later);
        assert!(!breaker.admits(later + OPEN_FOR / 2));
        assert!(breaker.admits(later + OPEN_FOR));
        breaker.note(true, later + OPEN_FOR);
        assert!(breaker.admits(later + OPEN_FOR) && breaker.admits(later + OPEN_FOR));
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_again() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        for answered in [false, false, true, false, false] {
            breaker.note(answered, now);
        }
        assert!(breaker.admits(now));
    }
}
