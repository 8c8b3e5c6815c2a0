//! Images: each is one digest and platform, waits for its layers, is assessed once for all scans that want it at the
//! time, and gives its report to every reference that names it.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

use strata_proto::{
    digest::{BadDigest, Digest},
    reference::Reference,
    subject::key_of,
    v1::{AssessJob, Assessed, Lane, ResolvedImage, event::Kind, job::Verb},
};

use super::{
    Command, CopyOf, Plan, ScanNumber, StoreReport,
    basis::{Basis, Shared},
    flakes::Flakes,
    known::Found,
    layer::LayerKey,
    part::{Part, identity},
    reported::{Done, Reported, prefixes},
    scan::{self, Name},
    work::{Key, Task},
};

/// What makes two references the same image, and two scans share its report. Every table of an image that is under way has it,
/// so it is one pointer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ImageKey(Arc<ImageName>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ImageName {
    pub(super) digest: Digest,
    pub(super) platform: Arc<str>,
    pub(super) basis: Basis,
    /// Digest and platform as a scan remembers them once the image has ended.
    pub(super) name: Name,
}

impl Hash for ImageName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Deref for ImageKey {
    type Target = ImageName;

    fn deref(&self) -> &ImageName {
        &self.0
    }
}

type Wanted = BTreeMap<ScanNumber, Vec<Box<str>>>;

/// An image without a report yet.
pub(super) struct Image {
    /// Lowest first; a layer may occur twice.
    pub(super) parts: Vec<Part>,
    /// Where it can be read.
    pub(super) reference: Box<str>,
    /// The analysis that it is pinned to; empty: any.
    pub(super) analysis: Arc<str>,
    /// Layers without an inventory of that analysis.
    pub(super) waiting: BTreeSet<Digest>,
    /// Whether its facts are being resolved again.
    pub(super) refreshing: bool,
    /// Whether that is to pin it to another analysis, and how often it was.
    pub(super) pinning: bool,
    pub(super) pins: u32,
    pub(super) wanted_by: Wanted,
    /// How often its inputs vanished, or its report.
    pub(super) rounds: u32,
    /// Its assess and refresh jobs, also those that ended.
    jobs: Vec<Key>,
    /// What its jobs failed.
    pub(super) flakes: Flakes,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Collecting,
    Assessing,
    Storing,
}

/// A report on its way into the archive.
pub(super) struct Store {
    pub(super) image: ImageKey,
    report: Box<Reported>,
    pub(super) wanted_by: Wanted,
    /// False when the report is the archive's, or a copy of one of its reports.
    pub(super) fresh: bool,
}

/// Where a report comes from.
pub(super) enum Origin {
    /// The archive has it: it gets further references.
    Archive,
    /// A worker put it down there.
    Parcel(String),
    /// Another report of the archive says the same.
    Copy(CopyOf),
}

impl ImageKey {
    pub(super) fn new(digest: Digest, platform: Arc<str>, basis: Basis) -> Self {
        let name = scan::name(&[&digest.bytes(), platform.as_bytes()].concat());
        Self(Arc::new(ImageName { digest, platform, basis, name }))
    }

    /// The key of an image whose every digest is well-formed, and what tells its layers apart.
    pub(super) fn of(
        image: &ResolvedImage,
        basis: &Basis,
        platforms: &mut Shared,
    ) -> Result<(Self, Vec<Digest>), String> {
        let layers: Result<Vec<Digest>, _> = image.layers.iter().map(identity).collect();
        let layers = layers.map_err(|error| error.to_string())?;
        let digest = image.image_digest.parse().map_err(|error: BadDigest| error.to_string())?;
        let platform = platforms.of(&image.platform);
        Ok((Self::new(digest, platform, basis.clone()), layers))
    }
}

impl Image {
    /// Nothing that was gathered counts any more; the image is resolved again, and pinned to who does that.
    pub(super) fn collect_again(&mut self) {
        self.stage = Stage::Collecting;
        (self.refreshing, self.pinning) = (true, true);
    }

    /// The image's reference with its digest, so that a tag that moves does not change what is meant.
    pub(super) fn pinned(&self, key: &ImageKey) -> String {
        match self.reference.parse::<Reference>() {
            Ok(mut reference) if !self.reference.contains(":/") => {
                reference.digest = Some(key.digest);
                reference.to_string()
            }
            _ => self.reference.to_string(),
        }
    }
}

