//! Listens to what the coordinator withdraws. The word may come before the job that it is about, because the two travel
//! apart: the newest numbers are kept.

use std::collections::BTreeSet;

use async_nats::Client;
use futures::StreamExt as _;
use prost::Message as _;
use strata_proto::{subject, v1::Withdrawal};
use tokio::{sync::watch, task::JoinHandle};

use crate::{ports::PortError, queue::withdrawn::Withdrawn};

/// Numbers that are kept; the lowest, which are the oldest, go first.
const MOST: usize = 20_000;

/// The subscription of one worker.
pub(super) struct Withdrawals {
    numbers: Withdrawn,
    task: JoinHandle<()>,
}

impl Withdrawals {
    /// Subscribes; the client does so again after every loss of the connection.
    ///
    /// # Errors
    /// When the client has ended. A server that forbids the subscription says so in an event, later.
    pub(super) async fn listen(client: &Client) -> Result<Self, PortError> {
        let failed = |error: async_nats::SubscribeError| PortError {
            action: "listen to withdrawals",
            reason: error.to_string(),
        };
        let mut messages = client.subscribe(subject::WITHDRAWN).await.map_err(failed)?;
        let (sender, numbers) = watch::channel(BTreeSet::new());
        let task = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                match Withdrawal::decode(message.payload) {
                    Ok(withdrawal) => keep(&sender, &withdrawal.sequences),
                    Err(error) => tracing::warn!(%error, "a message that is no withdrawal"),
                }
            }
        });
        Ok(Self { numbers, task })
    }

    pub(super) fn numbers(&self) -> Withdrawn {
        self.numbers.clone()
    }
}

impl Drop for Withdrawals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The same is said several times: who waits is woken by what is new only.
fn keep(sender: &watch::Sender<BTreeSet<u64>>, sequences: &[u64]) {
    sender.send_if_modified(|numbers| {
        let mut news = false;
        for sequence in sequences {
            news |= numbers.insert(*sequence);
        }
        while numbers.len() > MOST {
            numbers.pop_first();
        }
        news
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_numbers_are_kept_and_repetitions_wake_nobody() {
        let (sender, mut receiver) = watch::channel(BTreeSet::new());
        keep(&sender, &[1, 2]);
        assert!(receiver.has_changed().unwrap());
        receiver.mark_unchanged();
        keep(&sender, &[2, 1]);
        assert!(!receiver.has_changed().unwrap());
        let many: Vec<u64> = (3..30_003).collect();
        keep(&sender, &many);
        let kept = receiver.borrow_and_update().clone();
        assert_eq!(
            (kept.len(), kept.first().copied(), kept.last().copied()),
            (MOST, Some(10_003), Some(30_002))
        );
    }
}
