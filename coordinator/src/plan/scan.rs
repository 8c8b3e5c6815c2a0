//! One scan that runs: its ledger, its summary, its events, its beginning and its end.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use strata_proto::{
    digest::Digest,
    ledger::is_unsupported,
    v1::{
        Event, Lane, Scan, ScanFinished, ScanStarted, ScanState, SourceOptions, SubmitRequest, Summary,
        event::Kind,
    },
};

use super::{
    Command, Plan, ScanNumber,
    basis::Basis,
    counted::Unclaimed,
    image::ImageKey,
    lanes::Ready,
    listing::Listing,
    reported::{Done, Kept, Reported},
    tally::{Fate, Tally},
};

/// Reason → number.
pub(super) type Lines = BTreeMap<String, u64>;

/// Platform of a request that names none.
const PLATFORM: &str = "linux/amd64";

/// Half of a name's digest: a million of them are kept, and nobody finds two names of one half.
pub(super) type Name = [u8; 16];

/// See [`Name`].
pub(super) fn name(text: &[u8]) -> Name {
    Digest::of(text).half()
}

pub(super) struct Running {
    pub(super) id: Arc<str>,
    pub(super) request: SubmitRequest,
    pub(super) lane: Lane,
    pub(super) tenant: Arc<str>,
    pub(super) platform: Arc<str>,
    pub(super) basis: Basis,
    pub(super) created_ms: i64,
    pub(super) owner: Box<str>,
    pub(super) sequence: u64,
    /// Its recorded events are still being read.
    pub(super) restoring: bool,
    /// It does not end earlier: outcomes of before a restart may still come.
    pub(super) held_until_ms: Option<i64>,
    /// As far as it is known without the ledger.
    pub(super) summary: Summary,
    pub(super) enumerated: u64,
    pub(super) reported: u64,
    pub(super) unchanged: u64,
    pub(super) skipped: Lines,
    pub(super) failed: Lines,
    pub(super) unsupported: Lines,
    pub(super) listing_failed: Lines,
    /// Targets that are in `listing_failed`.
    pub(super) failed_targets: BTreeSet<String>,
    /// References that were enumerated and did not end yet.
    pub(super) open: u64,
    /// The references (and, with a space in front, repositories) that were enumerated.
    pub(super) seen: HashSet<Name>,
    pub(super) listings: VecDeque<Listing>,
    pub(super) listings_open: usize,
    /// Why a listing is tried again, until one succeeds.
    pub(super) trouble: String,
    /// References to be resolved, with the digests that a listing told.
    pub(super) queued: VecDeque<(Box<str>, Option<Digest>)>,
    pub(super) ready: Ready,
    /// Images that are under way.
    pub(super) images: HashSet<ImageKey>,
    /// Images that ended, by [`ImageKey::name`]: there may be a million of them.
    pub(super) done: BTreeMap<Name, Done>,
    /// Layers that were counted, and as what.
    pub(super) layers: Tally,
    /// Layers that were analysed for the scan and are in no event yet.
    pub(super) untold: BTreeSet<u64>,
    /// References that are being resolved.
    pub(super) resolving: usize,
    /// While it is restored: how many layers had been analysed when it was last recorded.
    pub(super) saved_analysed: u64,
    /// Whether there is news since the last [`Command::RecordScan`].
    pub(super) changed: bool,
}

/// Where the jobs of a scan wait that asks for this.
pub(crate) fn lane_of(request: &SubmitRequest) -> Lane {
    match (request.lane(), &request.registry) {
        (Lane::Unspecified, Some(_)) => Lane::Sweep,
        (Lane::Unspecified, None) => Lane::Interactive,
        (lane, _) => lane,
    }
}