impl Plan {
    /// A reference of a scan is this image.
    pub(super) fn attach(
        &mut self,
        number: ScanNumber,
        Found { reference, key, image: found, layers }: Found,
        analysis: &Arc<str>,
    ) {
        let Some(scan) = self.scans.get_mut(&number) else { return };
        match scan.done.get(&key.name) {
            Some(Done::Failed(failure)) => {
                let failure = failure.clone();
                return self.fail(number, vec![reference.into()], &failure.0, &failure.1);
            }
            Some(Done::Reported(kept)) => {
                let report = Box::new(kept.report());
                return self.store(key, report, Origin::Archive, [(number, vec![reference])].into());
            }
            None => {}
        }
        scan.images.insert(key.clone());
        let parts: Vec<Part> = found
            .layers
            .into_iter()
            .zip(layers)
            .map(|(layer, digest)| {
                let of = LayerKey { digest, analysis: Arc::clone(analysis) };
                let cached = layer.cached || self.recent.contains(&of);
                let media_type = self.media_types.of(&layer.media_type);
                Part::new(layer, digest, media_type, cached)
            })
            .collect();
        // What an image does not wait for is there, however old the answer is that brought it.
        let waiting = self.images.get(&key).map(|image| &image.waiting);
        for part in &parts {
            let there = waiting.is_some_and(|waiting| !waiting.contains(&part.digest));
            scan.note_wanted(part.digest, part.cached || there, &mut self.unclaimed);
        }
        if let Some(image) = self.images.get_mut(&key) {
            image.wanted_by.entry(number).or_default().push(reference);
            self.promote_image(&key, number);
            return;
        }
        let waiting: BTreeMap<Digest, Part> =
            parts.iter().filter(|part| !part.cached).map(|part| (part.digest, part.clone())).collect();
        let image = Image {
            parts,
            reference: reference.clone(),
            analysis: Arc::clone(analysis),
            waiting: waiting.keys().copied().collect(),
            refreshing: false,
            pinning: false,
            pins: 0,
            wanted_by: [(number, vec![reference.clone()])].into(),
            rounds: 0,
            jobs: Vec::new(),
            flakes: Flakes::default(),
            stage: Stage::Collecting,
        };
        self.images.insert(key.clone(), image);
        for part in waiting.values() {
            self.want_layer(number, &key, part, &reference);
        }
        self.advance(&key);
    }

    /// What an image still needs must not wait behind a sweep when an interactive scan wants it too.
    fn promote_image(&mut self, key: &ImageKey, number: ScanNumber) {
        let Some(image) = self.images.get(key) else { return };
        let layers: Vec<_> =
            image.parts.iter().filter(|part| image.waiting.contains(&part.digest)).cloned().collect();
        let reference = image.reference.clone();
        for part in layers {
            self.want_layer(number, key, &part, &reference);
        }
        for work in self.jobs_of(key) {
            self.promote(&work, number);
        }
    }

    /// The assess or refresh job of an image.
    fn jobs_of(&self, key: &ImageKey) -> Vec<Key> {
        let Some(image) = self.images.get(key) else { return Vec::new() };
        let of_image = |task: &Task| matches!(task, Task::Assess(of) | Task::Refresh(of) if of == key);
        let runs = |job: &&Key| self.works.get(*job).is_some_and(|work| of_image(&work.task));
        image.jobs.iter().filter(runs).cloned().collect()
    }

    /// An image has another job.
    pub(super) fn note_job(&mut self, key: &ImageKey, job: Option<Key>) {
        if let Some(image) = self.images.get_mut(key) {
            image.jobs.extend(job);
        }
    }

    /// The scan to which an image's jobs belong: one that may not wait, else the oldest.
    pub(super) fn best_wanter(&self, key: &ImageKey) -> Option<ScanNumber> {
        let wanting = self.images.get(key)?.wanted_by.keys().copied();
        let waits =
            |number: &ScanNumber| self.scans.get(number).is_none_or(|scan| scan.lane != Lane::Interactive);
        wanting.min_by_key(|number| (waits(number), *number))
    }

    /// Assesses an image that has all it needs.
    pub(super) fn advance(&mut self, key: &ImageKey) {
        let Some(image) = self.images.get(key) else { return };
        if image.stage != Stage::Collecting || image.refreshing || !image.waiting.is_empty() {
            return;
        }
        let Some(number) = self.best_wanter(key) else { return };
        let Some(scan) = self.scans.get(&number) else { return };
        let digest = key.digest.to_string();
        let rounds = image.rounds.to_string();
        let id = key_of(&["assess", &scan.id, &digest, &key.platform, &rounds, &image.analysis]);
        let verb = Verb::Assess(AssessJob {
            image_digest: digest,
            platform: key.platform.to_string(),
            layers: image.parts.iter().map(|part| part.digest.to_string()).collect(),
            database_digest: key.basis.database.to_string(),
            attached_vex: key.basis.attached_vex,
            // Not pinned: through an index it is the index's documents that count too. The worker looks where it leads.
            reference: image.reference.to_string(),
            options: Some(scan.options()),
        });
        let job = self.make(number, id, verb, Task::Assess(key.clone()));
        self.note_job(key, job);
        if let Some(image) = self.images.get_mut(key) {
            image.stage = Stage::Assessing;
        }
    }

