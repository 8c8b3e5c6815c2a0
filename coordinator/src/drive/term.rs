//! The lead: who holds it plans; who does not stands by, answers from the archive, and takes over when the lead ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Input;
use crate::ports::Lead;

/// Whether this coordinator leads, for those who must know before they ask.
#[derive(Clone, Default)]
pub(crate) struct Leading(Arc<AtomicBool>);

impl Leading {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn set(&self, leads: bool) {
        self.0.store(leads, Ordering::Release);
        crate::measure::leading(leads);
    }
}

/// One coordinator's part in the election.
#[derive(Clone)]
pub(super) struct Election {
    pub(super) lead: Arc<dyn Lead>,
    pub(super) name: String,
    pub(super) length: Duration,
}

impl Election {
    /// Waits for the lead. What callers ask meanwhile is left to whoever leads. `None` at shutdown.
    pub(super) async fn stand_by(
        &self,
        inputs: &mut mpsc::Receiver<Input>,
        shutdown: &CancellationToken,
    ) -> Option<()> {
        let mut said = false;
        let mut ticks = tokio::time::interval(self.every());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return None,
                Some(input) = inputs.recv() => leave(input),
                _ = ticks.tick() => match self.lead.lead(&self.name, self.length).await {
                    Ok(true) => {
                        tracing::info!("this coordinator leads");
                        return Some(());
                    }
                    Ok(false) if !said => {
                        said = true;
                        tracing::info!("another coordinator leads; standing by");
                    }
                    Ok(false) => {}
                    Err(error) => tracing::error!(%error, "the lead cannot be asked for; trying again"),
                }
            }
        }
    }

    /// Renews the lead until it is lost, and ends the term then. An archive that is away ends nothing: it takes no writes from
    /// another coordinator either.
    pub(super) async fn keep(self, term: CancellationToken) {
        loop {
            tokio::select! {
                () = term.cancelled() => return,
                () = tokio::time::sleep(self.every()) => {}
            }
            match self.lead.lead(&self.name, self.length).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!("another coordinator has taken the lead");
                    term.cancel();
                    return;
                }
                Err(error) => tracing::warn!(%error, "the lead could not be renewed; trying again"),
            }
        }
    }

    /// How often the lead is renewed, or asked for.
    fn every(&self) -> Duration {
        (self.length / 6).max(Duration::from_millis(1))
    }
}

/// The scan is in the archive: whoever leads finds it there.
fn leave(input: Input) {
    match input {
        Input::Submit { reply, .. } => {
            let _ = reply.send(());
        }
        Input::Cancel { reply, .. } => {
            let _ = reply.send(false);
        }
        // Dropped unacknowledged: they come again, to whoever leads.
        Input::Outcomes(_) => {}
    }
}
