//! Reports on their way into the archive: those that are there get names, those of parcels and copies are stored, many in one
//! transaction.

use std::{collections::BTreeMap, time::SystemTime};

use futures::{FutureExt as _, future::BoxFuture};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Drive, Ports, carry::persist, now_ms};
use crate::{
    archive::{content::Content, report::open_parcel},
    plan::{Command, PlanEvent, StoreReport},
    ports::{CopyReport, Naming, PutReport},
};

/// Reports of the archive that get names in one transaction.
const NAMED: usize = 1_000;

/// A report that is ready to be stored.
struct Ready {
    content: Content,
    /// Where it waits.
    parcel: String,
}

/// What is to be done with a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is in the archive and gets further references.
    There,
    /// It says what one against another database says.
    Copied,
    /// It is in its parcel.
    New,
}

impl Kind {
    pub(super) const fn of(store: &StoreReport) -> Self {
        match (&store.copy_of, &store.parcel) {
            (Some(_), _) => Self::Copied,
            (None, None) => Self::There,
            (None, Some(_)) => Self::New,
        }
    }

    /// Reports in one transaction.
    pub(super) const fn most(self, new: usize) -> usize {
        match self {
            Self::There | Self::Copied => NAMED,
            Self::New => new,
        }
    }
}

/// Stores reports of one kind in one transaction. False where there is nothing to store any more; `None` at shutdown.
pub(super) async fn put_away(
    ports: &Ports,
    shutdown: &CancellationToken,
    kind: Kind,
    stores: &[StoreReport],
) -> Option<Vec<bool>> {
    match kind {
        Kind::There => name(ports, shutdown, stores).await,
        Kind::Copied => copy(ports, shutdown, stores).await,
        Kind::New => put(ports, shutdown, stores).await,
    }
}

impl Drive {
    /// Stores reports, and hears what the plan does then. `None` at shutdown.
    pub(super) async fn store(&mut self, stores: Vec<StoreReport>) -> Option<Vec<Command>> {
        let mut commands = Vec::new();
        for kind in [Kind::There, Kind::Copied, Kind::New] {
            let same: Vec<&StoreReport> = stores.iter().filter(|store| Kind::of(store) == kind).collect();
            for part in same.chunks(kind.most(self.stores)) {
                let part: Vec<StoreReport> = part.iter().map(|store| (*store).clone()).collect();
                let started = SystemTime::now();
                let span = tracing::debug_span!("archive", reports = part.len());
                let stored = put_away(&self.ports, &self.shutdown, kind, &part).instrument(span).await?;
                for (store, stored) in part.iter().zip(stored) {
                    self.stored(store, stored, started, &mut commands);
                }
            }
        }
        Some(commands)
    }

    pub(super) fn stored(
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
}

/// Reports of the archive get further references. False where one is gone.
async fn name(ports: &Ports, shutdown: &CancellationToken, stores: &[StoreReport]) -> Option<Vec<bool>> {
    let mut rows = Vec::new();
    for store in stores {
        for (scan, references) in &store.wanted_by {
            rows.push(Naming { report: &store.report_id, scan, references });
        }
    }
    let archive = &ports.archive;
    let mut named = persist(shutdown, || archive.name_reports(&rows)).await?.into_iter();
    // Each of them, as many as it has scans.
    let of = |store: &StoreReport| {
        let named: Vec<bool> = named.by_ref().take(store.wanted_by.len()).collect();
        named.len() == store.wanted_by.len() && named.into_iter().all(|there| there)
    };
    Some(stores.iter().map(of).collect())
}

/// Stores reports that say what others say against another database. False where there is nothing to copy any more.
async fn copy(ports: &Ports, shutdown: &CancellationToken, stores: &[StoreReport]) -> Option<Vec<bool>> {
    let stored_unix_ms = now_ms();
    let mut rows = Vec::new();
    for store in stores {
        let Some(of) = &store.copy_of else { continue };
        rows.extend(store.wanted_by.iter().map(|(scan, references)| CopyReport {
            id: &store.report_id,
            of: &of.report_id,
            database_digest: &of.database_digest,
            database_modified: &of.database_modified,
            stored_unix_ms,
            assessed_unix_ms: of.assessed_unix_ms,
            scan,
            references,
        }));
    }
    let archive = &ports.archive;
    let copied = persist(shutdown, || archive.copy_reports(&rows)).await?;
    let there: BTreeMap<&str, bool> = rows.iter().map(|row| row.id).zip(copied).collect();
    Some(stores.iter().map(|store| there.get(store.report_id.as_str()) == Some(&true)).collect())
}

/// Stores reports of parcels. False where there is nothing to store.
async fn put(ports: &Ports, shutdown: &CancellationToken, stores: &[StoreReport]) -> Option<Vec<bool>> {
    // Boxed one by one: the compiler cannot prove of a closure over borrowed names that its futures may change threads.
    let ready: Vec<BoxFuture<'_, Option<Option<Ready>>>> =
        stores.iter().map(|store| prepare(ports, shutdown, store).boxed()).collect();
    let ready = futures::future::join_all(ready).await;
    let ready = ready.into_iter().collect::<Option<Vec<Option<Ready>>>>()?;
    let stored_unix_ms = now_ms();
    let mut puts = Vec::new();
    for (store, ready) in stores.iter().zip(&ready) {
        let Some(Ready { content, .. }) = ready else { continue };
        puts.extend(store.wanted_by.iter().map(|(scan, references)| PutReport {
            id: &store.report_id,
            content,
            stored_unix_ms,
            assessed_unix_ms: 0,
            scan,
            references,
        }));
    }
    persist(shutdown, || ports.archive.put_reports(&puts)).await?;
    let parcels = ready.iter().flatten().map(|ready| ready.parcel.as_str());
    let gone: Vec<BoxFuture<'_, ()>> = parcels.map(|parcel| discard(ports, parcel).boxed()).collect();
    futures::future::join_all(gone).await;
    Some(ready.iter().map(Option::is_some).collect())
}

/// Fetches what is to be stored; an inner `None` when there is nothing any more.
async fn prepare(ports: &Ports, shutdown: &CancellationToken, store: &StoreReport) -> Option<Option<Ready>> {
    let Some(parcel) = &store.parcel else { return Some(None) };
    let mut content = open(ports, shutdown, parcel).await?;
    if content.is_none() {
        // The id says all that a report is made of: who archived it before archived the same, and that stays as it is.
        let archived = persist(shutdown, || ports.archive.report(&store.report_id)).await?;
        content = archived.and_then(|report| Content::of(report, None).ok());
    }
    Some(content.map(|content| Ready { content, parcel: parcel.clone() }))
}

async fn discard(ports: &Ports, parcel: &str) {
    if let Err(error) = ports.parcels.discard(parcel).await {
        tracing::debug!(%error, parcel, "a parcel stays until it expires");
    }
}

/// A parcel's report; an inner `None` when it is gone or damaged.
async fn open(ports: &Ports, shutdown: &CancellationToken, parcel: &str) -> Option<Option<Content>> {
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
