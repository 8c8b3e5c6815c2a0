//! The job verbs: list, resolve, index, assess. They see ports, never an adapter.

pub mod advise;
pub mod again;
pub mod assess;
mod base;
pub mod index;
pub mod list;
pub mod parts;
pub mod resolve;

use std::{future::Future, sync::Arc, time::Duration};

use strata_analysis::limits::Limits;

use crate::{
    compute,
    error::JobError,
    java_index::JavaIndexFile,
    ports::{Advisories, Images, InventoryCache, PortError},
    precedence::Turn,
    spool::DirectorySpool,
};

/// What every job may use.
#[derive(Clone)]
pub struct Context {
    /// Registries and archives.
    pub images: Arc<dyn Images>,
    /// Inventories, image facts, parcels.
    pub cache: Arc<dyn InventoryCache>,
    /// Advisory databases.
    pub advisories: Arc<dyn Advisories>,
    /// Where Java archives that do not name themselves are looked up; usually there is none.
    pub java_index: Option<Arc<JavaIndexFile>>,
    /// Bounds on hostile layers.
    pub limits: Limits,
    /// Where wanted files wait that are too large for memory.
    pub spool: DirectorySpool,
    /// Fingerprint of the analysis that is linked into this worker.
    pub fingerprint: String,
    /// Name of this worker, in leases, outcomes and logs.
    pub name: String,
    /// How long a claim on a layer lasts without being renewed.
    pub lease: Duration,
    /// The place of the job that this is given to.
    pub turn: Turn,
    /// Whether layers are read in parts where that can be done. The fingerprint says so too.
    pub in_parts: Option<parts::InParts>,
}

impl Context {
    /// Computes. What somebody waits for has a thread of its own and does not stand in line behind sweeps.
    ///
    /// # Errors
    /// As [`compute::run`].
    pub async fn compute<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobError> {
        if self.turn.is_first() {
            return compute::block(what, work).await;
        }
        self.turn.pause().await;
        compute::run(what, work).await
    }

    /// What reports name as their analysis: an index of Java archives is a part of it, for reports by different ones are
    /// different reports.
    #[must_use]
    pub fn report_fingerprint(&self) -> String {
        match &self.java_index {
            None => self.fingerprint.clone(),
            Some(index) => {
                let name: String = index.digest().chars().skip("sha256:".len()).take(16).collect();
                format!("{}+{name}", self.fingerprint)
            }
        }
    }
}

/// Tries a cache or queue operation again for about a minute: a short outage of a server is no reason to give up work that is done.
///
/// # Errors
/// The last failure, as one that may pass.
pub async fn patiently<T, F>(mut operation: impl FnMut() -> F) -> Result<T, JobError>
where
    F: Future<Output = Result<T, PortError>>,
{
    let mut wait = Duration::from_millis(100);
    for _ in 0..15 {
        match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => tracing::warn!(%error, "will be tried again"),
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(8));
    }
    operation().await.map_err(|error| JobError::later("cache", error.to_string()))
}
