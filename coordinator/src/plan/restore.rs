//! A scan goes on after a restart: its recorded events say which references have ended and keep the ledger; all else is
//! listed and resolved again, under the same job keys, so that what is still queued is not queued twice.

use strata_proto::v1::{Event, Scan, ScanStarted, Summary, event::Kind};

use super::{Plan, image::ImageKey, reported::Reported};

impl Plan {
    pub(super) fn restore(&mut self, mut scan: Scan) {
        let saved = scan.summary.take().unwrap_or_default();
        let untold = std::mem::take(&mut scan.layers_analysed);
        let Some(number) = self.enter(scan) else { return };
        let Some(scan) = self.scans.get_mut(&number) else { return };
        scan.restoring = true;
        scan.summary = Summary { bytes_read: saved.bytes_read, ..Summary::default() };
        for layer in untold {
            scan.count_analysed(layer);
            scan.untold.insert(layer);
        }
        scan.saved_analysed = saved.layers_analysed;
    }

    pub(super) fn recorded(&mut self, event: Event) {
        let Some(number) = self.numbers.get(event.scan_id.as_str()).copied() else { return };
        let Some(scan) = self.scans.get_mut(&number) else { return };
        if !scan.restoring {
            return;
        }
        scan.sequence = scan.sequence.max(event.sequence);
        self.now_ms = self.now_ms.max(event.time_unix_ms);
        match event.kind {
            Some(Kind::Reported(reported)) => {
                scan.recount(&reported.layers, &reported.layers_analysed);
                let Ok(digest) = reported.image_digest.parse() else { return };
                let platform = self.platforms.of(&reported.platform);
                let key = ImageKey::new(digest, platform, scan.basis.clone());
                reported.references.iter().for_each(|reference| {
                    scan.enumerate(reference);
                });
                let report = Reported::recorded(&reported, self.modified.of(&reported.database_modified));
                scan.note_reported(reported.references.len(), &key, &report);
            }
            Some(Kind::Failed(failed)) => {
                scan.recount(&failed.layers, &failed.layers_analysed);
                scan.recount_missing(&failed.layers_missing);
                failed.references.iter().for_each(|reference| {
                    scan.enumerate(reference);
                });
                scan.note_failed(failed.references.len(), &failed.code);
            }
            Some(Kind::Skipped(skipped)) => {
                skipped.references.iter().for_each(|reference| {
                    scan.enumerate(reference);
                });
                scan.note_skipped(skipped.references.len(), &skipped.code);
            }
            Some(Kind::ListingFailed(failed)) => {
                scan.note_listing_failed(&failed.target, &failed.code);
            }
            Some(Kind::Finished(finished)) => {
                // Only the scan's own record had not been written yet.
                let state = finished.state();
                self.close(number, state);
            }
            Some(Kind::Started(_) | Kind::Progress(_)) | None => {}
        }
    }

    pub(super) fn resume(&mut self, id: &str, owed_ms: u64) {
        let Some(number) = self.numbers.get(id).copied() else { return };
        if let Some(scan) = self.scans.get_mut(&number) {
            let owed = i64::try_from(owed_ms).unwrap_or(i64::MAX);
            scan.held_until_ms = (owed > 0).then(|| self.now_ms.saturating_add(owed));
            // An earlier version's events do not say which layers were analysed, only its record how many.
            let unnamed = scan.saved_analysed.saturating_sub(scan.summary.layers_analysed);
            scan.summary.layers_analysed += unnamed;
            scan.summary.layers_reused = scan.summary.layers_reused.saturating_sub(unnamed);
        }
        if self.scans.get(&number).is_some_and(|scan| scan.sequence == 0) {
            self.emit(number, Kind::Started(ScanStarted {}));
        }
        self.start(number);
    }

    /// Lets the scans end that waited for what was owed to them.
    pub(super) fn release(&mut self) {
        for (number, scan) in &mut self.scans {
            if scan.held_until_ms.is_some_and(|until| until <= self.now_ms) {
                scan.held_until_ms = None;
                self.touched.insert(*number);
            }
        }
    }
}
