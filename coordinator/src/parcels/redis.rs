//! Parcels in Redis, where workers put them.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{
    AsyncCommands as _, Client, ClientTlsConfig, RedisError, TlsCertificates,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use strata_proto::{
    endpoint::{RedisEndpoint, TlsTexts, is_hopeless, redacted},
    seal::ClusterKeys,
    subject,
};

use crate::{
    measure,
    ports::{Parcels, PortError},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A parcel is at most some tens of MiB.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);
/// Parcels that one request takes.
const AT_ONCE: usize = 16;

/// Parcels in Redis. The connection is made with the first request.
pub struct RedisParcels {
    connection: ConnectionManager,
    keys: ClusterKeys,
    /// Without its login.
    url: String,
}

impl RedisParcels {
    /// Prepares the connection: a coordinator starts without Redis, and its scans wait for it.
    ///
    /// # Errors
    /// When the URL is none.
    pub async fn connect(url: &str) -> Result<Self, PortError> {
        Self::open(&RedisEndpoint::new(url), ClusterKeys::default())
    }

    /// As [`Self::connect`], with certificates, and with the keys that parcels are tagged with.
    ///
    /// # Errors
    /// When the URL or a certificate is none.
    pub fn open(endpoint: &RedisEndpoint, keys: ClusterKeys) -> Result<Self, PortError> {
        let failed = |error: RedisError| PortError {
            action: "connect to Redis",
            reason: format!("{}: {error}", redacted(&endpoint.url)),
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(500));
        let client = client(endpoint).map_err(failed)?;
        let url = redacted(&endpoint.url);
        Ok(Self { connection: client.get_connection_manager_lazy(config).map_err(failed)?, keys, url })
    }

    /// Asks once. A server that is away may come; one that refuses what it is shown will not think better of it.
    ///
    /// # Errors
    /// When the server's certificate or the login is refused.
    pub async fn probe(&self) -> Result<(), PortError> {
        let mut connection = self.connection.clone();
        match redis::cmd("PING").query_async::<()>(&mut connection).await {
            Err(error) if is_hopeless(&error.to_string()) => {
                let reason = format!("{}: {error}", self.url);
                Err(PortError { action: "connect to Redis", reason })
            }
            _ => Ok(()),
        }
    }
}

impl RedisParcels {
    /// A parcel without its tag; `None` for one that nobody of this cluster put there.
    fn opened(&self, key: &str, parcel: Bytes) -> Option<Bytes> {
        match self.keys.open(key, &parcel) {
            Ok(start) => Some(parcel.slice(start..)),
            Err(error) => {
                measure::tampered("parcel");
                tracing::error!(%error, key, "a parcel in Redis is not ours: the image is assessed again");
                None
            }
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

#[async_trait]
impl Parcels for RedisParcels {
    async fn take(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        Ok(self.take_all(&[name]).await?.pop().flatten())
    }

    async fn take_all(&self, names: &[&str]) -> Result<Vec<Option<Bytes>>, PortError> {
        let failed = |reason| PortError { action: "take a parcel", reason };
        let mut parcels = Vec::with_capacity(names.len());
        for names in names.chunks(AT_ONCE) {
            let mut connection = self.connection.clone();
            let keys: Vec<String> = names.iter().map(|name| subject::parcel(name)).collect();
            let taken: Result<Vec<Option<Vec<u8>>>, RedisError> = connection.mget(&keys).await;
            let taken = taken.map_err(|error| failed(error.to_string()))?;
            if taken.len() != keys.len() {
                return Err(failed(format!("{} answers to {} names", taken.len(), keys.len())));
            }
            let opened = |(key, parcel): (&String, Option<Vec<u8>>)| self.opened(key, parcel?.into());
            parcels.extend(keys.iter().zip(taken).map(opened));
        }
        Ok(parcels)
    }

    async fn discard(&self, names: &[&str]) -> Result<(), PortError> {
        if names.is_empty() {
            return Ok(());
        }
        let mut connection = self.connection.clone();
        let keys: Vec<String> = names.iter().map(|name| subject::parcel(name)).collect();
        let discarded: Result<u64, RedisError> = connection.unlink(keys).await;
        match discarded {
            Ok(_) => Ok(()),
            Err(error) => Err(PortError { action: "discard a parcel", reason: error.to_string() }),
        }
    }
}
