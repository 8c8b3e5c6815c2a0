//! Looks whether workers are there, so that a scan which waits for nobody says so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::ports::JobQueue;

/// What a scan's progress says while jobs wait and no worker takes them.
pub(super) const NO_WORKER: &str = "no worker takes jobs";

const EVERY: Duration = Duration::from_secs(2);

/// Looks until shutdown. Twice in a row nobody: between two pulls a worker is not seen.
pub(super) async fn run(queue: Arc<dyn JobQueue>, deserted: Arc<AtomicBool>, shutdown: CancellationToken) {
    let mut before = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        // A queue that cannot be asked tells nothing of workers.
        let nobody = queue.attended().await.is_ok_and(|attended| !attended);
        deserted.store(nobody && before, Ordering::Relaxed);
        before = nobody;
    }
}
