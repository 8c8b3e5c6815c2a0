//! Brings outcomes from the queue to the drive, as fast as the drive takes them.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::Input;
use crate::ports::JobQueue;

pub(super) fn start(
    queue: Arc<dyn JobQueue>,
    at_once: usize,
    inputs: mpsc::Sender<Input>,
    shutdown: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = pump(queue, at_once, inputs) => {}
        }
    })
}

async fn pump(queue: Arc<dyn JobQueue>, at_once: usize, inputs: mpsc::Sender<Input>) {
    const LONGEST: Duration = Duration::from_secs(5);
    const FIRST: Duration = Duration::from_millis(100);
    let mut pause = FIRST;
    loop {
        match queue.outcomes(at_once).await {
            Ok(outcomes) => {
                pause = FIRST;
                if !outcomes.is_empty() && inputs.send(Input::Outcomes(outcomes)).await.is_err() {
                    return;
                }
                // A queue that answers at once with nothing must not starve the rest of the process.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::error!(%error, "outcomes cannot be read; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}
