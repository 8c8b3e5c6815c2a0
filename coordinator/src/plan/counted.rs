//! Layers that are counted across a restart of the coordinator.

use std::collections::{HashMap, HashSet, VecDeque};

use strata_proto::{
    digest::Digest,
    v1::{Indexed, Outcome, outcome::Result as Answer},
};

use super::{
    layer::Recent,
    scan::{Fate, Running},
};

/// What a scan had counted before a restart.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Layers of the images that were reported, by the beginnings of their digests. Only membership is asked.
    pub(super) layers: HashSet<u64>,
    /// How many layers had been analysed: among those that are found in the cache now.
    pub(super) analysed: u64,
}

/// Analyses whose outcome came when no job waited for it: while a scan that goes on after a restart had not asked for the
/// layer again. The scan that finds the layer in the cache then has paid for it.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    layers: HashMap<Digest, Indexed>,
    order: VecDeque<Digest>,
}

impl Unclaimed {
    const MOST: usize = 10_000;

    /// Takes the outcome of an analysis in, and no other; not again what was counted when it came first.
    pub(super) fn note(&mut self, outcome: &Outcome, counted: &Recent) {
        if let Some(Answer::Indexed(indexed)) = &outcome.result
            && indexed.analysed
            && let Ok(layer) = format!("sha256:{}", outcome.key).parse()
            && !counted.contains(&layer)
        {
            self.insert(layer, *indexed);
        }
    }

    fn insert(&mut self, layer: Digest, indexed: Indexed) {
        if self.layers.insert(layer, indexed).is_none() {
            self.order.push_back(layer);
        }
        while self.order.len() > Self::MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.layers.remove(&oldest);
            }
        }
    }

    pub(super) fn take(&mut self, layer: &Digest) -> Option<Indexed> {
        self.layers.remove(layer)
    }
}

impl Running {
    /// Counts the layers of an image that was reported before a restart, as found: which of them were analysed, the saved
    /// summary says.
    pub(super) fn recount(&mut self, layers: &[u64]) {
        for layer in layers {
            if self.before.layers.insert(*layer) {
                self.summary.distinct_layers += 1;
                self.summary.layers_reused += 1;
            }
        }
    }

    /// A layer that the scan waited for is there. What another scan had analysed is reuse for this one.
    pub(super) fn note_layer(&mut self, layer: Digest, indexed: &Indexed, own: bool) {
        let Some(fate) = self.layers.get_mut(&layer.prefix()) else { return };
        if indexed.analysed && own {
            self.summary.layers_analysed += 1;
            self.summary.bytes_read += indexed.bytes;
            if *fate == Fate::Reused {
                self.summary.layers_reused = self.summary.layers_reused.saturating_sub(1);
            }
            *fate = Fate::Analysed;
        } else if *fate == Fate::Open {
            self.summary.layers_reused += 1;
            *fate = Fate::Reused;
        }
        self.changed = true;
    }
}
