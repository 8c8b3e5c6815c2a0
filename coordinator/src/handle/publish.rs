//! A database from a client: into a file, through the inspection, to the workers. And back to who assesses elsewhere.

use std::io::{Seek as _, Write as _};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use strata_proto::digest::Digest;
use tokio_util::io::ReaderStream;

use super::{CallError, Handle};
use crate::{
    databases::{PublishError, Publisher},
    ports::DatabaseInfo,
};

/// Bytes of one part.
const PART: usize = 256 << 10;

impl Handle {
    /// The database that new scans are pinned to; `None` where workers use what they have.
    ///
    /// # Errors
    /// When it cannot be told.
    pub async fn database(&self) -> Result<Option<DatabaseInfo>, CallError> {
        Ok(self.databases.current().await?)
    }

    /// The content of a database that is kept, in parts.
    ///
    /// # Errors
    /// When the digest is none, it is not kept, or cannot be read.
    pub async fn fetch_database(
        &self,
        digest: &str,
    ) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send + use<>, CallError> {
        let parsed: Digest = digest.parse().map_err(|_| {
            let digest: String = digest.chars().take(80).collect();
            CallError::Invalid(format!("`{digest}` is no digest"))
        })?;
        let content = self.databases.databases().content(&parsed.to_string()).await?;
        let content = content
            .ok_or_else(|| CallError::NotFound(format!("the advisory database {parsed} is not kept here")))?;
        Ok(ReaderStream::with_capacity(content, PART))
    }

    /// Takes a database in parts, checks it, and pins every scan from now on to it. Scans that run keep theirs.
    ///
    /// # Errors
    /// [`CallError::Invalid`] when it is no database, damaged or too large; [`CallError::Unavailable`] when it cannot
    /// be kept. A part that is an error ends the call with it.
    pub async fn publish_database(
        &self,
        mut parts: impl Stream<Item = Result<Bytes, CallError>> + Send + Unpin,
    ) -> Result<DatabaseInfo, CallError> {
        let unwritten =
            |error: std::io::Error| CallError::Unavailable(format!("failed to keep the database: {error}"));
        let limit = self.databases.max_bytes();
        if limit == 0 {
            return Err(CallError::Invalid(
                "this server uses a file of its own: replace that file, and it takes the new one".to_owned(),
            ));
        }
        let mut file = tempfile::NamedTempFile::new_in(self.databases.spool()).map_err(unwritten)?;
        let mut size = 0_u64;
        while let Some(part) = parts.next().await {
            let part = part?;
            size = size.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            if size > limit {
                return Err(CallError::Invalid(format!("a database has at most {limit} bytes here")));
            }
            file.write_all(&part).map_err(unwritten)?;
        }
        file.rewind().map_err(unwritten)?;
        publish(&self.databases, file).await
    }
}

async fn publish(databases: &Publisher, file: tempfile::NamedTempFile) -> Result<DatabaseInfo, CallError> {
    databases.publish_file(file.path()).await.map_err(|error| match error {
        PublishError::Inspect(_) | PublishError::TooLarge { .. } => CallError::Invalid(error.to_string()),
        PublishError::Read(_) | PublishError::Store(_) => CallError::Unavailable(error.to_string()),
    })
}
