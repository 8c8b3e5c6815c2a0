//! Tells every worker which jobs were withdrawn. Plain NATS forgets what is said while a worker reconnects: it is said
//! again for a while.

use std::{collections::VecDeque, time::Duration};

use async_nats::Client;
use prost::Message as _;
use strata_proto::{subject, v1::Withdrawal};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

/// How often what was withdrawn is said again, and for how long.
const AGAIN: Duration = Duration::from_secs(1);
const FOR: Duration = Duration::from_secs(10);
/// Numbers in one message: far below the limit of a message.
const BATCH: usize = 4_096;

/// The way out.
pub(super) struct Withdrawals {
    sender: mpsc::UnboundedSender<u64>,
    task: JoinHandle<()>,
}

impl Withdrawals {
    pub(super) fn start(client: Client) -> Self {
        // Its bound is the planner's windows: no more than those are published and can be withdrawn.
        let (sender, receiver) = mpsc::unbounded_channel();
        Self { sender, task: tokio::spawn(run(client, receiver)) }
    }

    pub(super) fn announce(&self, sequence: u64) {
        // The task ends with this.
        let _ = self.sender.send(sequence);
    }
}

impl Drop for Withdrawals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(client: Client, mut receiver: mpsc::UnboundedReceiver<u64>) {
    let mut recent: VecDeque<(Instant, u64)> = VecDeque::new();
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fresh = Vec::new();
    loop {
        tokio::select! {
            count = receiver.recv_many(&mut fresh, BATCH) => {
                if count == 0 {
                    return;
                }
                say(&client, &fresh).await;
                recent.extend(fresh.drain(..).map(|sequence| (Instant::now() + FOR, sequence)));
            }
            now = again.tick(), if !recent.is_empty() => {
                while recent.front().is_some_and(|(until, _)| *until < now) {
                    recent.pop_front();
                }
                let sequences: Vec<u64> = recent.iter().map(|(_, sequence)| *sequence).collect();
                for batch in sequences.chunks(BATCH) {
                    say(&client, batch).await;
                }
            }
        }
    }
}

async fn say(client: &Client, sequences: &[u64]) {
    let withdrawal = Withdrawal { sequences: sequences.to_vec() };
    if let Err(error) = client.publish(subject::WITHDRAWN, withdrawal.encode_to_vec().into()).await {
        tracing::warn!(%error, "workers were not told of withdrawn jobs");
    }
}
