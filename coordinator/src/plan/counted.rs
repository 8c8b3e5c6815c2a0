//! Layers that are counted, each once for a scan, across restarts of the coordinator too: a layer that was analysed for a scan is
//! in the scan's record from the moment its outcome counts, until an event has it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use strata_proto::{
    digest::Digest,
    subject::layer_of_job,
    v1::{Indexed, Outcome, outcome::Result as Answer},
};

use super::{Command, Plan, layer::LayerKey, pin::told, scan::Running, tally::Fate};

/// Analyses whose outcome came when no job waited for it, of workers that do not tell for whom it was. The scan that finds
/// the layer in the cache then has paid for it.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    layers: HashMap<Digest, Indexed>,
    order: VecDeque<Digest>,
}

impl Unclaimed {
    const MOST: usize = 10_000;

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

impl Plan {
    /// The outcome of a job that nobody waits for: late, repeated, of a scan that is gone, or of one that has not asked again
    /// after a restart. Of an analysis it is still to be counted that it was made, unless that was done.
    pub(super) fn unclaimed(&mut self, outcome: &Outcome) {
        let Some(Answer::Indexed(indexed)) = &outcome.result else { return };
        let Some(layer) = layer_of_job(&outcome.key) else { return };
        if !indexed.analysed {
            return;
        }
        let number = self.numbers.get(outcome.scan_id.as_str()).copied();
        match number.and_then(|number| self.scans.get_mut(&number)) {
            Some(scan) => {
                scan.note_analysed(layer.prefix(), indexed);
                if !scan.restoring {
                    self.out.push(Command::RecordScan(Arc::clone(&scan.id)));
                }
            }
            None if self.recent.contains(&LayerKey { digest: layer, analysis: told(outcome) }) => {}
            None => self.unclaimed.insert(layer, *indexed),
        }
    }
}

impl Running {
    /// Those of an image's layers of which its event has to tell that they were analysed.
    pub(super) fn tell(&mut self, layers: &[u64]) -> Vec<u64> {
        layers.iter().copied().filter(|layer| self.untold.remove(layer)).collect()
    }

    /// Counts the layers of an image that ended before a restart, `analysed` among them.
    pub(super) fn recount(&mut self, layers: &[u64], analysed: &[u64]) {
        for layer in analysed {
            self.untold.remove(layer);
            self.count_analysed(*layer);
        }
        for layer in layers {
            match self.layers.fate(*layer) {
                Some(Fate::Open) => self.layers.set(*layer, Fate::Reused),
                Some(_) => continue,
                None if self.layers.insert_before(*layer) => self.summary.distinct_layers += 1,
                None => continue,
            }
            self.summary.layers_reused += 1;
        }
    }

    /// Counts layers that an image had failed for want of before a restart.
    pub(super) fn recount_missing(&mut self, layers: &[u64]) {
        for layer in layers {
            if !self.layers.was_before(*layer) && self.layers.fate(*layer).is_none() {
                self.layers.set(*layer, Fate::Open);
                self.summary.distinct_layers += 1;
            }
        }
    }

    /// Counts a layer as analysed, whatever it counted as before; false when that was done.
    pub(super) fn count_analysed(&mut self, layer: u64) -> bool {
        let fate = self.layers.fate(layer);
        if fate == Some(Fate::Analysed) {
            return false;
        }
        self.layers.set(layer, Fate::Analysed);
        self.summary.layers_analysed += 1;
        match fate {
            Some(Fate::Open) => {}
            // No image named it since the last restart.
            None if self.layers.insert_before(layer) => self.summary.distinct_layers += 1,
            Some(Fate::Reused | Fate::Analysed) | None => self.reused_less(),
        }
        self.changed = true;
        true
    }

    fn reused_less(&mut self) {
        self.summary.layers_reused = self.summary.layers_reused.saturating_sub(1);
    }

    /// A layer was analysed for this scan.
    pub(super) fn note_analysed(&mut self, layer: u64, indexed: &Indexed) {
        if self.count_analysed(layer) {
            self.summary.bytes_read += indexed.bytes;
            self.untold.insert(layer);
        }
    }

    /// A layer that the scan waited for is there. What another scan had analysed is reuse for this one.
    pub(super) fn note_layer(&mut self, layer: Digest, indexed: &Indexed, own: bool) {
        let Some(fate) = self.layers.fate(layer.prefix()) else { return };
        if indexed.analysed && own {
            self.note_analysed(layer.prefix(), indexed);
        } else if fate == Fate::Open {
            self.summary.layers_reused += 1;
            self.layers.set(layer.prefix(), Fate::Reused);
        }
        self.changed = true;
    }
}
