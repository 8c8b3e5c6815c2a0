//! After a start: scans that were running go on.

use std::time::Duration;

use strata_proto::{trace::TraceHeaders, v1::Scan};

use super::{Drive, carry::persist, now_ms};
use crate::plan::{Command, PlanEvent};

/// Events read at once.
const PAGE: u32 = 1_000;
/// How long the queue may think about what it owes, and what is assumed when it does not say.
const ASKING: Duration = Duration::from_secs(5);
const OWED: Duration = Duration::from_secs(16);

impl Drive {
    /// Continues every scan that the archive says is running. `None` at shutdown.
    pub(super) async fn restore(&mut self) -> Option<()> {
        let archive = std::sync::Arc::clone(&self.ports.archive);
        let running = persist(&self.shutdown, || archive.running()).await?;
        if running.is_empty() {
            return Some(());
        }
        let owed = self.owed().await;
        for scan in running {
            tracing::info!(scan = scan.id, "a scan goes on after a restart");
            self.restore_one(scan, owed).await?;
        }
        Some(())
    }

    /// How long outcomes may come that were handed to who led before. A queue that does not say may have some.
    async fn owed(&self) -> Duration {
        match tokio::time::timeout(ASKING, self.ports.queue.owed()).await {
            Ok(Ok(owed)) => owed,
            Ok(Err(error)) => {
                tracing::warn!(%error, "scans that go on end a while later");
                OWED
            }
            Err(_) => OWED,
        }
    }

    /// What came in at coordinators that stand by: scans to go on with, and scans to stop. An archive that is away is asked
    /// again. `None` at shutdown.
    pub(super) async fn adopt(&mut self) -> Option<Vec<Command>> {
        let Some(lead) = self.ports.lead.clone() else { return Some(Vec::new()) };
        let (running, asked) = tokio::join!(self.ports.archive.running(), lead.asked_to_cancel());
        let (running, asked) = match (running, asked) {
            (Ok(running), Ok(asked)) => (running, asked),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, "asking again what came in elsewhere");
                return Some(Vec::new());
            }
        };
        for scan in running {
            if self.plan.scan(&scan.id).is_none() {
                self.restore_one(scan, Duration::ZERO).await?;
            }
        }
        let cancel = |scan| self.plan.apply(PlanEvent::Cancel { scan });
        Some(asked.into_iter().flat_map(cancel).collect())
    }

    async fn restore_one(&mut self, scan: Scan, owed: Duration) -> Option<()> {
        let archive = std::sync::Arc::clone(&self.ports.archive);
        let id = scan.id.clone();
        self.live.enter(&scan, &TraceHeaders::default());
        let mut commands = self.plan.apply(PlanEvent::Tick { now_ms: now_ms() });
        commands.extend(self.plan.apply(PlanEvent::Restore(Box::new(scan))));
        let owed_ms = u64::try_from(owed.as_millis()).unwrap_or(u64::MAX);
        let mut after = 0;
        loop {
            let events = persist(&self.shutdown, || archive.events(&id, after, PAGE)).await?;
            let Some(last) = events.last() else { break };
            after = last.sequence;
            for event in events {
                commands.extend(self.plan.apply(PlanEvent::Recorded(Box::new(event))));
            }
        }
        commands.extend(self.plan.apply(PlanEvent::Resume { scan: id, owed_ms }));
        self.carry_out(commands).await
    }
}
