//! Advisory databases in the coordinator's object store.

use async_nats::jetstream::object_store::GetErrorKind;
use async_trait::async_trait;
use strata_proto::subject;

use super::NatsWorker;
use crate::ports::{DatabaseStore, PortError, PublishedDatabase};

#[async_trait]
impl DatabaseStore for NatsWorker {
    async fn open(&self, digest: &str) -> Result<Option<PublishedDatabase>, PortError> {
        let failed = |reason: String| PortError { action: "open a published database", reason };
        let store = self.connection.jetstream.get_object_store(subject::DATABASES).await;
        let store = store.map_err(|error| failed(format!("{}: {error}", subject::DATABASES)))?;
        match store.get(digest).await {
            Ok(object) => Ok(Some(PublishedDatabase {
                size: u64::try_from(object.info().size).unwrap_or(u64::MAX),
                content: Box::pin(object),
            })),
            Err(error) if error.kind() == GetErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(format!("{digest}: {error}"))),
        }
    }
}
