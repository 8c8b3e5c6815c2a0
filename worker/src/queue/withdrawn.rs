//! Jobs that the coordinator withdrew, by the number of their message: a number names one publication, so that a job
//! which is asked for again under the same key is not meant.

use std::{collections::BTreeSet, future};

use tokio::sync::watch;

/// The numbers, and word of every change.
pub type Withdrawn = watch::Receiver<BTreeSet<u64>>;

/// Ends when the number is among those withdrawn.
pub(super) async fn holds(withdrawn: &Withdrawn, sequence: u64) {
    if withdrawn.clone().wait_for(|numbers| numbers.contains(&sequence)).await.is_err() {
        // The other side has ended: nothing is withdrawn any more.
        future::pending::<()>().await;
    }
}
