//! Carries out the planner's commands in the order that makes them safe: reports, events, scans. Jobs go to the publisher at
//! once, reports of sweeps are stored beside the cycles, and so are their events while somebody waits (`records.rs`).

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    time::Duration,
};

use strata_proto::v1::{Event, Job, Scan, ScanState};
use tokio_util::sync::CancellationToken;

use super::{Drive, bundles::Outbound, records::News};
use crate::{plan::Command, ports::PortError};

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
        let mut news: BTreeSet<Arc<str>> = BTreeSet::new();
        loop {
            let (mut stores, mut look_ups, mut jobs) = (Vec::new(), Vec::new(), Vec::new());
            for command in commands {
                match command {
                    Command::Append(event) => events.push(*event),
                    Command::RecordScan(id) => drop(news.insert(id)),
                    Command::UpdateScan(scan) => drop(scans.insert(scan.id.clone(), *scan)),
                    Command::StoreReport(store) if self.may_wait(&store) => self.later.add(store),
                    Command::StoreReport(store) => stores.push(store),
                    Command::LookUp(look_up) => look_ups.push(look_up),
                    Command::Publish(job) => jobs.push(self.outbound(job, false)),
                    Command::PublishSmall(job) => jobs.push(self.outbound(job, true)),
                    Command::Withdraw(job) => {
                        self.publish(std::mem::take(&mut jobs));
                        self.bundles.withdraw(job).into_iter().for_each(|order| self.publisher.send(order));
                    }
                }
            }
            self.publish(jobs);
            if stores.is_empty() && look_ups.is_empty() {
                break;
            }
            tracing::trace!(stores = stores.len(), look_ups = look_ups.len(), "the archive is asked");
            commands = self.store(stores).await?;
            tracing::trace!("reports are stored");
            commands.extend(self.look_up(look_ups).await?);
        }
        // Of a scan that ended in this cycle the last record is there already.
        let records = news.iter().filter_map(|id| self.plan.record(id));
        scans.extend(records.map(|scan| (scan.id.clone(), scan)));
        let News { events, scans } = self.first(News { events, scans }).await?;
        // Before its last event can be seen: whoever has seen that event must not be told that the scan still runs.
        for scan in scans.values().filter(|scan| scan.state() != ScanState::Running) {
            self.live.ended(scan);
        }
        let archive = &self.ports.archive;
        tracing::trace!(events = events.len(), scans = scans.len(), "a cycle is recorded");
        if !events.is_empty() {
            persist(&self.shutdown, || archive.append(&events)).await?;
        }
        // Watchers read their events while the scans are written.
        self.live.recorded(&self.plan, &events);
        tracing::trace!("events are recorded");
        for scan in scans.values() {
            persist(&self.shutdown, || archive.update_scan(scan)).await?;
        }
        for scan in scans.values().filter(|scan| scan.state() != ScanState::Running) {
            crate::measure::scan_ended(scan.state());
            self.traces.scan_ended(&self.live, &scan.id);
            self.live.leave(&scan.id);
        }
        Some(())
    }
}

impl Drive {
    fn outbound(&mut self, job: Box<Job>, small: bool) -> Outbound {
        let trace = self.traces.of_job(&self.plan, &self.live, &job);
        Outbound { job, trace, small }
    }

    /// Nothing is waited for: what comes of a job is heard in a later cycle.
    fn publish(&mut self, jobs: Vec<Outbound>) {
        if !jobs.is_empty() {
            let orders = self.bundles.pack(jobs, self.plan.bundling());
            orders.into_iter().for_each(|order| self.publisher.send(order));
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
