//! What a cycle owes: answers to callers as soon as it is recorded, acknowledgements of outcomes once all that they caused is.

use std::sync::Arc;

use futures::StreamExt as _;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::ports::{IndexMember, OutcomeHandle};

/// An outcome that is to be acknowledged: its key, and how.
pub(super) type Settled = (String, Box<dyn OutcomeHandle>);

/// What is owed once a cycle is recorded.
#[derive(Default)]
pub(super) struct Owed {
    pub(super) outcomes: Vec<Settled>,
    /// What they tell of indexes: to be recorded before they are acknowledged.
    pub(super) members: Vec<IndexMember>,
    pub(super) submitted: Vec<oneshot::Sender<()>>,
    pub(super) cancelled: Vec<(oneshot::Sender<bool>, bool)>,
    /// What earlier cycles owed for reports that were stored since, and from which further reports may follow in this one.
    pub(super) earlier: Vec<Arc<Debt>>,
    /// The same where nothing but this cycle's events follows. These do not wait for the reports of the outcomes that this cycle
    /// happens to share: where reports come all the time, that would never end.
    pub(super) recorded: Vec<Arc<Debt>>,
}

/// Outcomes whose consequences are recorded but for some reports. Each of those holds a share; who gives back the last one
/// pays. What is dropped without that, by a shutdown, makes the outcomes come again.
#[derive(Default)]
pub(super) struct Debt {
    outcomes: Vec<Settled>,
    earlier: Vec<Arc<Self>>,
}

impl Owed {
    /// Answers the callers and pays what is recorded. What is left is owed to the queue.
    pub(super) fn answer(self) -> Debt {
        // A caller that went away needs no answer.
        for reply in self.submitted {
            let _ = reply.send(());
        }
        for (reply, ours) in self.cancelled {
            let _ = reply.send(ours);
        }
        Debt::of(self.recorded).pay();
        Debt { outcomes: self.outcomes, earlier: self.earlier }
    }
}

impl Debt {
    /// Shares in what earlier cycles owed.
    pub(super) const fn of(earlier: Vec<Arc<Self>>) -> Self {
        Self { outcomes: Vec::new(), earlier }
    }

    /// Acknowledges beside the cycles: a queue that is away must not hold up a caller. An acknowledgement that fails, or is
    /// cut off by the end of the process, makes the outcome come again, which does no harm.
    pub(super) fn pay(self) {
        let outcomes = self.settled();
        if !outcomes.is_empty() {
            // While the queue is away no further outcomes come: there are never many of these.
            tokio::spawn(acknowledge(outcomes).in_current_span());
        }
    }

    /// The outcomes that nothing is left to do for.
    fn settled(self) -> Vec<Settled> {
        let (mut settled, mut debts) = (Vec::new(), vec![self]);
        while let Some(Self { outcomes, earlier }) = debts.pop() {
            settled.extend(outcomes);
            debts.extend(earlier.into_iter().filter_map(Arc::into_inner));
        }
        settled
    }
}

async fn acknowledge(outcomes: Vec<Settled>) {
    const AT_ONCE: usize = 64;
    futures::stream::iter(outcomes)
        .for_each_concurrent(AT_ONCE, |(key, handle)| async move {
            if let Err(error) = handle.done().await {
                tracing::warn!(%error, key, "an outcome was not acknowledged");
            }
        })
        .await;
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::ports::PortError;

    struct Nothing;

    #[async_trait]
    impl OutcomeHandle for Nothing {
        async fn done(&self) -> Result<(), PortError> {
            Ok(())
        }
    }

    struct Told(tokio::sync::mpsc::UnboundedSender<()>);

    #[async_trait]
    impl OutcomeHandle for Told {
        async fn done(&self) -> Result<(), PortError> {
            let _ = self.0.send(());
            Ok(())
        }
    }

    fn owes(key: &str, earlier: Vec<Arc<Debt>>) -> Debt {
        Debt { outcomes: vec![(key.to_owned(), Box::new(Nothing))], earlier }
    }

    fn keys(debt: Debt) -> Vec<String> {
        let mut keys: Vec<String> = debt.settled().into_iter().map(|(key, _)| key).collect();
        keys.sort();
        keys
    }

    #[test]
    fn an_outcome_is_settled_with_the_last_report_that_it_caused() {
        // Two reports of one cycle, stored one after the other.
        let first = Arc::new(owes("a", Vec::new()));
        let second = Arc::clone(&first);
        assert_eq!(keys(owes("b", vec![first])), ["b"]);
        assert_eq!(keys(owes("c", vec![second])), ["a", "c"]);
        // Two reports of one cycle, stored together.
        let both = Arc::new(owes("a", Vec::new()));
        assert_eq!(keys(owes("b", vec![Arc::clone(&both), both])), ["a", "b"]);
        // The first report led to another, whose cycle owes for it as well.
        let first = Arc::new(owes("a", Vec::new()));
        let then = Arc::new(owes("b", vec![first]));
        let share = Arc::clone(&then);
        assert_eq!(keys(owes("c", vec![then])), ["c"]);
        assert_eq!(keys(owes("d", vec![share])), ["a", "b", "d"]);
    }

    #[tokio::test]
    async fn what_is_recorded_does_not_wait_for_what_shares_its_cycle() {
        let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mut first = owes("a", Vec::new());
        for (_, handle) in &mut first.outcomes {
            *handle = Box::new(Told(sender.clone()));
        }
        let second = owes("b", Vec::new()).outcomes;
        let owed = Owed { outcomes: second, recorded: vec![Arc::new(first)], ..Owed::default() };
        let waits = owed.answer();
        told.recv().await.expect("the first is acknowledged while the second waits");
        assert_eq!(keys(waits), ["b"]);
    }
}
