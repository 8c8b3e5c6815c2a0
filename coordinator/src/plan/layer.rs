//! Layers: one index job for each distinct layer without an inventory, whoever wants it.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use strata_proto::{
    digest::Digest,
    reference::Reference,
    subject::index_job_key,
    v1::{Failure, IndexJob, Indexed, SourceOptions, job::Verb},
};

use super::{
    Command, Plan, ScanNumber,
    image::ImageKey,
    part::Part,
    resolve::words,
    work::{Key, Task},
};

/// A layer as one analysis reads it: workers with another one have inventories of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LayerKey {
    /// [`Part::digest`].
    pub(super) digest: Digest,
    /// Empty where it is not told which.
    pub(super) analysis: Arc<str>,
}

/// A layer that is being indexed.
#[derive(Default)]
pub(super) struct Layer {
    /// Images that wait for it.
    images: BTreeSet<ImageKey>,
    key: Option<Key>,
    /// `host/repository` of every place where it could not be had.
    tried: BTreeSet<String>,
}

impl Layer {
    /// Images that wait for it.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &ImageKey> {
        self.images.iter()
    }
}

/// Layers that were indexed lately: an answer of *resolve* may be older than the inventory. Only membership is asked of
/// the set; the queue bounds it.
#[derive(Default)]
pub(super) struct Recent {
    set: HashSet<LayerKey>,
    order: VecDeque<LayerKey>,
}

impl Recent {
    /// Minutes of a large cluster: an answer is not older.
    const MOST: usize = 50_000;

    pub(super) fn insert(&mut self, layer: LayerKey) {
        if self.set.insert(layer.clone()) {
            self.order.push_back(layer);
        }
        while self.order.len() > Self::MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.set.remove(&oldest);
            }
        }
    }

    pub(super) fn contains(&self, layer: &LayerKey) -> bool {
        self.set.contains(layer)
    }

    pub(super) fn remove(&mut self, layer: &LayerKey) {
        if self.set.remove(layer) {
            self.order.retain(|other| other != layer);
        }
    }
}

impl Plan {
    /// An image wants a layer that has no inventory.
    pub(super) fn want_layer(&mut self, number: ScanNumber, image: &ImageKey, part: &Part, reference: &str) {
        let Some(analysis) = self.images.get(image).map(|image| Arc::clone(&image.analysis)) else { return };
        let key = LayerKey { digest: part.digest, analysis };
        let layer = self.layers.entry(key.clone()).or_default();
        layer.images.insert(image.clone());
        match layer.key.clone() {
            Some(job) => self.promote(&job, number),
            None => self.make_index(number, key, part, reference),
        }
    }

    fn make_index(&mut self, number: ScanNumber, layer: LayerKey, part: &Part, reference: &str) {
        let options: Option<SourceOptions> = self.scans.get(&number).map(|scan| scan.options());
        let key = index_job_key(&layer.digest, &layer.analysis);
        let verb = Verb::Index(IndexJob {
            digest: part.blob().to_string(),
            size: part.size,
            media_type: part.media_type.to_string(),
            reference: reference.to_owned(),
            options,
            table: part.table().cloned(),
        });
        let key = self.make(number, key, verb, Task::Index(layer.clone()));
        if let Some(layer) = self.layers.get_mut(&layer) {
            layer.key = key;
        }
    }

    pub(super) fn indexed(&mut self, key: &Key, indexed: &Indexed) {
        let Some(work) = self.settle(key) else { return };
        let Task::Index(of) = work.task else { return };
        let digest = of.digest;
        let found = self.layers.remove(&of);
        self.recent.insert(of);
        let Some(layer) = found else { return };
        let mut wanting = BTreeSet::new();
        for key in &layer.images {
            if let Some(image) = self.images.get_mut(key) {
                image.waiting.remove(&digest);
                wanting.extend(image.wanted_by.keys().copied());
            }
        }
        for number in wanting {
            let own = number == work.scan;
            if let Some(scan) = self.scans.get_mut(&number) {
                scan.note_layer(digest, indexed, own);
                if own && indexed.analysed && !scan.restoring {
                    // In the same step as the outcome: no event tells of it after a restart.
                    self.out.push(Command::RecordScan(Arc::clone(&scan.id)));
                }
            }
        }
        for key in &layer.images {
            self.advance(key);
        }
    }

