//! Carries out the planner's commands in the order that makes them safe: reports, events, scans, then the rest.

use std::{collections::BTreeMap, future::Future, time::Duration};

use futures::StreamExt as _;
use strata_proto::v1::{Event, Report, Scan, ScanState};
use tokio_util::sync::CancellationToken;

use super::{Drive, Ports, now_ms, publisher::Order};
use crate::{
    archive::report::open_parcel,
    plan::{Command, PlanEvent, StoreReport},
    ports::PortError,
};

/// Pauses between tries of what must not be dropped.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Drive {
    /// Carries out commands and all that they lead to. `None` at shutdown.
    pub(super) async fn carry_out(&mut self, mut commands: Vec<Command>) -> Option<()> {
        let mut events: Vec<Event> = Vec::new();
        let mut scans: BTreeMap<String, Scan> = BTreeMap::new();
        let mut orders = Vec::new();
        loop {
            let mut stores = Vec::new();
            for command in commands {
                match command {
                    Command::Append(event) => events.push(*event),
                    Command::UpdateScan(scan) => drop(scans.insert(scan.id.clone(), *scan)),
                    Command::StoreReport(store) => stores.push(store),
                    Command::Publish(job) => {
                        let trace = self.live.trace(&job.scan_id);
                        orders.push(Order::Publish(job, trace));
                    }
                    Command::Withdraw(job) => orders.push(Order::Withdraw(job)),
                }
            }
            if stores.is_empty() {
                break;
            }
            commands = self.store(stores).await?;
        }
        // Before its last event can be seen: whoever has seen that event must not be told that the scan still runs.
        for scan in scans.values().filter(|scan| scan.state() != ScanState::Running) {
            self.live.ended(scan);
        }
        let archive = &self.ports.archive;
        if !events.is_empty() {
            persist(&self.shutdown, || archive.append(&events)).await?;
        }
        for scan in scans.values() {
            persist(&self.shutdown, || archive.update_scan(scan)).await?;
        }
        for order in orders {
            // The publisher ends at shutdown only.
            let _ = self.publisher.send(order);
        }
        self.live.recorded(&self.plan, &events);
        for scan in scans.values().filter(|scan| scan.state() != ScanState::Running) {
            crate::measure::scan_ended(scan.state());
            self.live.leave(&scan.id);
        }
        Some(())
    }

    async fn store(&mut self, stores: Vec<StoreReport>) -> Option<Vec<Command>> {
        let (ports, shutdown) = (&self.ports, &self.shutdown);
        let results: Vec<Option<PlanEvent>> = futures::stream::iter(stores)
            .map(|store| async move { store_one(ports, shutdown, store).await })
            .buffered(self.stores)
            .collect()
            .await;
        let mut commands = Vec::new();
        for result in results {
            commands.extend(self.plan.apply(result?));
        }
        Some(commands)
    }
}

async fn store_one(ports: &Ports, shutdown: &CancellationToken, store: StoreReport) -> Option<PlanEvent> {
    let mut report = None;
    if let Some(parcel) = &store.parcel {
        report = open(ports, shutdown, parcel).await?;
    }
    if report.is_none() {
        // The id says all that a report is made of: who archived it before archived the same.
        report = persist(shutdown, || ports.archive.report(&store.report_id)).await?;
    }
    let Some(report) = report else {
        return Some(PlanEvent::Lost { store: store.store });
    };
    let now_ms = now_ms();
    for (scan, references) in &store.wanted_by {
        persist(shutdown, || ports.archive.put_report(&store.report_id, scan, references, &report, now_ms))
            .await?;
    }
    if let Some(parcel) = &store.parcel
        && let Err(error) = ports.parcels.discard(parcel).await
    {
        tracing::debug!(%error, parcel, "a parcel stays until it expires");
    }
    Some(PlanEvent::Stored { store: store.store })
}

/// A parcel's report; an inner `None` when it is gone or damaged.
async fn open(ports: &Ports, shutdown: &CancellationToken, parcel: &str) -> Option<Option<Report>> {
    let Some(bytes) = persist(shutdown, || ports.parcels.take(parcel)).await? else {
        tracing::warn!(parcel, "a report's parcel is gone");
        return Some(None);
    };
    let opened = tokio::task::spawn_blocking(move || open_parcel(&bytes)).await;
    match opened {
        Ok(Ok(report)) => Some(Some(report)),
        Ok(Err(error)) => {
            tracing::warn!(%error, parcel, "a report's parcel is damaged");
            Some(None)
        }
        Err(error) => {
            tracing::error!(%error, parcel, "opening a parcel ended early");
            Some(None)
        }
    }
}

/// Tries until it works, or until shutdown (`None`).
pub(super) async fn persist<T, F>(shutdown: &CancellationToken, mut attempt: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, PortError>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt().await {
            Ok(value) => return Some(value),
            Err(error) => {
                crate::measure::store_error();
                tracing::error!(%error, "the archive or queue is away; trying again");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}
