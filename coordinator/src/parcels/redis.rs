//! Parcels in Redis, where workers put them.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{
    AsyncCommands as _, Client, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use strata_proto::{
    endpoint::{RedisEndpoint, redacted},
    subject,
};

use crate::ports::{Parcels, PortError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A parcel is at most some tens of MiB.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

/// Parcels in Redis. The connection is made with the first request.
pub struct RedisParcels {
    connection: ConnectionManager,
}

impl RedisParcels {
    /// Prepares the connection: a coordinator starts without Redis, and its scans wait for it.
    ///
    /// # Errors
    /// When the URL is none.
    pub async fn connect(url: &str) -> Result<Self, PortError> {
        Self::open(&RedisEndpoint { url: url.to_owned() })
    }

    fn open(endpoint: &RedisEndpoint) -> Result<Self, PortError> {
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
        let client = Client::open(endpoint.url.as_str()).map_err(failed)?;
        Ok(Self { connection: client.get_connection_manager_lazy(config).map_err(failed)? })
    }
}

#[async_trait]
impl Parcels for RedisParcels {
    async fn take(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        let mut connection = self.connection.clone();
        let parcel: Result<Option<Vec<u8>>, RedisError> = connection.get(subject::parcel(name)).await;
        match parcel {
            Ok(parcel) => Ok(parcel.map(Bytes::from)),
            Err(error) => Err(PortError { action: "take a parcel", reason: error.to_string() }),
        }
    }

    async fn discard(&self, name: &str) -> Result<(), PortError> {
        let mut connection = self.connection.clone();
        let discarded: Result<u64, RedisError> = connection.unlink(subject::parcel(name)).await;
        match discarded {
            Ok(_) => Ok(()),
            Err(error) => Err(PortError { action: "discard a parcel", reason: error.to_string() }),
        }
    }
}
