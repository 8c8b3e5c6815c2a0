//! What there is to record of sweeps while somebody waits for another scan: it is written beside the cycles, so that who waits
//! for one image does not wait until the events of thousands are on the archive's disk. One writing is under way at a time, and what
//! came in meanwhile shares the next one: the archive has each scan's events in their order, and its record after them. The
//! outcomes that they are from are acknowledged afterwards, as ever. So is it with the records of the scan that is waited for, as
//! long as it runs. A scan's end is not written here: its cycle waits.

use std::{collections::BTreeMap, sync::Arc};

use strata_proto::v1::{Event, Lane, Scan, ScanState, SubmitRequest};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument as _;

use super::{
    Drive,
    carry::persist,
    owed::{Debt, Owed},
};
use crate::{plan, ports::Archive};

/// Events that may wait. With more of them a cycle waits for the archive.
const MOST: usize = 4_096;

/// Events and records of scans that may wait.
pub(super) struct Records {
    archive: Arc<dyn Archive>,
    shutdown: CancellationToken,
    waiting: News,
    /// Whether the cycle that is under way added something, for which it owes.
    fresh: bool,
    debts: Vec<Arc<Debt>>,
    writing: Option<Writing>,
}

struct Writing {
    debts: Vec<Arc<Debt>>,
    task: AbortOnDropHandle<Option<News>>,
}

/// Events in their order, and the newest records of their scans.
#[derive(Default)]
pub(super) struct News {
    pub(super) events: Vec<Event>,
    pub(super) scans: BTreeMap<String, Scan>,
}

impl Records {
    pub(super) fn new(archive: Arc<dyn Archive>, shutdown: CancellationToken) -> Self {
        let waiting = News::default();
        Self { archive, shutdown, waiting, fresh: false, debts: Vec::new(), writing: None }
    }

    fn is_busy(&self) -> bool {
        self.writing.is_some() || !self.waiting.is_empty()
    }

    fn add(&mut self, news: News) {
        self.fresh |= !news.is_empty();
        self.waiting.events.extend(news.events);
        self.waiting.scans.extend(news.scans);
    }

    /// A cycle is carried out. What it owes for what is not recorded yet is kept here: the rest comes back.
    pub(super) fn owe(&mut self, mut owed: Owed) -> (Owed, bool) {
        let fresh = std::mem::take(&mut self.fresh);
        if fresh {
            self.debts.append(&mut owed.recorded);
        }
        (owed, fresh)
    }

    /// A share in what a cycle owes besides.
    pub(super) fn share(&mut self, debt: Arc<Debt>) {
        self.debts.push(debt);
    }

    /// The next events and records that are in the archive, and what was owed for them; `None` when none are under way, or at
    /// shutdown. A call that is dropped loses nothing.
    pub(super) async fn recorded(&mut self) -> Option<(News, Vec<Arc<Debt>>)> {
        if self.writing.is_none() {
            self.begin();
        }
        let ended = (&mut self.writing.as_mut()?.task).await;
        let Writing { debts, .. } = self.writing.take()?;
        match ended {
            Ok(news) => Some((news?, debts)),
            // As if it had been done in the cycle itself.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        }
    }

    fn begin(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let (news, debts) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.debts));
        let (archive, shutdown) = (Arc::clone(&self.archive), self.shutdown.clone());
        // Then nothing is owed for it any more.
        self.fresh = false;
        let span = tracing::debug_span!("records", events = news.events.len());
        let work = async move {
            if !news.events.is_empty() {
                persist(&shutdown, || archive.append(&news.events)).await?;
            }
            for scan in news.scans.values() {
                persist(&shutdown, || archive.update_scan(scan)).await?;
            }
            Some(news)
        };
        self.writing =
            Some(Writing { debts, task: AbortOnDropHandle::new(tokio::spawn(work.instrument(span))) });
    }
}

impl News {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.scans.is_empty()
    }
}

impl Drive {
    /// What of a cycle's news has to be recorded before it goes on: while somebody waits that is not the sweeps', nor that a
    /// scan runs, but for ends. `None` at shutdown.
    pub(super) async fn first(&mut self, news: News) -> Option<News> {
        let mut first = News::default();
        let mut later = News::default();
        for (id, scan) in news.scans {
            // That it still runs is for a restart: who waits for it waits for its end alone, which the archive does not let
            // such a record undo.
            let runs = scan.state() == ScanState::Running;
            let of = if !runs && self.goes_first(&id, Some(&scan)) { &mut first } else { &mut later };
            of.scans.insert(id, scan);
        }
        for event in news.events {
            let goes_first = self.goes_first(&event.scan_id, first.scans.get(&event.scan_id));
            let of = if goes_first { &mut first } else { &mut later };
            of.events.push(event);
        }
        let awaited = self.plan.is_awaited() || !first.is_empty();
        let goes_on = later.scans.values().all(|scan| scan.state() == ScanState::Running);
        let has_room = self.records.waiting.events.len() + later.events.len() <= MOST;
        if awaited && goes_on && has_room && !self.shutdown.is_cancelled() {
            self.records.add(later);
            return Some(first);
        }
        if !later.is_empty() {
            // What comes after these must not be there before them.
            self.last_records().await?;
            first.events.append(&mut later.events);
            first.scans.append(&mut later.scans);
        }
        Some(first)
    }

    /// Whether somebody waits for a scan, of which this is the record if it ended.
    fn goes_first(&self, id: &str, record: Option<&Scan>) -> bool {
        let lane = |request: &SubmitRequest| plan::lane_of(request) == Lane::Interactive;
        self.plan.is_interactive(id) || record.and_then(|scan| scan.request.as_ref()).is_some_and(lane)
    }

    /// What was written beside the cycles is in the archive.
    pub(super) fn recorded(&mut self, (news, debts): (News, Vec<Arc<Debt>>)) {
        self.live.recorded(&self.plan, &news.events);
        Debt::of(debts).pay();
    }

    /// Waits until nothing is left to write. `None` at shutdown.
    pub(super) async fn last_records(&mut self) -> Option<()> {
        while self.records.is_busy() {
            let recorded = self.records.recorded().await?;
            self.recorded(recorded);
        }
        Some(())
    }
}