    pub(super) fn assessed(&mut self, key: &Key, assessed: Assessed) {
        let Some(Task::Assess(key)) = self.settle(key).map(|work| work.task) else { return };
        let Some(image) = self.images.get_mut(&key) else { return };
        image.stage = Stage::Storing;
        let wanted_by = std::mem::take(&mut image.wanted_by);
        let parcel = assessed.parcel.clone();
        let modified = self.modified.of(&assessed.database_modified);
        let report = Reported::fresh(assessed, modified, image.parts.iter().map(|part| part.digest));
        self.store(key, Box::new(report), Origin::Parcel(parcel), wanted_by);
    }

    pub(super) fn store(
        &mut self,
        image: ImageKey,
        report: Box<Reported>,
        origin: Origin,
        wanted_by: Wanted,
    ) {
        let (parcel, copy_of) = match origin {
            Origin::Archive => (None, None),
            Origin::Parcel(name) => (Some(name), None),
            Origin::Copy(of) => (None, Some(of)),
        };
        self.next_store += 1;
        let fresh = parcel.is_some();
        let texts = |references: &Vec<Box<str>>| references.iter().map(|text| text.to_string()).collect();
        let names = wanted_by
            .iter()
            .filter_map(|(number, references)| {
                Some((self.scans.get(number)?.id.to_string(), texts(references)))
            })
            .collect();
        self.out.push(Command::StoreReport(StoreReport {
            store: self.next_store,
            image: image.digest.to_string(),
            report_id: report.report_id.to_string(),
            parcel,
            copy_of,
            wanted_by: names,
        }));
        self.stores.insert(self.next_store, Store { image, report, wanted_by, fresh });
    }

    pub(super) fn stored(&mut self, store: u64) {
        let Some(store) = self.stores.remove(&store) else { return };
        for (number, references) in store.wanted_by {
            self.report(number, &store.image, references, &store.report);
        }
        if store.fresh
            && let Some(image) = self.images.remove(&store.image)
            && !image.wanted_by.is_empty()
        {
            // These came while the report was being archived.
            self.store(store.image, store.report, Origin::Archive, image.wanted_by);
        }
    }

    fn report(&mut self, number: ScanNumber, key: &ImageKey, references: Vec<Box<str>>, report: &Reported) {
        self.touched.insert(number);
        let Some(scan) = self.scans.get_mut(&number) else { return };
        scan.note_reported(references.len(), key, report);
        let analysed = scan.tell(&report.layers);
        self.emit(number, Kind::Reported(report.event(key, references, analysed)));
    }

    /// An image fails in every scan that wants it.
    pub(super) fn fail_image(&mut self, key: &ImageKey, code: &str, message: &str) {
        let Some(image) = self.drop_image(key) else { return };
        let layers = prefixes(image.parts.iter().map(|part| part.digest));
        for (number, references) in image.wanted_by {
            if let Some(scan) = self.scans.get_mut(&number) {
                scan.images.remove(key);
                let failure = Box::new((code.to_owned(), message.to_owned()));
                scan.done.insert(key.name, Done::Failed(failure));
            }
            self.fail_with(number, references.into_iter().map(Into::into).collect(), &layers, code, message);
        }
    }

    /// Forgets an image and withdraws what only it wanted.
    fn drop_image(&mut self, key: &ImageKey) -> Option<Image> {
        for work in self.jobs_of(key) {
            self.withdraw(&work);
        }
        let image = self.images.remove(key)?;
        self.unwant_layers(key, &image.analysis, &image.waiting);
        Some(image)
    }

    /// A scan does not want its images any more.
    pub(super) fn abandon_images(&mut self, number: ScanNumber, keys: BTreeSet<ImageKey>) {
        for key in &keys {
            let Some(image) = self.images.get_mut(key) else { continue };
            image.wanted_by.remove(&number);
            if image.wanted_by.is_empty() && image.stage != Stage::Storing {
                self.drop_image(key);
            }
        }
    }
}