impl Running {
    pub(super) fn new(scan: Scan) -> Self {
        let request = scan.request.unwrap_or_default();
        let lane = lane_of(&request);
        let tenant =
            if request.tenant.is_empty() { format!("scan {}", scan.id) } else { request.tenant.clone() };
        let platform = if request.platform.is_empty() { PLATFORM } else { &request.platform };
        Self {
            id: scan.id.into(),
            lane,
            tenant: tenant.into(),
            platform: platform.into(),
            basis: Basis { database: scan.database_digest.into(), attached_vex: request.attached_vex },
            request,
            created_ms: scan.created_unix_ms,
            owner: scan.owner.into(),
            sequence: 0,
            restoring: false,
            held_until_ms: None,
            summary: Summary::default(),
            enumerated: 0,
            reported: 0,
            unchanged: 0,
            skipped: Lines::new(),
            failed: Lines::new(),
            unsupported: Lines::new(),
            listing_failed: Lines::new(),
            failed_targets: BTreeSet::new(),
            open: 0,
            seen: HashSet::new(),
            listings: VecDeque::new(),
            trouble: String::new(),
            listings_open: 0,
            queued: VecDeque::new(),
            ready: Ready::default(),
            images: HashSet::new(),
            done: BTreeMap::new(),
            layers: Tally::default(),
            untold: BTreeSet::new(),
            resolving: 0,
            saved_analysed: 0,
            changed: true,
        }
    }

    pub(super) fn host(&self) -> &str {
        self.request.registry.as_ref().map_or("", |registry| &registry.host)
    }

    pub(super) fn options(&self) -> SourceOptions {
        SourceOptions { insecure: self.request.insecure }
    }

    /// Counts a reference; false when it was counted before.
    pub(super) fn enumerate(&mut self, reference: &str) -> bool {
        let new = self.seen.insert(name(reference.as_bytes()));
        if new {
            self.enumerated += 1;
            self.open += 1;
            self.changed = true;
        }
        new
    }

    pub(super) fn enumerated(&self) -> u64 {
        self.enumerated
    }

    pub(super) fn note_failed(&mut self, references: usize, code: &str) {
        let count = self.close(references);
        let lines = if is_unsupported(code) { &mut self.unsupported } else { &mut self.failed };
        *lines.entry(code.to_owned()).or_default() += count;
    }

    pub(super) fn note_skipped(&mut self, references: usize, code: &str) {
        let count = self.close(references);
        *self.skipped.entry(code.to_owned()).or_default() += count;
    }

    pub(super) fn note_reported(&mut self, references: usize, key: &ImageKey, report: &Reported) {
        let count = self.close(references);
        *(if report.unchanged { &mut self.unchanged } else { &mut self.reported }) += count;
        self.images.remove(key);
        if self.done.insert(key.name, Done::Reported(Kept::of(report))).is_none() {
            self.summary.images += 1;
            self.summary.packages += report.packages;
            self.summary.reports_with_problems += u64::from(report.problems > 0);
            self.summary.findings.get_or_insert_default().merge(&report.findings);
        }
    }

    /// False when the target was counted before.
    pub(super) fn note_listing_failed(&mut self, target: &str, code: &str) -> bool {
        let new = self.failed_targets.insert(target.to_owned());
        if new {
            *self.listing_failed.entry(code.to_owned()).or_default() += 1;
            self.changed = true;
        }
        new
    }

    fn close(&mut self, references: usize) -> u64 {
        let count = u64::try_from(references).unwrap_or(u64::MAX);
        self.open = self.open.saturating_sub(count);
        self.changed = true;
        count
    }

    /// One of the scan's images has this layer.
    pub(super) fn note_wanted(&mut self, layer: Digest, cached: bool, unclaimed: &mut Unclaimed) {
        if let Some(fate) = self.layers.fate(layer.prefix()) {
            // An image failed for want of it, and now it is there.
            if cached && fate == Fate::Open {
                self.layers.set(layer.prefix(), Fate::Reused);
                self.summary.layers_reused += 1;
            }
            return;
        }
        let known = self.layers.was_before(layer.prefix());
        self.layers.set(layer.prefix(), if cached || known { Fate::Reused } else { Fate::Open });
        self.changed = true;
        if known {
            return;
        }
        self.summary.distinct_layers += 1;
        self.summary.layers_reused += u64::from(cached);
        if cached && let Some(indexed) = unclaimed.take(&layer) {
            self.note_layer(layer, &indexed, true);
        }
    }
}

