//! Reports on their way into the archive: those that are there get names, those of parcels and copies are stored, many in one
//! transaction.

use std::time::SystemTime;

use futures::{FutureExt as _, future::BoxFuture};
use strata_proto::v1::Report;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Drive, Ports, carry::persist, now_ms};
use crate::{
    archive::report::{Opened, open_parcel},
    plan::{Command, CopyOf, PlanEvent, StoreReport},
    ports::{AskedReport, Naming, NewReport, PutReport},
};

/// Reports of the archive that get names in one transaction.
const NAMED: usize = 1_000;

/// A report that is ready to be stored.
struct Ready {
    report: Report,
    asked: Option<Vec<u8>>,
    packed: Option<Vec<u8>>,
    assessed_unix_ms: i64,
    /// Where it waits.
    parcel: Option<String>,
}

impl Drive {
    /// Stores reports, and hears what the plan does then. `None` at shutdown.
    pub(super) async fn store(&mut self, stores: Vec<StoreReport>) -> Option<Vec<Command>> {
        let is_there = |store: &StoreReport| store.parcel.is_none() && store.copy_of.is_none();
        let (there, new): (Vec<StoreReport>, Vec<StoreReport>) = stores.into_iter().partition(is_there);
        let mut commands = Vec::new();
        for part in there.chunks(NAMED) {
            let started = SystemTime::now();
            for (store, stored) in part.iter().zip(self.name(part).await?) {
                self.stored(store, stored, started, &mut commands);
            }
        }
        for part in new.chunks(self.stores) {
            let started = SystemTime::now();
            let span = tracing::debug_span!("archive", reports = part.len());
            for (store, stored) in part.iter().zip(self.put(part).instrument(span).await?) {
                self.stored(store, stored, started, &mut commands);
            }
        }
        Some(commands)
    }

    fn stored(
        &mut self,
        store: &StoreReport,
        stored: bool,
        started: SystemTime,
        commands: &mut Vec<Command>,
    ) {
        let event = if stored {
            self.traces.archived(&self.live, store, started);
            PlanEvent::Stored { store: store.store }
        } else {
            if let Some(of) = &store.copy_of {
                // It would be found again, and lost again.
                self.standing.reject(&of.report_id);
            }
            PlanEvent::Lost { store: store.store }
        };
        commands.extend(self.plan.apply(event));
    }

    /// Reports of the archive get further references. False where one is gone.
    async fn name(&self, stores: &[StoreReport]) -> Option<Vec<bool>> {
        let mut rows = Vec::new();
        for store in stores {
            for (scan, references) in &store.wanted_by {
                rows.push(Naming { report: &store.report_id, scan, references });
            }
        }
        let archive = &self.ports.archive;
        let mut named = persist(&self.shutdown, || archive.name_reports(&rows)).await?.into_iter();
        // Each of them, as many as it has scans.
        let of = |store: &StoreReport| {
            let named: Vec<bool> = named.by_ref().take(store.wanted_by.len()).collect();
            named.len() == store.wanted_by.len() && named.into_iter().all(|there| there)
        };
        Some(stores.iter().map(of).collect())
    }

    /// Stores reports of parcels, and copies. False where there is nothing to store.
    async fn put(&self, stores: &[StoreReport]) -> Option<Vec<bool>> {
        let (ports, shutdown) = (&self.ports, &self.shutdown);
        // Boxed one by one: the compiler cannot prove of a closure over borrowed names that its futures may change threads.
        let ready: Vec<BoxFuture<'_, Option<Option<Ready>>>> =
            stores.iter().map(|store| prepare(ports, shutdown, store).boxed()).collect();
        let ready = futures::future::join_all(ready).await;
        let ready = ready.into_iter().collect::<Option<Vec<Option<Ready>>>>()?;
        let stored_unix_ms = now_ms();
        let mut puts = Vec::new();
        for (store, ready) in stores.iter().zip(&ready) {
            let Some(Ready { report, asked, packed, assessed_unix_ms, .. }) = ready else { continue };
            let new = NewReport {
                id: &store.report_id,
                report,
                asked: asked.as_deref(),
                stored_unix_ms,
                assessed_unix_ms: *assessed_unix_ms,
            };
            let packed = packed.as_deref();
            puts.extend(store.wanted_by.iter().map(|(scan, references)| PutReport {
                new,
                packed,
                scan,
                references,
            }));
        }
        persist(shutdown, || ports.archive.put_reports(&puts)).await?;
        let parcels = ready.iter().flatten().filter_map(|ready| ready.parcel.as_deref());
        let gone: Vec<BoxFuture<'_, ()>> = parcels.map(|parcel| discard(ports, parcel).boxed()).collect();
        futures::future::join_all(gone).await;
        Some(ready.iter().map(Option::is_some).collect())
    }
}

/// Fetches what is to be stored; an inner `None` when there is nothing any more.
async fn prepare(ports: &Ports, shutdown: &CancellationToken, store: &StoreReport) -> Option<Option<Ready>> {
    if let Some(of) = &store.copy_of {
        return copy(ports, shutdown, of).await;
    }
    let Some(parcel) = &store.parcel else { return Some(None) };
    let mut opened = open(ports, shutdown, parcel).await?;
    if opened.is_none() {
        // The id says all that a report is made of: who archived it before archived the same.
        let archived = persist(shutdown, || ports.archive.report(&store.report_id)).await?;
        opened = archived.map(|report| Opened { report, asked: None, packed: None });
    }
    Some(opened.map(|Opened { report, asked, packed }| Ready {
        report,
        asked,
        packed,
        assessed_unix_ms: 0,
        parcel: Some(parcel.clone()),
    }))
}

async fn discard(ports: &Ports, parcel: &str) {
    if let Err(error) = ports.parcels.discard(parcel).await {
        tracing::debug!(%error, parcel, "a parcel stays until it expires");
    }
}

/// A report against another database, as it is with this one.
async fn copy(ports: &Ports, shutdown: &CancellationToken, of: &CopyOf) -> Option<Option<Ready>> {
    let ids = [of.report_id.clone()];
    let asked = persist(shutdown, || ports.archive.asked_reports(&ids)).await?.pop();
    let Some(AskedReport { asked, .. }) = asked else { return Some(None) };
    let mut report = match ports.archive.report(&of.report_id).await {
        Ok(Some(report)) => report,
        Ok(None) => return Some(None),
        // Away or damaged: the image can be assessed in any case.
        Err(error) => {
            tracing::warn!(%error, report = of.report_id, "a report cannot be copied");
            return Some(None);
        }
    };
    report.database_digest.clone_from(&of.database_digest);
    report.database_modified.clone_from(&of.database_modified);
    let assessed_unix_ms = of.assessed_unix_ms;
    Some(Some(Ready { report, asked: Some(asked), packed: None, assessed_unix_ms, parcel: None }))
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
