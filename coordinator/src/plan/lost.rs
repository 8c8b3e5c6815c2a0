//! What the cache lost: inventories and facts that an image is assessed from, and reports on their way to the archive. They are
//! made again, a bounded number of times.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use strata_proto::{digest::Digest, v1::Missing};

use super::{
    Plan,
    image::Stage,
    later,
    layer::LayerKey,
    part::Part,
    work::{Key, Task},
};

impl Plan {
    /// The cache lost what the image is assessed from: do that again first.
    pub(super) fn missing(&mut self, key: &Key, missing: &Missing, by: Arc<str>) {
        let Some(Task::Assess(image_key)) = self.works.get(key).map(|work| work.task.clone()) else { return };
        let Some(image) = self.images.get_mut(&image_key) else { return };
        let gone: BTreeSet<Digest> = missing.layers.iter().filter_map(|text| text.parse().ok()).collect();
        let parts: BTreeMap<Digest, Part> = image
            .parts
            .iter()
            .filter(|part| gone.contains(&part.digest))
            .map(|part| (part.digest, part.clone()))
            .collect();
        if parts.is_empty() && !missing.image {
            let message = format!("the worker misses what image {} does not have", image_key.digest);
            return self.attempt_failed(key, later("malformed", message));
        }
        if image.analysis.is_empty() {
            // Who resolved it told of none.
            image.analysis = by;
        }
        let analysis = Arc::clone(&image.analysis);
        image.rounds += 1;
        let (rounds, reference) = (image.rounds, image.reference.clone());
        image.stage = Stage::Collecting;
        image.waiting = parts.keys().copied().collect();
        image.refreshing = missing.image;
        self.settle(key);
        if rounds > self.config.rounds {
            let message = format!("the cache lost what image {reference} is assessed from {rounds} times");
            return self.fail_image(&image_key, "cache-lost", &message);
        }
        let Some(number) = self.best_wanter(&image_key) else { return };
        for part in parts.values() {
            self.recent.remove(&LayerKey { digest: part.digest, analysis: Arc::clone(&analysis) });
            self.want_layer(number, &image_key, part, &reference);
        }
        if missing.image {
            self.make_refresh(&image_key);
        }
    }

    pub(super) fn lost(&mut self, store: u64) {
        let Some(store) = self.stores.remove(&store) else { return };
        let message =
            format!("the report of image {} was lost on its way to the archive", store.image.digest);
        if !store.fresh {
            for (number, references) in store.wanted_by {
                self.gone(number, &store.image, references, &message);
            }
            return;
        }
        let Some(image) = self.images.get_mut(&store.image) else { return };
        for (number, references) in store.wanted_by {
            if self.scans.contains_key(&number) {
                image.wanted_by.entry(number).or_default().extend(references);
            }
        }
        image.rounds += 1;
        image.stage = Stage::Collecting;
        if image.wanted_by.is_empty() {
            self.images.remove(&store.image);
        } else if image.rounds > self.config.rounds {
            self.fail_image(&store.image, "report-lost", &message);
        } else {
            self.advance(&store.image);
        }
    }
}
