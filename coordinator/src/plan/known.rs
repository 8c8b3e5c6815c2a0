//! Images whose report is in the archive already: same image, platform, analysis and database, so the same report. The
//! archive is asked once for all images of a resolve job; what it knows is not assessed again.

use std::collections::{BTreeMap, BTreeSet};

use strata_proto::{
    subject,
    v1::{ReportSummary, ResolvedImage},
};

use super::{Command, LookUp, Plan, ScanNumber, Sought, image::ImageKey, reported::Reported};

/// An image as a reference was resolved to it.
pub(super) struct Found {
    pub(super) reference: Box<str>,
    pub(super) key: ImageKey,
    pub(super) image: ResolvedImage,
}

/// Images of one scan about which the archive is being asked.
pub(super) struct Asking {
    scan: ScanNumber,
    images: Vec<(Found, String)>,
}

impl Plan {
    /// Asks the archive for what may be known, and goes on with the rest.
    pub(super) fn seek(&mut self, number: ScanNumber, fingerprint: &str, found: Vec<Found>) {
        let Some(scan) = self.scans.get(&number) else { return };
        let (mut ask, mut go_on, mut wanted) = (Vec::new(), Vec::new(), BTreeSet::new());
        for found in found {
            let basis = &found.key.basis;
            // Without a database's name nobody knows what a report would say, and attached documents may be new.
            let may_be_known = !fingerprint.is_empty() && !basis.database.is_empty() && !basis.attached_vex;
            if !may_be_known || scan.done.contains_key(&found.key) || self.images.contains_key(&found.key) {
                go_on.push(found);
                continue;
            }
            let digest = found.key.digest.to_string();
            let report_id = subject::report_id(&digest, &found.key.platform, fingerprint, &basis.database);
            wanted.insert(Sought { report_id: report_id.clone() });
            ask.push((found, report_id));
        }
        for found in go_on {
            self.attach(number, found.reference, found.key, found.image);
        }
        if ask.is_empty() {
            return;
        }
        self.next_look_up += 1;
        let wanted = wanted.into_iter().collect();
        self.out.push(Command::LookUp(LookUp { look_up: self.next_look_up, wanted }));
        self.asking.insert(self.next_look_up, Asking { scan: number, images: ask });
    }

    /// A report of the archive was forgotten between the answer and its use: its references are resolved again. One that
    /// the scan had named before is a failure: what was counted must not be counted twice.
    pub(super) fn gone(
        &mut self,
        number: ScanNumber,
        key: &ImageKey,
        references: Vec<Box<str>>,
        message: &str,
    ) {
        match self.scans.get_mut(&number) {
            Some(scan) if !scan.done.contains_key(key) => {
                scan.queued.extend(references.into_iter().map(|reference| (reference, None)));
            }
            _ => {
                let references = references.into_iter().map(Into::into).collect();
                self.fail(number, references, "report-lost", message);
            }
        }
    }

    /// The archive knows these reports, by the ids that were sought; all other images are assessed.
    pub(super) fn looked_up(&mut self, look_up: u64, known: &BTreeMap<String, ReportSummary>) {
        let Some(Asking { scan: number, images }) = self.asking.remove(&look_up) else { return };
        let mut reported: BTreeMap<ImageKey, (Box<Reported>, Vec<Box<str>>)> = BTreeMap::new();
        for (Found { reference, key, image }, report_id) in images {
            // A scan that ended meanwhile wants nothing.
            let Some(scan) = self.scans.get_mut(&number) else { return };
            let Some(summary) = known.get(&report_id) else {
                self.attach(number, reference, key, image);
                continue;
            };
            let layers = || image.layers.iter().filter_map(|layer| layer.digest.parse().ok());
            for layer in layers() {
                scan.note_wanted(layer, true, &mut self.unclaimed);
            }
            let submitted_ms = scan.created_ms;
            let modified = self.modified.of(&summary.database_modified);
            let entry = reported.entry(key).or_insert_with(|| {
                (Box::new(Reported::known(summary, modified, submitted_ms, layers())), Vec::new())
            });
            entry.1.push(reference);
        }
        for (key, (report, references)) in reported {
            self.store(key, report, None, [(number, references)].into());
        }
    }
}
