//! A connection that comes back by itself, and tells when it did.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event,
    connection::State,
    jetstream::{Context, ContextBuilder},
};
use strata_proto::{
    endpoint::{
        NatsEndpoint, NatsLogin, OLDEST_SERVER, SAFE_SERVER, is_hopeless, reconnect_delay, redacted,
        server_version,
    },
    port::PortError,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

/// Requests and acknowledged publications give up after this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for a lost connection before saying so.
const RECONNECT_WAIT: Duration = Duration::from_secs(2);
const ACTION: &str = "connect to NATS";

/// A client and the number of times that it connected.
#[derive(Clone)]
pub struct Connection {
    /// The client, for what is no stream.
    pub client: Client,
    /// Streams, consumers, acknowledged publication.
    pub jetstream: Context,
    /// Counts up with every connection: pulls that were open before it are lost and must be opened again.
    pub epoch: watch::Receiver<u64>,
}

impl Connection {
    /// Waits a moment for a lost connection.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn wait_until_up(&self, action: &'static str) -> Result<(), PortError> {
        let mut epoch = self.epoch.clone();
        let wait = async {
            while self.client.connection_state() != State::Connected {
                epoch.changed().await.ok()?;
            }
            Some(())
        };
        match timeout(RECONNECT_WAIT, wait).await {
            Ok(Some(())) => Ok(()),
            _ => Err(PortError { action, reason: "there is no connection to NATS".to_owned() }),
        }
    }
}

/// Connects, trying again for as long as the endpoint's patience lasts.
///
/// # Errors
/// When no server answers in that time, or at once when one refuses the login or is too old.
pub async fn connect(endpoint: &NatsEndpoint) -> Result<Connection, PortError> {
    let failed = |reason: String| PortError { action: ACTION, reason };
    let (sender, epoch) = watch::channel(0);
    let servers: Vec<&str> = endpoint.url.split(',').map(str::trim).collect();
    let seed = RandomState::new().hash_one(&endpoint.name);
    let end = Instant::now() + endpoint.patience;
    let mut attempt = 0;
    let client = loop {
        let options = options(endpoint, sender.clone(), seed).await?;
        match options.connect(servers.as_slice()).await {
            Ok(client) => break client,
            Err(error) => {
                let hopeless = matches!(
                    error.kind(),
                    ConnectErrorKind::ServerParse
                        | ConnectErrorKind::Authentication
                        | ConnectErrorKind::AuthorizationViolation
                        | ConnectErrorKind::Tls
                );
                if hopeless || is_hopeless(&error.to_string()) || Instant::now() >= end {
                    return Err(failed(format!("{}: {error}", redacted(&endpoint.url))));
                }
            }
        }
        sleep(reconnect_delay(attempt, seed)).await;
        attempt = attempt.saturating_add(1);
    };
    check_version(&client.server_info().version).map_err(failed)?;
    // The event comes a moment after the connection; from here on a higher number means a new connection.
    let mut first = epoch.clone();
    let _ = timeout(REQUEST_TIMEOUT, first.wait_for(|epoch| *epoch > 0)).await;
    let jetstream =
        ContextBuilder::new().timeout(REQUEST_TIMEOUT).max_ack_inflight(1024).build(client.clone());
    Ok(Connection { client, jetstream, epoch })
}

async fn options(
    endpoint: &NatsEndpoint,
    epoch: watch::Sender<u64>,
    seed: u64,
) -> Result<ConnectOptions, PortError> {
    let failed = |reason: String| PortError { action: ACTION, reason };
    let mut options = ConnectOptions::new()
        .name(&endpoint.name)
        .ping_interval(Duration::from_secs(10))
        .connection_timeout(Duration::from_secs(5))
        .request_timeout(Some(REQUEST_TIMEOUT))
        .subscription_capacity(65_536)
        .client_capacity(4096)
        .reconnect_delay_callback(move |attempt| reconnect_delay(attempt, seed))
        .event_callback(move |event| {
            note(&event, &epoch);
            std::future::ready(())
        });
    match &endpoint.login {
        NatsLogin::Anonymous => {}
        NatsLogin::Nkey(seed) => options = options.nkey(seed.expose().to_owned()),
        NatsLogin::Token(token) => options = options.token(token.expose().to_owned()),
        NatsLogin::Password { user, password } => {
            options = options.user_and_password(user.clone(), password.expose().to_owned());
        }
        NatsLogin::File(path) => {
            options = options
                .credentials_file(path)
                .await
                .map_err(|error| failed(format!("credentials file {}: {error}", path.display())))?;
        }
    }
    if let Some(authorities) = &endpoint.tls.authorities {
        options = options.add_root_certificates(authorities.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &endpoint.tls.client {
        options = options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
    }
    Ok(options)
}

fn note(event: &Event, epoch: &watch::Sender<u64>) {
    match event {
        Event::Connected => {
            epoch.send_modify(|epoch| *epoch = epoch.saturating_add(1));
            tracing::info!("connected to NATS");
        }
        Event::Disconnected => tracing::warn!("the connection to NATS is lost"),
        event => tracing::warn!(%event, "NATS"),
    }
}

fn check_version(text: &str) -> Result<(), String> {
    let version = server_version(text).ok_or_else(|| format!("`{text}` is no server version"))?;
    let [major, minor, patch] = OLDEST_SERVER;
    if version < OLDEST_SERVER {
        return Err(format!("server {text} is too old: {major}.{minor}.{patch} is needed"));
    }
    if version < SAFE_SERVER {
        let [major, minor, patch] = SAFE_SERVER;
        tracing::warn!(
            "NATS server {text} may lose or repeat messages when it crashes; use {major}.{minor}.{patch} or newer"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_are_too_old_are_refused_by_name() {
        for (version, refused) in [
            ("2.9.10", false),
            ("2.11.0", false),
            ("2.1.0", true),
            ("", true),
            ("new", true),
            ("2.x.1", true),
        ] {
            let checked = check_version(version);
            assert_eq!(checked.is_err(), refused, "{version}: {checked:?}");
            assert!(checked.err().unwrap_or_default().contains(if refused { version } else { "" }));
        }
    }
}
