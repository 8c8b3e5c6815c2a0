//! Databases that nothing needs any more are dropped.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{Publisher, spare};
use crate::ports::{Archive, PortError};

/// Looks again and again until shutdown. What may go is dropped when it may go twice in a row: a scan that was pinned a
/// moment before its record was written must not lose its database.
pub(crate) async fn tidy(
    publisher: Publisher,
    archive: Arc<dyn Archive>,
    every: Duration,
    shutdown: CancellationToken,
) {
    let mut before = BTreeSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
        match round(&publisher, &*archive, &before).await {
            Ok(next) => before = next,
            Err(error) => tracing::warn!(%error, "old databases stay for now"),
        }
    }
}

/// One look: drops what was spare before and still is, and returns what is spare.
async fn round(
    publisher: &Publisher,
    archive: &dyn Archive,
    before: &BTreeSet<String>,
) -> Result<BTreeSet<String>, PortError> {
    let databases = publisher.databases();
    databases.tidy().await?;
    let kept = databases.kept().await?;
    let current = databases.current().await?.map(|info| info.digest);
    // Asked last: a scan that came meanwhile is in it.
    let pinned = archive.pinned().await?;
    let spare = spare(kept, current.as_deref(), &pinned);
    for digest in spare.intersection(before) {
        databases.remove(digest).await?;
        tracing::info!(digest, "a database that no scan needs is dropped");
    }
    Ok(spare.difference(before).cloned().collect())
}
