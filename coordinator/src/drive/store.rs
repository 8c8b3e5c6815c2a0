//! Reports on their way into the archive: those that are there get names, those of parcels and copies are stored, many in one
//! transaction.

use std::{collections::BTreeMap, time::SystemTime};

use bytes::Bytes;
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

/// Parcels that are taken at once.
const TAKEN: usize = 16;
/// Bytes of new reports from which on a transaction takes no more.
const BYTES: usize = 8 << 20;

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
    let mut stored = Vec::with_capacity(stores.len());
    let (mut ready, mut bytes): (Vec<(&StoreReport, Content)>, usize) = (Vec::new(), 0);
    for part in stores.chunks(TAKEN) {
        for (store, content) in part.iter().zip(prepare(ports, shutdown, part).await?) {
            stored.push(content.is_some());
            bytes += content.as_ref().map_or(0, |content| content.body.len());
            ready.extend(content.map(|content| (store, content)));
        }
        if bytes >= BYTES {
            write(ports, shutdown, &ready).await?;
            (ready, bytes) = (Vec::new(), 0);
        }
    }
    write(ports, shutdown, &ready).await?;
    Some(stored)
}

/// Stores reports in one transaction.
async fn write(ports: &Ports, shutdown: &CancellationToken, ready: &[(&StoreReport, Content)]) -> Option<()> {
    if ready.is_empty() {
        return Some(());
    }
    let stored_unix_ms = now_ms();
    let mut puts = Vec::new();
    for (store, content) in ready {
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
    let parcels: Vec<&str> = ready.iter().filter_map(|(store, _)| store.parcel.as_deref()).collect();
    if let Err(error) = ports.parcels.discard(&parcels).await {
        tracing::debug!(%error, parcels = parcels.len(), "parcels stay until they expire");
    }
    Some(())
}

/// Fetches what is to be stored; `None` where there is nothing any more.
async fn prepare(
    ports: &Ports,
    shutdown: &CancellationToken,
    stores: &[StoreReport],
) -> Option<Vec<Option<Content>>> {
    let names: Vec<&str> = stores.iter().filter_map(|store| store.parcel.as_deref()).collect();
    let mut taken = persist(shutdown, || ports.parcels.take_all(&names)).await?.into_iter();
    let taken: Vec<Option<Bytes>> =
        stores.iter().map(|store| store.parcel.as_ref().and_then(|_| taken.next().flatten())).collect();
    for (store, _) in
        stores.iter().zip(&taken).filter(|(store, taken)| store.parcel.is_some() && taken.is_none())
    {
        tracing::warn!(parcel = store.parcel, "a report's parcel is gone");
    }
    let opened = tokio::task::spawn_blocking(move || {
        taken.iter().map(|bytes| bytes.as_ref().map(|bytes| open_parcel(bytes))).collect::<Vec<_>>()
    });
    let opened = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!(%error, "opening parcels ended early");
            stores.iter().map(|_| None).collect()
        }
    };
    let mut contents = Vec::with_capacity(stores.len());
    for (store, opened) in stores.iter().zip(opened) {
        let content = match opened {
            Some(Ok(content)) => Some(content),
            Some(Err(error)) => {
                tracing::warn!(%error, parcel = store.parcel, "a report's parcel is damaged");
                None
            }
            None => None,
        };
        contents.push(match content {
            Some(content) => Some(content),
            None if store.parcel.is_some() => archived(ports, shutdown, store).await?,
            None => None,
        });
    }
    Some(contents)
}

/// A report whose parcel is gone. The id says all that a report is made of: who archived it before archived the same, and that
/// stays as it is.
async fn archived(
    ports: &Ports,
    shutdown: &CancellationToken,
    store: &StoreReport,
) -> Option<Option<Content>> {
    let archived = persist(shutdown, || ports.archive.report(&store.report_id)).await?;
    Some(archived.and_then(|report| Content::of(report, None).ok()))
}
