//! What a coordinator measures of itself, by the names that dashboards and alerts use. Recorded through the `metrics`
//! facade: a process that exports nothing pays nothing.

use std::collections::BTreeMap;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use strata_proto::{
    subject,
    v1::{Event, Lane, ScanState, event::Kind},
};

/// Jobs that no worker has taken, by `lane`.
pub const QUEUE_WAITING: &str = "strata_queue_waiting";
/// Jobs that a worker holds, by `lane`.
pub const QUEUE_RUNNING: &str = "strata_queue_running";
/// 1 where this coordinator leads, 0 where it stands by.
pub const LEADING: &str = "strata_leading";
/// Scans that run.
pub const SCANS_RUNNING: &str = "strata_scans_running";
/// Scans that ended, by `state`.
pub const SCANS: &str = "strata_scans_total";
/// Jobs that are published and have no outcome yet.
pub const JOBS_OUTSTANDING: &str = "strata_jobs_outstanding";
/// References of scans, by `outcome`: `reported`, `unchanged`, `skipped`, `failed`, `listing_failed`; and by `code`.
pub const REFERENCES: &str = "strata_references_total";
/// Watch streams that are open.
pub const STREAMS_OPEN: &str = "strata_streams_open";
/// Operations on the archive, the queue or the parcels that failed and are tried again.
pub const STORE_ERRORS: &str = "strata_store_errors_total";

/// Values in Redis that did not have the cluster's tag, by `what`: written by somebody else, or under another key.
pub const TAMPERED: &str = "strata_tampered_values_total";

/// Registries' events, by `registry` and `result`: `scan`, `refused`, `malformed`, or why there was nothing to scan.
pub const NOTIFICATIONS: &str = "strata_notifications_total";

/// Says what each name means, for whoever reads the export.
pub fn describe() {
    describe_counter!(NOTIFICATIONS, "Registries' events, by registry and result");
    describe_counter!(TAMPERED, "Values in Redis without the cluster's tag");
    describe_gauge!(QUEUE_WAITING, "Jobs that no worker has taken, by lane");
    describe_gauge!(QUEUE_RUNNING, "Jobs that a worker holds, by lane");
    describe_gauge!(LEADING, "1 where this coordinator leads, 0 where it stands by");
    describe_gauge!(SCANS_RUNNING, "Scans that run");
    describe_counter!(SCANS, "Scans that ended, by state");
    describe_gauge!(JOBS_OUTSTANDING, "Jobs that are published and have no outcome yet");
    describe_counter!(REFERENCES, "References of scans, by outcome and code");
    describe_gauge!(STREAMS_OPEN, "Watch streams that are open");
    describe_counter!(
        STORE_ERRORS,
        "Operations on the archive, queue or parcels that failed and are tried again"
    );
}

/// A registry's event, by what came of it.
pub(crate) fn notified(registry: &'static str, result: &'static str) {
    counter!(NOTIFICATIONS, "registry" => registry, "result" => result).increment(1);
}

pub(crate) fn tampered(what: &'static str) {
    counter!(TAMPERED, "what" => what).increment(1);
}

/// How a lane stands at this moment.
pub fn lane(lane: Lane, waiting: u64, running: u64) {
    let lane = subject::lane(lane);
    gauge!(QUEUE_WAITING, "lane" => lane).set(count(waiting));
    gauge!(QUEUE_RUNNING, "lane" => lane).set(count(running));
}

pub(crate) fn leading(leads: bool) {
    gauge!(LEADING).set(if leads { 1.0 } else { 0.0 });
}

pub(crate) fn plan(scans: usize, outstanding: usize) {
    gauge!(SCANS_RUNNING).set(count(scans as u64));
    gauge!(JOBS_OUTSTANDING).set(count(outstanding as u64));
}

pub(crate) fn events(events: &[Event]) {
    // A counter is looked up by its labels: once for many events.
    let mut counts: BTreeMap<(&'static str, &str), usize> = BTreeMap::new();
    for event in events {
        let (outcome, code, references) = match &event.kind {
            Some(Kind::Reported(reported)) => {
                let outcome = if reported.unchanged { "unchanged" } else { "reported" };
                (outcome, "", reported.references.len())
            }
            Some(Kind::Skipped(skipped)) => ("skipped", skipped.code.as_str(), skipped.references.len()),
            Some(Kind::Failed(failed)) => ("failed", failed.code.as_str(), failed.references.len()),
            Some(Kind::ListingFailed(failed)) => ("listing_failed", failed.code.as_str(), 1),
            _ => continue,
        };
        *counts.entry((outcome, code)).or_default() += references;
    }
    for ((outcome, code), references) in counts {
        counter!(REFERENCES, "outcome" => outcome, "code" => code.to_owned()).increment(references as u64);
    }
}

pub(crate) fn scan_ended(state: ScanState) {
    counter!(SCANS, "state" => state.as_str_name()).increment(1);
}

pub(crate) fn store_error() {
    counter!(STORE_ERRORS).increment(1);
}

/// One open stream, until it is dropped.
pub(crate) struct Stream(());

impl Stream {
    pub(crate) fn open() -> Self {
        gauge!(STREAMS_OPEN).increment(1.0);
        Self(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        gauge!(STREAMS_OPEN).decrement(1.0);
    }
}

/// A count as a gauge's value: exact up to 2^53, which no queue reaches.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts here stay far below 2^53")]
fn count(value: u64) -> f64 {
    value as f64
}
