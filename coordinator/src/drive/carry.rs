//! Carries out the planner's commands in the order that makes them safe: reports, events, scans, then the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    time::{Duration, SystemTime},
};

use futures::StreamExt as _;
use strata_proto::v1::{Event, Report, ReportSummary, Scan, ScanState};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Drive, Ports, now_ms, publisher::Order};
use crate::{
    archive::report::open_parcel,
    plan::{Command, LookUp, PlanEvent, Sought, StoreReport},
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
            if matches!(result, PlanEvent::Stored { .. }) {
                self.traces.archived(&self.live, &store, started);
            }
            commands.extend(self.plan.apply(result));
        }
        Some(commands)
    }
}

impl Drive {
    /// One question to the archive for all of them.
    async fn look_up(&mut self, look_ups: Vec<LookUp>) -> Option<Vec<Command>> {
        let ids: BTreeSet<&str> =
            look_ups.iter().flat_map(|one| &one.wanted).map(|sought| sought.report_id.as_str()).collect();
        if ids.is_empty() {
            return Some(Vec::new());
        }
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        let archive = &self.ports.archive;
        let found = persist(&self.shutdown, || archive.known_reports(&ids)).await?;
        let known: BTreeMap<String, ReportSummary> =
            found.into_iter().map(|summary| (summary.report_id.clone(), summary)).collect();
        let mut commands = Vec::new();
        for LookUp { look_up, wanted } in look_ups {
            let of = |sought: Sought| {
                let summary = known.get(&sought.report_id)?.clone();
                Some((sought.report_id, summary))
            };
            let known = wanted.into_iter().filter_map(of).collect();
            commands.extend(self.plan.apply(PlanEvent::LookedUp { look_up, known }));
        }
        Some(commands)
    }
}

async fn store_one(ports: &Ports, shutdown: &CancellationToken, store: &StoreReport) -> Option<PlanEvent> {
    let Some(parcel) = &store.parcel else { return refer(ports, shutdown, store).await };
    let mut report = open(ports, shutdown, parcel).await?;
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
    if let Err(error) = ports.parcels.discard(parcel).await {
        tracing::debug!(%error, parcel, "a parcel stays until it expires");
    }
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
