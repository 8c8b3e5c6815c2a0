//! A coordinator that runs against the model.

use std::{sync::Arc, time::Duration};

use strata_coordinator::{
    archive::sqlite::SqliteArchive,
    databases::{Publisher, fixed::FixedDatabases},
    drive::{CoordinatorConfig, Ports, start},
    handle::Handle,
    ports::{Archive, Lead},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Model, databases};

/// A running coordinator.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(model: &Model, archive: Arc<dyn Archive>) -> Self {
        Self::start_with(model, archive, databases(FixedDatabases::none()), CoordinatorConfig::default())
    }

    pub(crate) fn start_with(
        model: &Model,
        archive: Arc<dyn Archive>,
        databases: Publisher,
        config: CoordinatorConfig,
    ) -> Self {
        Self::start_as(model, archive, None, databases, config)
    }

    /// One of several coordinators that share an archive.
    pub(crate) fn elected(model: &Model, archive: Arc<SqliteArchive>, name: &str) -> Self {
        let lead = Duration::from_millis(300);
        let adopt = Duration::from_millis(20);
        let config = CoordinatorConfig { name: name.to_owned(), lead, adopt, ..CoordinatorConfig::default() };
        let databases = databases(FixedDatabases::none());
        Self::start_as(model, archive.clone(), Some(archive), databases, config)
    }

    fn start_as(
        model: &Model,
        archive: Arc<dyn Archive>,
        lead: Option<Arc<dyn Lead>>,
        databases: Publisher,
        config: CoordinatorConfig,
    ) -> Self {
        let shutdown = CancellationToken::new();
        let (queue, parcels) = (Arc::new(model.clone()), Arc::new(model.clone()));
        let ports = Ports { queue, parcels, archive, databases, lead, forget: None };
        let (handle, task) = start(config, ports, shutdown.clone());
        Self { handle, shutdown, task }
    }

    /// Ends it as a crash would: nothing is given back.
    pub(crate) async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.expect("the coordinator does not panic");
    }
}

/// An empty archive in a directory that is removed with it.
pub(crate) async fn archive() -> (TempDir, Arc<SqliteArchive>) {
    let directory = TempDir::new().expect("a directory");
    let archive = SqliteArchive::open(&directory.path().join("archive.sqlite")).await.expect("opened");
    (directory, Arc::new(archive))
}
