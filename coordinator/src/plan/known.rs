//! Images whose report is in the archive already: same image, platform, analysis and database, so the same report; or the same
//! but for the database, which says the same of all that was asked. The archive is asked once for all images of a resolve
//! job; what it knows is not assessed again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use strata_proto::{
    digest::Digest,
    subject,
    v1::{ReportSummary, Resolved, ResolvedImage},
};

use super::{
    Command, Plan, ScanNumber,
    image::{ImageKey, Origin},
    reported::Reported,
};

/// Reports that may be in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookUp {
    /// Number of this command, for the answer.
    pub look_up: u64,
    /// Each once.
    pub wanted: Vec<Sought>,
    /// Whether many more of the scan's images will be asked for: then it pays to outline its database.
    pub many: bool,
}

/// A report that would do: the one of this id, or one of the same image, platform, fingerprint and *assess* against another
/// database that answers the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sought {
    /// Its id, by which it is answered.
    pub report_id: String,
    /// Digest of the image.
    pub image_digest: String,
    /// The platform as reports' ids name it.
    pub platform: Arc<str>,
    /// `Report.fingerprint`.
    pub fingerprint: Arc<str>,
    /// Which *assess* the image would be given to; 0 when that is not known.
    pub assessor: u64,
    /// The scan's database.
    pub database: Arc<str>,
}

/// A report that the archive knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What lists show of it; of a copy that is still to be made, what they will show.
    pub summary: ReportSummary,
    /// What it is to be copied from.
    pub copy_of: Option<CopyOf>,
}

impl From<ReportSummary> for Known {
    fn from(summary: ReportSummary) -> Self {
        Self { summary, copy_of: None }
    }
}

/// Where a report comes from that another database's stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOf {
    /// The report against the other database.
    pub report_id: String,
    /// `Report.database_digest` of the copy.
    pub database_digest: String,
    /// `Report.database_modified` of the copy.
    pub database_modified: String,
    /// When the report was assessed, in milliseconds since 1970-01-01 UTC.
    pub assessed_unix_ms: i64,
}

/// An image as a reference was resolved to it.
pub(super) struct Found {
    pub(super) reference: Box<str>,
    pub(super) key: ImageKey,
    pub(super) image: ResolvedImage,
    /// The digests of its layers.
    pub(super) layers: Vec<Digest>,
}

/// A report that is there already, and the references that it is for.
type There = (Box<Reported>, Origin, Vec<Box<str>>);

/// What a worker tells of itself: by whom the images would be assessed.
pub(super) struct Worker {
    fingerprint: Arc<str>,
    assessor: u64,
    /// Under which its inventories are kept.
    pub(super) analysis: Arc<str>,
}

impl Worker {
    pub(super) fn of(resolved: &Resolved, analysis: Arc<str>) -> Self {
        let fingerprint = resolved.fingerprint.as_str().into();
        Self { fingerprint, assessor: resolved.assessor, analysis }
    }
}

/// Images of one scan about which the archive is being asked.
pub(super) struct Asking {
    scan: ScanNumber,
    /// The analysis of who resolved them.
    analysis: Arc<str>,
    images: Vec<(Found, String)>,
}

impl Plan {
    /// Asks the archive for what may be known, and goes on with the rest.
    pub(super) fn seek(&mut self, number: ScanNumber, by: &Worker, found: Vec<Found>) {
        let Some(scan) = self.scans.get(&number) else { return };
        let Worker { fingerprint, assessor, analysis } = by;
        let many = scan.request.registry.is_some();
        let (mut ask, mut go_on, mut wanted) = (Vec::new(), Vec::new(), BTreeSet::new());
        for found in found {
            let basis = &found.key.basis;
            // Without a database's name nobody knows what a report would say, and attached documents may be new.
            let may_be_known = !fingerprint.is_empty() && !basis.database.is_empty() && !basis.attached_vex;
            if !may_be_known
                || scan.done.contains_key(&found.key.name)
                || self.images.contains_key(&found.key)
            {
                go_on.push(found);
                continue;
            }
            let digest = found.key.digest.to_string();
            let report_id = subject::report_id(&digest, &found.key.platform, fingerprint, &basis.database);
            wanted.insert(Sought {
                report_id: report_id.clone(),
                image_digest: digest,
                platform: Arc::clone(&found.key.platform),
                fingerprint: Arc::clone(fingerprint),
                assessor: *assessor,
                database: Arc::clone(&basis.database),
            });
            ask.push((found, report_id));
        }
        for found in go_on {
            self.attach(number, found, analysis);
        }
        if ask.is_empty() {
            return;
        }
        self.next_look_up += 1;
        let wanted = wanted.into_iter().collect();
        self.out.push(Command::LookUp(LookUp { look_up: self.next_look_up, wanted, many }));
        self.asking
            .insert(self.next_look_up, Asking { scan: number, analysis: Arc::clone(analysis), images: ask });
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
            Some(scan) if !scan.done.contains_key(&key.name) => {
                scan.queued.extend(references.into_iter().map(|reference| (reference, None)));
            }
            _ => {
                let references = references.into_iter().map(Into::into).collect();
                self.fail(number, references, "report-lost", message);
            }
        }
    }

    /// The archive knows these reports, by the ids that were sought; all other images are assessed.
    pub(super) fn looked_up(&mut self, look_up: u64, known: &BTreeMap<String, Known>) {
        let Some(Asking { scan: number, analysis, images }) = self.asking.remove(&look_up) else { return };
        let mut reported: BTreeMap<ImageKey, There> = BTreeMap::new();
        for (found, report_id) in images {
            // A scan that ended meanwhile wants nothing.
            let Some(scan) = self.scans.get_mut(&number) else { return };
            let Some(Known { summary, copy_of }) = known.get(&report_id) else {
                self.attach(number, found, &analysis);
                continue;
            };
            let Found { reference, key, layers, .. } = found;
            for layer in &layers {
                scan.note_wanted(*layer, true, &mut self.unclaimed);
            }
            let submitted_ms = scan.created_ms;
            let modified = self.modified.of(&summary.database_modified);
            let entry = reported.entry(key).or_insert_with(|| {
                let origin = copy_of.clone().map_or(Origin::Archive, Origin::Copy);
                (
                    Box::new(Reported::known(summary, modified, submitted_ms, layers.into_iter())),
                    origin,
                    Vec::new(),
                )
            });
            entry.2.push(reference);
        }
        for (key, (report, origin, references)) in reported {
            self.store(key, report, origin, [(number, references)].into());
        }
    }
}
