//! Carries out the planner's commands in the order that makes them safe: reports, events, scans, then the rest.

use std::{
    collections::BTreeMap,
    future::Future,
    time::{Duration, SystemTime},
};

use futures::StreamExt as _;
use strata_proto::v1::{Event, Scan, ScanState};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Drive, Ports, now_ms, publisher::Order};
use crate::{
    archive::report::{Opened, open_parcel},
    plan::{Command, CopyOf, PlanEvent, StoreReport},
    ports::{AskedReport, NewReport, PortError},
};

/// Pauses between tries of what must not be dropped.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What an attempt under way still has when the shutdown begins.
const LAST_MOMENT: Duration = Duration::from_secs(3);

impl Drive {
    /// Carries out commands and all that they lead to. `None` at shutdown.
    pub(super) async fn carry_out(&mut self, mut commands: Vec<Command>) -> Option<()> {
        let mut events: Vec<Event> = Vec::new();
        let mut scans: BTreeMap<String, Scan> = BTreeMap::new();
        let mut orders = Vec::new();
        loop {
            let (mut stores, mut look_ups) = (Vec::new(), Vec::new());
            for command in commands {
                match command {
                    Command::Append(event) => events.push(*event),
                    Command::UpdateScan(scan) => drop(scans.insert(scan.id.clone(), *scan)),
                    Command::StoreReport(store) => stores.push(store),
                    Command::LookUp(look_up) => look_ups.push(look_up),
                    Command::Publish(job) => {
                        let trace = self.traces.of_job(&self.plan, &self.live, &job);
                        orders.push(Order::Publish(job, trace));
                    }
                    Command::Withdraw(job) => orders.push(Order::Withdraw(job)),
                }
            }
            if stores.is_empty() && look_ups.is_empty() {
                break;
            }
            commands = self.store(stores).await?;
            commands.extend(self.look_up(look_ups).await?);
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
            self.traces.scan_ended(&self.live, &scan.id);
            self.live.leave(&scan.id);
        }
        Some(())
    }

    async fn store(&mut self, stores: Vec<StoreReport>) -> Option<Vec<Command>> {
        let (ports, shutdown) = (&self.ports, &self.shutdown);
        let results: Vec<(StoreReport, SystemTime, Option<PlanEvent>)> = futures::stream::iter(stores)
            .map(|store| async move {
                let started = SystemTime::now();
                let span = tracing::debug_span!("archive", image = store.image, report = store.report_id);
                let result = store_one(ports, shutdown, &store).instrument(span).await;
                (store, started, result)
            })
            .buffered(self.stores)
            .collect()
            .await;
        let mut commands = Vec::new();
        for (store, started, result) in results {
            let result = result?;
            match (&result, &store.copy_of) {
                (PlanEvent::Stored { .. }, _) => self.traces.archived(&self.live, &store, started),
                // It would be found again, and lost again.
                (_, Some(of)) => self.standing.reject(&of.report_id),
                _ => {}
            }
            commands.extend(self.plan.apply(result));
        }
        Some(commands)
    }
}

async fn store_one(ports: &Ports, shutdown: &CancellationToken, store: &StoreReport) -> Option<PlanEvent> {
    if let Some(of) = &store.copy_of {
        return copy(ports, shutdown, store, of).await;
    }
    let Some(parcel) = &store.parcel else { return refer(ports, shutdown, store).await };
    let mut opened = open(ports, shutdown, parcel).await?;
    if opened.is_none() {
        // The id says all that a report is made of: who archived it before archived the same.
        let archived = persist(shutdown, || ports.archive.report(&store.report_id)).await?;
        opened = archived.map(|report| Opened { report, asked: None });
    }
    let Some(Opened { report, asked }) = opened else {
        return Some(PlanEvent::Lost { store: store.store });
    };
    let new = NewReport {
        id: &store.report_id,
        report: &report,
        asked: asked.as_deref(),
        stored_unix_ms: now_ms(),
        assessed_unix_ms: 0,
    };
    put(ports, shutdown, new, store).await?;
    if let Err(error) = ports.parcels.discard(parcel).await {
        tracing::debug!(%error, parcel, "a parcel stays until it expires");
    }
    Some(PlanEvent::Stored { store: store.store })
}

async fn put(
    ports: &Ports,
    shutdown: &CancellationToken,
    new: NewReport<'_>,
    store: &StoreReport,
) -> Option<()> {
    for (scan, references) in &store.wanted_by {
        persist(shutdown, || ports.archive.put_report(new, scan, references)).await?;
    }
    Some(())
}

/// A report against another database, under the name that it has with this one.
async fn copy(
    ports: &Ports,
    shutdown: &CancellationToken,
    store: &StoreReport,
    of: &CopyOf,
) -> Option<PlanEvent> {
    let lost = Some(PlanEvent::Lost { store: store.store });
    let ids = [of.report_id.clone()];
    let asked = persist(shutdown, || ports.archive.asked_reports(&ids)).await?.pop();
    let Some(AskedReport { asked, .. }) = asked else { return lost };
    let mut report = match ports.archive.report(&of.report_id).await {
        Ok(Some(report)) => report,
        Ok(None) => return lost,
        // Away or damaged: the image can be assessed in any case.
        Err(error) => {
            tracing::warn!(%error, report = of.report_id, "a report cannot be copied");
            return lost;
        }
    };
    report.database_digest.clone_from(&of.database_digest);
    report.database_modified.clone_from(&of.database_modified);
    let new = NewReport {
        id: &store.report_id,
        report: &report,
        asked: Some(&asked),
        stored_unix_ms: now_ms(),
        assessed_unix_ms: of.assessed_unix_ms,
    };
    put(ports, shutdown, new, store).await?;
    Some(PlanEvent::Stored { store: store.store })
}

/// A report of the archive gets further references.
async fn refer(ports: &Ports, shutdown: &CancellationToken, store: &StoreReport) -> Option<PlanEvent> {
    for (scan, references) in &store.wanted_by {
        if !persist(shutdown, || ports.archive.add_references(&store.report_id, scan, references)).await? {
            return Some(PlanEvent::Lost { store: store.store });
        }
    }
    Some(PlanEvent::Stored { store: store.store })
}

/// A parcel's report; an inner `None` when it is gone or damaged.
async fn open(ports: &Ports, shutdown: &CancellationToken, parcel: &str) -> Option<Option<Opened>> {
    let Some(bytes) = persist(shutdown, || ports.parcels.take(parcel)).await? else {
        tracing::warn!(parcel, "a report's parcel is gone");
        return Some(None);
    };
    let opened = tokio::task::spawn_blocking(move || open_parcel(&bytes)).await;
    match opened {
        Ok(Ok(opened)) => Some(Some(opened)),
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

/// Tries until it works, or until shutdown (`None`): then the attempt under way has a moment, because its server may never answer.
pub(super) async fn persist<T, F>(shutdown: &CancellationToken, mut attempt: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, PortError>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let attempted = tokio::select! {
            attempted = attempt() => attempted,
            () = moment_after(shutdown) => return None,
        };
        match attempted {
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

/// Ends a moment after the shutdown began.
pub(super) async fn moment_after(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(LAST_MOMENT).await;
}