impl Plan {
    pub(super) fn submit(&mut self, scan: Scan) {
        let created = scan.created_unix_ms;
        if let Some(number) = self.enter(scan) {
            self.now_ms = self.now_ms.max(created);
            self.emit(number, Kind::Started(ScanStarted {}));
            self.start(number);
        }
    }

    /// Makes room for a scan; `None` for one that is known.
    pub(super) fn enter(&mut self, scan: Scan) -> Option<ScanNumber> {
        if self.numbers.contains_key(scan.id.as_str()) {
            return None;
        }
        let number = self.next_scan;
        self.next_scan += 1;
        let running = Running::new(scan);
        self.numbers.insert(Arc::clone(&running.id), number);
        self.lanes.enter(running.lane, &running.tenant, number);
        self.scans.insert(number, running);
        Some(number)
    }

    pub(super) fn start(&mut self, number: ScanNumber) {
        self.touched.insert(number);
        let Some(scan) = self.scans.get_mut(&number) else { return };
        scan.restoring = false;
        scan.start_listings();
        for image in scan.request.images.clone() {
            if scan.enumerate(&image) {
                scan.queued.push_back((image.into(), None));
            }
        }
    }

    pub(super) fn emit(&mut self, number: ScanNumber, kind: Kind) {
        let Some(scan) = self.scans.get_mut(&number) else { return };
        scan.sequence += 1;
        scan.changed = true;
        self.out.push(Command::Append(Box::new(Event {
            sequence: scan.sequence,
            scan_id: scan.id.to_string(),
            time_unix_ms: self.now_ms,
            kind: Some(kind),
        })));
    }

    /// Ends the scans that have nothing left to do.
    pub(super) fn finish_touched(&mut self) {
        for number in std::mem::take(&mut self.touched) {
            let Some(scan) = self.scans.get(&number) else { continue };
            if scan.restoring || scan.held_until_ms.is_some() {
                continue;
            }
            if scan.open > 0 || scan.listings_open > 0 || !scan.listings.is_empty() {
                continue;
            }
            // A registry may hold what cannot be scanned; who names an image wants its report.
            let scanned = scan.unsupported.is_empty() || scan.request.registry.is_some();
            let clean = scanned && scan.failed.is_empty() && scan.listing_failed.is_empty();
            self.finish(number, if clean { ScanState::Completed } else { ScanState::CompletedWithFailures });
        }
    }

    /// Stops a scan: nothing of it starts any more, and what others want goes on for them.
    pub(super) fn cancel(&mut self, scan: &str) {
        if let Some(number) = self.numbers.get(scan).copied() {
            self.finish(number, ScanState::Cancelled);
        }
    }

    fn finish(&mut self, number: ScanNumber, state: ScanState) {
        let Some(scan) = self.scans.get(&number) else { return };
        let mut finished = ScanFinished { summary: Some(scan.summary()), ..ScanFinished::default() };
        finished.set_state(state);
        self.emit(number, Kind::Finished(finished));
        self.close(number, state);
    }

    /// Records a scan's end and forgets it.
    pub(super) fn close(&mut self, number: ScanNumber, state: ScanState) {
        let Some(mut scan) = self.scans.remove(&number) else { return };
        self.numbers.remove(&scan.id);
        self.lanes.leave(scan.lane, &scan.tenant, number);
        // In an order of their own: a table has none.
        let images = std::mem::take(&mut scan.images);
        self.abandon_images(number, images.into_iter().collect());
        self.bequeath(number);
        let own: BTreeSet<_> =
            self.works.values().filter(|work| work.scan == number).map(|work| work.key()).collect();
        for key in own {
            self.withdraw(&key);
        }
        let mut record = scan.scan();
        record.set_state(state);
        record.finished_unix_ms = self.now_ms;
        self.out.push(Command::UpdateScan(Box::new(record)));
    }
}
