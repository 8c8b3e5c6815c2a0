//! Layers and bytes of two images.

use std::collections::BTreeSet;

use serde::Serialize;
use strata_proto::v1::{Layer, Report};

/// Bytes of both images.
#[derive(Debug, Serialize)]
pub struct Sizes {
    /// As stored and transferred: the sum over the layers of the manifest; of a docker-archive, what the file holds.
    pub compressed: Change,
    /// Unpacked: the sum of the layers' tars.
    pub uncompressed: Change,
}

/// A number before and after; null where a part of it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Of the first image.
    pub before: Option<u64>,
    /// Of the second one.
    pub after: Option<u64>,
}

/// Layers by their uncompressed digests, in the images' order.
#[derive(Debug, Serialize)]
pub struct Layers {
    /// In both.
    pub shared: Vec<Part>,
    /// Only in the first.
    pub removed: Vec<Part>,
    /// Only in the second.
    pub added: Vec<Part>,
}

/// One layer.
#[derive(Debug, Serialize)]
pub struct Part {
    /// Index in its image, lowest is 0.
    index: usize,
    digest: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    diff_id: String,
    /// Bytes as stored; null when not known.
    pub size: Option<u64>,
    /// Bytes of its tar; null when not known.
    pub uncompressed_size: Option<u64>,
    /// The build step.
    pub created_by: String,
}

impl Sizes {
    /// The sums.
    #[must_use]
    pub fn new(before: &Report, after: &Report) -> Self {
        let change = |of: fn(&Layer) -> u64| Change { before: sum(before, of), after: sum(after, of) };
        Self { compressed: change(|layer| layer.size), uncompressed: change(|layer| layer.uncompressed_size) }
    }
}

/// `None` where a layer's bytes are not known: a sum of the others would be too small.
fn sum(report: &Report, of: fn(&Layer) -> u64) -> Option<u64> {
    report.layers.iter().try_fold(0_u64, |sum, layer| sum.checked_add(known(of(layer))?))
}

fn known(size: u64) -> Option<u64> {
    Some(size).filter(|size| *size > 0)
}

impl Layers {
    /// Which layers the images share. A layer that an image has twice is told once.
    #[must_use]
    pub fn new(before: &Report, after: &Report) -> Self {
        let (old, new): (BTreeSet<&str>, BTreeSet<&str>) =
            (before.layers.iter().map(name).collect(), after.layers.iter().map(name).collect());
        let parts = |report: &Report, wanted: &dyn Fn(&str) -> bool| {
            let mut seen = BTreeSet::new();
            let layers = report.layers.iter().enumerate();
            let layers = layers.filter(|(_, layer)| wanted(name(layer)));
            layers.filter(|(_, layer)| seen.insert(name(layer).to_owned())).map(part).collect()
        };
        Self {
            shared: parts(after, &|name| old.contains(name)),
            removed: parts(before, &|name| !new.contains(name)),
            added: parts(after, &|name| !old.contains(name)),
        }
    }
}

/// The same content may be compressed in two ways.
fn name(layer: &Layer) -> &str {
    if layer.diff_id.is_empty() { &layer.digest } else { &layer.diff_id }
}

fn part((index, layer): (usize, &Layer)) -> Part {
    Part {
        index,
        digest: layer.digest.clone(),
        diff_id: layer.diff_id.clone(),
        size: known(layer.size),
        uncompressed_size: known(layer.uncompressed_size),
        created_by: layer.created_by.clone(),
    }
}

impl Part {
    /// The digest by which people know it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
