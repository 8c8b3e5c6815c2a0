//! Scans whose process is dead, and that nobody goes on with: they end as cancelled, so that no list shows them as running for
//! ever and whoever follows one is told.

use std::collections::BTreeSet;

use strata_proto::v1::{Event, Scan, ScanFinished, ScanState, event::Kind};

use super::now_ms;
use crate::ports::{Archive, PortError};

/// Events read at once.
const PAGE: u32 = 1_000;

/// Ends the running scans that were submitted under one of these idempotency keys, and returns their ids. What they reported
/// stays. Only for keys of a process that does not live any more.
///
/// # Errors
/// When the archive cannot be read or written.
pub async fn end_abandoned(archive: &dyn Archive, keys: &BTreeSet<String>) -> Result<Vec<String>, PortError> {
    let mut ended = Vec::new();
    for scan in archive.running().await? {
        let key = scan.request.as_ref().map(|request| request.idempotency_key.as_str());
        if key.is_some_and(|key| keys.contains(key)) {
            ended.push(scan.id.clone());
            end(archive, scan).await?;
        }
    }
    Ok(ended)
}

async fn end(archive: &dyn Archive, mut scan: Scan) -> Result<(), PortError> {
    let mut last: Option<Event> = None;
    loop {
        let after = last.as_ref().map_or(0, |event| event.sequence);
        let events = archive.events(&scan.id, after, PAGE).await?;
        let Some(event) = events.into_iter().next_back() else { break };
        last = Some(event);
    }
    let mut state = ScanState::Cancelled;
    scan.last_sequence = last.as_ref().map_or(0, |event| event.sequence);
    match last.and_then(|event| event.kind) {
        // Only its record had not been written yet.
        Some(Kind::Finished(finished)) => state = finished.state(),
        _ => {
            let mut finished = ScanFinished { summary: scan.summary.clone(), ..ScanFinished::default() };
            finished.set_state(state);
            scan.last_sequence += 1;
            let event = Event {
                sequence: scan.last_sequence,
                scan_id: scan.id.clone(),
                time_unix_ms: now_ms(),
                kind: Some(Kind::Finished(finished)),
            };
            archive.append(&[event]).await?;
        }
    }
    scan.set_state(state);
    scan.finished_unix_ms = now_ms();
    scan.layers_analysed.clear();
    archive.update_scan(&scan).await
}
