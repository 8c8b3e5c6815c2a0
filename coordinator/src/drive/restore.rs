//! After a start: scans that were running go on.

use strata_proto::{trace::TraceHeaders, v1::Scan};

use super::{Drive, carry::persist, now_ms};
use crate::plan::PlanEvent;

/// Events read at once.
const PAGE: u32 = 1_000;

impl Drive {
    /// Continues every scan that the archive says is running. `None` at shutdown.
    pub(super) async fn restore(&mut self) -> Option<()> {
        let archive = std::sync::Arc::clone(&self.ports.archive);
        for scan in persist(&self.shutdown, || archive.running()).await? {
            tracing::info!(scan = scan.id, "a scan goes on after a restart");
            self.restore_one(scan).await?;
        }
        Some(())
    }

    async fn restore_one(&mut self, scan: Scan) -> Option<()> {
        let archive = std::sync::Arc::clone(&self.ports.archive);
        let id = scan.id.clone();
        self.live.enter(&scan, &TraceHeaders::default());
        let mut commands = self.plan.apply(PlanEvent::Tick { now_ms: now_ms() });
        commands.extend(self.plan.apply(PlanEvent::Restore(Box::new(scan))));
        let mut after = 0;
        loop {
            let events = persist(&self.shutdown, || archive.events(&id, after, PAGE)).await?;
            let Some(last) = events.last() else { break };
            after = last.sequence;
            for event in events {
                commands.extend(self.plan.apply(PlanEvent::Recorded(Box::new(event))));
            }
        }
        commands.extend(self.plan.apply(PlanEvent::Resume { scan: id }));
        self.carry_out(commands).await
    }
}
