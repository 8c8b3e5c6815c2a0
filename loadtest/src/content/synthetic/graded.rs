//! Graded content: nothing of a layer is kept but what it stands for; what all have in common is on the ladder.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use serde::Serialize;
use strata_proto::digest::Digest;

use super::{Build, Origin, Synthetic, lock};
use crate::content::{
    blob::LayerDescriptor,
    ladder::Ladder,
    layer::{Arch, LayerId, recipe},
    rope::Rope,
    tar,
};

/// What a registry holds, counted without its packages, so that it can be counted for any size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Census {
    /// Tags of all repositories.
    pub references: u64,
    /// Distinct images of linux on amd64.
    pub images: u64,
    /// Layers of all images, as often as an image has them.
    pub layer_references: u64,
    /// Distinct layers.
    pub distinct_layers: u64,
    /// Layers that more than a thousand images share.
    pub shared_by_thousands: u64,
    /// Stored bytes of the distinct layers.
    pub layer_bytes: u64,
    /// Stored bytes of the smallest and of the largest layer.
    pub smallest: u64,
    /// See there.
    pub largest: u64,
}

impl Synthetic {
    /// Makes every image's digest known, so that every HEAD is answered from memory, and counts what there is. Without
    /// signatures.
    ///
    /// # Errors
    /// When content cannot be made.
    pub fn warm(&self) -> io::Result<Census> {
        for repository in 0..self.plan.repositories {
            for build in 0..self.plan.builds() {
                self.published(Build { repository, build })?;
            }
        }
        self.count(|layer| self.describe(layer).map(|layer| layer.size))
    }

    /// Counts what there is and makes nothing: without the sizes of layers.
    #[must_use]
    pub fn census(&self) -> Census {
        self.count(|_| Ok(0)).unwrap_or_default()
    }

    fn count(&self, size: impl Fn(LayerId) -> io::Result<u64>) -> io::Result<Census> {
        let mut census = Census { smallest: u64::MAX, ..Census::default() };
        // How many images have a layer; of those that one repository has to itself it is enough to know them.
        let mut shared: HashMap<LayerId, u64> = HashMap::new();
        for repository in 0..self.plan.repositories {
            let mut own = HashSet::new();
            for build in 0..self.plan.builds() {
                census.images += 1;
                for layer in self.plan.layers(repository, build, Arch::Amd64) {
                    census.layer_references += 1;
                    let new = if is_own(layer) {
                        own.insert(layer)
                    } else {
                        let images = shared.entry(layer).or_default();
                        *images += 1;
                        *images == 1
                    };
                    if new {
                        census.add(size(layer)?);
                    }
                }
            }
            census.references += u64::from(self.plan.builds()) + 1;
        }
        census.shared_by_thousands = shared.values().filter(|images| **images > 1000).count() as u64;
        Ok(census)
    }

    /// Digests and size of a layer of graded content.
    pub(super) fn describe_graded(&self, layer: LayerId) -> io::Result<LayerDescriptor> {
        let described = self.ladder()?.describe(self.files(layer), &self.tail(layer)?)?;
        lock(&self.origins).insert(described.digest, Origin::Layer(layer));
        Ok(described)
    }

    /// Its bytes.
    pub(super) fn graded(&self, layer: LayerId) -> io::Result<Rope> {
        self.ladder()?.rope(self.files(layer), &self.tail(layer)?)
    }

    fn files(&self, layer: LayerId) -> usize {
        Ladder::files(self.plan.filler_bytes(layer))
    }

    fn tail(&self, layer: LayerId) -> io::Result<Vec<u8>> {
        let mut tail = Vec::with_capacity(8 << 10);
        tar::write(&recipe(&self.plan, layer).entries, &mut tail)?;
        Ok(tail)
    }

    fn ladder(&self) -> io::Result<&Ladder> {
        match self.ladder.get() {
            Some(ladder) => Ok(ladder),
            None => {
                let made = Ladder::new(self.plan.seed)?;
                Ok(self.ladder.get_or_init(|| made))
            }
        }
    }

    /// How many digests are known: this is what the registry's memory grows with.
    #[must_use]
    pub fn known_digests(&self) -> usize {
        lock(&self.origins).len()
    }

    /// The layer that a digest stands for, if it was asked for before.
    #[must_use]
    pub fn layer_of(&self, digest: &Digest) -> Option<LayerId> {
        match self.origin(digest)? {
            Origin::Layer(layer) => Some(layer),
            _ => None,
        }
    }
}

impl Census {
    fn add(&mut self, size: u64) {
        self.distinct_layers += 1;
        self.layer_bytes += size;
        self.smallest = self.smallest.min(size);
        self.largest = self.largest.max(size);
    }
}

/// Whether a layer belongs to one repository.
pub(super) const fn is_own(layer: LayerId) -> bool {
    matches!(layer, LayerId::Vendor { .. } | LayerId::App { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Plan, Store as _};

    #[test]
    fn sharing_and_sizes_are_as_in_a_real_registry() {
        let content = Synthetic::new(Plan { repositories: 60, ..Plan::graded(100_000) });
        let census = content.warm().expect("a census");
        assert_eq!((census.images, census.references), (600, 660));
        let each = census.layer_references as f64 / census.images as f64;
        assert!((9.5..11.5).contains(&each), "{each} layers an image");
        assert!(census.smallest < 8 << 10 && census.largest > 1 << 29, "{census:?}");
        assert!(census.distinct_layers < census.layer_references / 2, "{census:?}");
        assert_eq!(content.warm().expect("again"), census);
    }

    #[test]
    fn what_is_served_has_the_digest_that_was_said() {
        let content = Synthetic::new(Plan { repositories: 2, ..Plan::graded(1000) });
        let again = Synthetic::new(Plan { repositories: 2, ..Plan::graded(1000) });
        for repository in content.repositories(None, 10) {
            let manifest =
                content.manifest(&repository, "latest").expect("it can be made").expect("an image");
            let same = again.manifest(&repository, "latest").expect("it can be made").expect("an image");
            assert_eq!(manifest.digest, same.digest, "everything follows from the seed");
            let json: serde_json::Value = serde_json::from_slice(&manifest.bytes).expect("JSON");
            for layer in json["layers"].as_array().expect("layers") {
                let digest: Digest = layer["digest"].as_str().expect("a digest").parse().expect("a digest");
                let size = content.blob_size(&repository, &digest).expect("a size").expect("a blob");
                assert_eq!(Some(size), layer["size"].as_u64());
                if size < 32 << 20 {
                    let blob = content.blob(&repository, &digest).expect("bytes").expect("a blob");
                    assert_eq!((Digest::of(&blob.joined()), blob.len() as u64), (digest, size));
                }
            }
        }
    }
}
