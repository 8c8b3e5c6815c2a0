//! What watchers and callers see of running scans. Events themselves are read from the archive; this says how far it is.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use strata_proto::{
    trace::{self, TraceHeaders},
    v1::{Event, Progress, Scan},
};
use tokio::sync::watch;
use tracing::Span;

use crate::plan::Plan;

/// A running scan, as of the last cycle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Live {
    /// The last event that the archive has.
    pub(crate) sequence: u64,
    pub(crate) scan: Scan,
    pub(crate) progress: Progress,
}

struct Entry {
    sender: watch::Sender<Live>,
    headers: TraceHeaders,
    /// Open as long as the scan: its end is the scan's end in the trace.
    _span: Span,
}

/// The running scans by id.
#[derive(Clone, Default)]
pub(crate) struct LiveTable(Arc<RwLock<BTreeMap<String, Entry>>>);

impl LiveTable {
    /// Follows a scan; `None` when it does not run here.
    pub(crate) fn subscribe(&self, scan: &str) -> Option<watch::Receiver<Live>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.get(scan).map(|entry| entry.sender.subscribe())
    }

    pub(super) fn enter(&self, scan: &Scan, trace: &TraceHeaders) {
        let span = tracing::info_span!(parent: None, "scan", scan = scan.id);
        trace::set_parent(&span, trace);
        let headers = span.in_scope(trace::inject);
        let live = Live { scan: scan.clone(), ..Live::default() };
        let entry = Entry { sender: watch::Sender::new(live), headers, _span: span };
        self.write().entry(scan.id.clone()).or_insert(entry);
    }

    /// A scan's final record, which is about to be written.
    pub(super) fn ended(&self, scan: &Scan) {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = table.get(&scan.id) {
            entry.sender.send_modify(|live| live.scan = scan.clone());
        }
    }

    /// Nothing runs here any more.
    pub(super) fn clear(&self) {
        self.write().clear();
    }

    pub(super) fn leave(&self, scan: &str) {
        self.write().remove(scan);
    }

    /// The trace that a scan's jobs belong to.
    pub(super) fn trace(&self, scan: &str) -> TraceHeaders {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.get(scan).map(|entry| entry.headers.clone()).unwrap_or_default()
    }

    /// These events are in the archive.
    pub(super) fn recorded(&self, plan: &Plan, events: &[Event]) {
        crate::measure::events(events);
        let last: BTreeMap<&str, u64> =
            events.iter().map(|event| (event.scan_id.as_str(), event.sequence)).collect();
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (scan, sequence) in last {
            let Some(entry) = table.get(scan) else { continue };
            let now = plan.scan(scan);
            entry.sender.send_modify(|live| {
                live.sequence = live.sequence.max(sequence);
                if let Some(now) = now {
                    live.scan = now;
                }
            });
        }
    }

    /// A moment has passed: scans that somebody follows show their progress.
    pub(super) fn progress(&self, plan: &Plan, hint: &str) {
        crate::measure::plan(plan.running().len(), plan.outstanding());
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for (id, entry) in table.iter() {
            let Some(scan) = plan.scan(id) else { continue };
            let mut progress =
                (entry.sender.receiver_count() > 0).then(|| plan.progress(id)).flatten().unwrap_or_default();
            if !hint.is_empty() {
                hint.clone_into(&mut progress.hint);
            }
            entry.sender.send_modify(|live| {
                live.scan = scan;
                live.progress = progress;
            });
        }
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Entry>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
