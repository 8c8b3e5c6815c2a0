//! Publishes and withdraws jobs beside the cycles, in order, several at a time.

use std::sync::Arc;

use futures::StreamExt as _;
use strata_proto::{
    trace::TraceHeaders,
    v1::{Job, Lane},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    plan::Publication,
    ports::{JobQueue, Published},
};

/// What to do with a job.
pub(super) enum Order {
    Publish {
        job: Box<Job>,
        trace: TraceHeaders,
        /// The job, or those of the bundle that it is.
        keys: Vec<String>,
    },
    Withdraw(Box<Job>),
}

/// Keys and what became of their publication.
type Results = mpsc::UnboundedReceiver<(String, Publication)>;

/// Where orders go. Each lane has its own line: jobs that somebody waits for are not behind those of a sweep. An order and the
/// one that takes it back are of one lane.
pub(super) struct Orders {
    interactive: mpsc::UnboundedSender<Order>,
    sweep: mpsc::UnboundedSender<Order>,
}

impl Orders {
    pub(super) fn send(&self, order: Order) {
        let (Order::Publish { job, .. } | Order::Withdraw(job)) = &order;
        let line = match job.lane() {
            Lane::Sweep => &self.sweep,
            Lane::Interactive | Lane::Unspecified => &self.interactive,
        };
        // The publisher ends at shutdown only.
        let _ = line.send(order);
    }
}

/// Starts the publisher. Its channels have no bound of their own: the plan's windows bound what is in them.
pub(super) fn start(
    queue: Arc<dyn JobQueue>,
    at_once: usize,
    shutdown: CancellationToken,
) -> (Orders, Results, JoinHandle<()>) {
    let (interactive, first) = mpsc::unbounded_channel();
    let (sweep, second) = mpsc::unbounded_channel();
    let (results, published) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let line = |orders| publish_all(Arc::clone(&queue), at_once.max(1), orders, results.clone());
        tokio::select! {
            () = shutdown.cancelled() => {}
            ((), ()) = async { tokio::join!(line(first), line(second)) } => {}
        }
    });
    (Orders { interactive, sweep }, published, task)
}

async fn publish_all(
    queue: Arc<dyn JobQueue>,
    at_once: usize,
    mut orders: mpsc::UnboundedReceiver<Order>,
    results: mpsc::UnboundedSender<(String, Publication)>,
) {
    const BATCH: usize = 1_024;
    let mut batch = Vec::new();
    while orders.recv_many(&mut batch, BATCH).await > 0 {
        let mut orders = batch.drain(..).peekable();
        while let Some(first) = orders.next() {
            // A run of the same kind goes out together: no job is in it twice.
            let kind = std::mem::discriminant(&first);
            let mut run = vec![first];
            while let Some(order) = orders.next_if(|order| std::mem::discriminant(order) == kind) {
                run.push(order);
            }
            futures::stream::iter(run)
                .for_each_concurrent(at_once, |order| carry_out(&*queue, order, &results))
                .await;
        }
    }
}

async fn carry_out(
    queue: &dyn JobQueue,
    order: Order,
    results: &mpsc::UnboundedSender<(String, Publication)>,
) {
    match order {
        Order::Publish { job, trace, keys } => publish(queue, (&job, &trace), keys, results).await,
        Order::Withdraw(job) => {
            if let Err(error) = queue.withdraw(&job).await {
                // It runs for nothing: its outcome is ignored.
                tracing::warn!(%error, key = job.key, "a job was not withdrawn");
            }
        }
    }
}

async fn publish(
    queue: &dyn JobQueue,
    (job, trace): (&Job, &TraceHeaders),
    keys: Vec<String>,
    results: &mpsc::UnboundedSender<(String, Publication)>,
) {
    let result = match queue.publish(job, trace).await {
        Ok(Published::Accepted) => Publication::Accepted,
        Ok(Published::AlreadyQueued) => Publication::AlreadyQueued,
        Err(error) => {
            tracing::warn!(%error, key = job.key, "a job was not published; it will be again");
            Publication::Failed
        }
    };
    tracing::trace!(key = job.key, scan = job.scan_id, "a job is in the queue");
    // The receiver ends at shutdown only.
    for key in keys {
        let _ = results.send((key, result));
    }
}