    /// No attempt at a layer is left. What is wrong with its bytes is wrong everywhere; what is wrong with the place where
    /// it was looked for may be right at another image's.
    pub(super) fn index_failed(&mut self, of: &LayerKey, reference: &str, failure: &Failure) {
        let Some(mut layer) = self.layers.remove(of) else { return };
        let digest = of.digest;
        let everywhere = matches!(failure.code.as_str(), "malformed" | "limit" | "poison" | "unsupported");
        layer.tried.insert(place_of(reference));
        layer.key = None;
        let (others, failed): (BTreeSet<_>, BTreeSet<_>) = std::mem::take(&mut layer.images)
            .into_iter()
            .filter(|key| self.images.contains_key(key))
            .partition(|key| {
                let place = self.images.get(key).map(|image| place_of(&image.reference));
                !everywhere && place.is_some_and(|place| !layer.tried.contains(&place))
            });
        if !others.is_empty() {
            layer.images = others.clone();
            self.layers.insert(of.clone(), layer);
            self.index_elsewhere(of, &others);
        }
        for key in failed {
            let image = self.images.get(&key);
            let reference = image.map(|image| image.reference.to_string()).unwrap_or_default();
            let part = image.and_then(|image| image.parts.iter().find(|part| part.digest == digest));
            let blob = part.map_or(digest, Part::blob);
            let message = format!("layer {blob} of image {reference}: {}", words(failure));
            self.fail_image(&key, &failure.code, &message);
        }
    }

    fn index_elsewhere(&mut self, of: &LayerKey, images: &BTreeSet<ImageKey>) {
        for key in images {
            let Some(number) = self.best_wanter(key) else { continue };
            let Some(image) = self.images.get(key) else { continue };
            let part = image.parts.iter().find(|part| part.digest == of.digest).cloned();
            let Some(part) = part else { continue };
            let reference = image.reference.to_string();
            self.make_index(number, of.clone(), &part, &reference);
            return;
        }
    }

    /// An image does not want its layers any more, as this analysis reads them.
    pub(super) fn unwant_layers(
        &mut self,
        image: &ImageKey,
        analysis: &Arc<str>,
        waiting: &BTreeSet<Digest>,
    ) {
        for digest in waiting {
            let of = LayerKey { digest: *digest, analysis: Arc::clone(analysis) };
            let Some(layer) = self.layers.get_mut(&of) else { continue };
            layer.images.remove(image);
            let Some(key) = layer.key.clone() else { continue };
            if layer.images.is_empty() {
                self.layers.remove(&of);
                self.withdraw(&key);
            }
        }
    }

    /// The images that wait for a layer's job, each with the scan that it is traced in: those of the job's own scan first.
    pub(crate) fn waiting_for(&self, job: &str) -> Vec<(String, String)> {
        let Some(work) = self.works.get(job) else { return Vec::new() };
        let Task::Index(of) = &work.task else { return Vec::new() };
        let images = self.layers.get(of).into_iter().flat_map(|layer| &layer.images);
        let mut waiting: Vec<(bool, String, String)> = images
            .filter_map(|key| {
                let number = self.best_wanter(key)?;
                let scan = self.scans.get(&number)?;
                Some((number != work.scan, scan.id.to_string(), key.digest.to_string()))
            })
            .collect();
        waiting.sort();
        waiting.into_iter().map(|(_, scan, image)| (scan, image)).collect()
    }

    /// Gives the jobs of a scan that ends to others that want the same.
    pub(super) fn bequeath(&mut self, from: ScanNumber) {
        let mut heirs: BTreeMap<Key, ScanNumber> = BTreeMap::new();
        for (key, work) in &self.works {
            if work.scan != from {
                continue;
            }
            let heir = match &work.task {
                Task::Index(of) => self
                    .layers
                    .get(of)
                    .and_then(|layer| layer.images.iter().filter_map(|image| self.best_wanter(image)).next()),
                Task::Assess(image) | Task::Refresh(image) => self.best_wanter(image),
                Task::List { .. } | Task::Resolve { .. } => None,
            };
            if let Some(heir) = heir {
                heirs.insert(Arc::clone(key), heir);
            }
        }
        for (key, heir) in heirs {
            self.hand_over(&key, heir);
        }
    }
}

/// `host/repository`, or the whole text of what is no registry reference.
fn place_of(reference: &str) -> String {
    reference.parse::<Reference>().map_or_else(
        |_| reference.to_owned(),
        |reference| format!("{}/{}", reference.host, reference.repository),
    )
}
