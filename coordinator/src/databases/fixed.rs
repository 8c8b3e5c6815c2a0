//! For a process whose worker has the database itself: the coordinator only names it.

use std::{fs::File, io::Cursor, sync::Arc};

use async_trait::async_trait;

use crate::ports::{DatabaseContent, DatabaseInfo, Databases, LocalDatabase, PortError};

/// Tells the digest of the database that is in use now; `None` where there is none.
type Ask = dyn Fn() -> Result<Option<DatabaseInfo>, PortError> + Send + Sync;

/// Finds the file of a digest.
type Find = dyn Fn(&str) -> Result<Option<LocalDatabase>, PortError> + Send + Sync;

/// One database that comes from elsewhere.
pub struct FixedDatabases {
    ask: Box<Ask>,
    file: Box<Find>,
}

impl FixedDatabases {
    /// What the function says is current at the moment of asking.
    #[must_use]
    pub fn new(ask: impl Fn() -> Result<Option<DatabaseInfo>, PortError> + Send + Sync + 'static) -> Self {
        Self { ask: Box::new(ask), file: Box::new(|_| Ok(None)) }
    }

    /// With a way to the file of a digest, so that it can be outlined.
    #[must_use]
    pub fn outlined(
        mut self,
        file: impl Fn(&str) -> Result<Option<LocalDatabase>, PortError> + Send + Sync + 'static,
    ) -> Self {
        self.file = Box::new(file);
        self
    }

    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|| Ok(None))
    }
}

#[async_trait]
impl Databases for FixedDatabases {
    async fn current(&self) -> Result<Option<DatabaseInfo>, PortError> {
        (self.ask)()
    }

    async fn publish(&self, _: &DatabaseInfo, _: File) -> Result<(), PortError> {
        let reason =
            "this server uses a file of its own: replace that file, and it takes the new one".to_owned();
        Err(PortError { action: "publish the database", reason })
    }

    async fn kept(&self) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }

    async fn remove(&self, _: &str) -> Result<(), PortError> {
        Ok(())
    }

    async fn content(&self, digest: &str) -> Result<Option<DatabaseContent>, PortError> {
        let found = (self.file)(digest)?;
        Ok(found.map(|local| Box::pin(Cursor::new(Whole(local.bytes))) as DatabaseContent))
    }

    fn local(&self, digest: &str) -> Result<Option<LocalDatabase>, PortError> {
        (self.file)(digest)
    }
}

/// The bytes of a database, kept for as long as somebody reads them.
struct Whole(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}
