//! Workers of several analyses beside each other, as during an upgrade. Each keeps inventories of its own, so an image is pinned
//! to the analysis of the worker that resolved it: its layers are indexed and it is assessed by workers of that analysis. One of
//! another leaves the job to others, which counts as no attempt. A job that nobody takes although it is offered again and again is
//! one whose workers are gone: its images are resolved once more, and pinned to who does that.
//!
//! A worker that tells of no analysis heeds no pin either. What it resolves is pinned to none; what it answers to a job that
//! is pinned counts only where any worker's answer would do.

use std::{collections::BTreeMap, sync::Arc};

use strata_proto::{
    digest::Digest,
    subject::{OTHER_ANALYSIS, is_analysis},
    v1::{Outcome, ResolvedImage, outcome::Result as Answer},
};

use super::{
    Plan, State,
    image::ImageKey,
    layer::LayerKey,
    part::{Part, identity},
    retry::spread,
    work::{Key, Task, Work},
};

/// First pause before a job is offered again, and the longest, in milliseconds.
const FIRST_MS: u64 = 100;
const LONGEST_MS: u64 = 1_000;
/// How often an image is pinned anew before it fails: that it is at all means that an analysis is going.
const PINS: u32 = 100;

/// What a worker tells of its analysis; empty where it tells nothing, or nothing that could be one.
pub(super) fn told(outcome: &Outcome) -> Arc<str> {
    if is_analysis(&outcome.analysis) { outcome.analysis.as_str().into() } else { "".into() }
}

/// Whether an answer says something of another analysis than the one that the job is for.
pub(super) fn is_strange(work: &Work, outcome: &Outcome) -> bool {
    let pinned = !work.job.analysis.is_empty() && outcome.analysis != work.job.analysis;
    pinned
        && outcome.wire_version == strata_proto::WIRE_VERSION
        && matches!(outcome.result, Some(Answer::Indexed(_) | Answer::Missing(_)))
}

impl Plan {
    /// The analysis that a job is for.
    pub(super) fn analysis_of(&self, task: &Task) -> Arc<str> {
        let analysis = match task {
            Task::Index(layer) => Some(&layer.analysis),
            Task::Assess(image) => self.images.get(image).map(|image| &image.analysis),
            Task::List { .. } | Task::Resolve { .. } | Task::Refresh(_) => None,
        };
        analysis.map_or_else(|| "".into(), Arc::clone)
    }

    /// A job came to a worker that it is not for: it is offered again soon.
    pub(super) fn strayed(&mut self, key: &Key) {
        let Some(work) = self.works.get_mut(key) else { return };
        work.strays = work.strays.saturating_add(1);
        if work.strays > self.config.strays {
            return self.nobody_takes(key);
        }
        if work.state == State::Published {
            self.lanes.lane(work.job.lane()).vacate(work.parts);
        }
        work.state = State::Waiting;
        let doubled = FIRST_MS.saturating_mul(1 << (work.strays - 1).min(30)).min(LONGEST_MS);
        let pause = spread(key, work.strays, doubled);
        self.set_timer(key, pause);
    }

    fn nobody_takes(&mut self, key: &Key) {
        let Some(work) = self.settle(key) else { return };
        let images = match work.task {
            Task::Index(layer) => match self.layers.remove(&layer) {
                Some(layer) => layer.waiting().cloned().collect(),
                None => Vec::new(),
            },
            Task::Assess(image) => vec![image],
            Task::List { .. } | Task::Resolve { .. } | Task::Refresh(_) => Vec::new(),
        };
        for image in images {
            self.resolve_anew(&image);
        }
    }

    /// Resolves an image again, to pin it to the analysis of who does that.
    fn resolve_anew(&mut self, key: &ImageKey) {
        let Some(image) = self.images.get_mut(key) else { return };
        image.pins = image.pins.saturating_add(1);
        if image.pins > PINS {
            let message =
                format!("no worker stays that reads image {} as the one that resolved it", image.reference);
            return self.fail_image(key, OTHER_ANALYSIS, &message);
        }
        let waiting = std::mem::take(&mut image.waiting);
        let (analysis, refreshing) = (Arc::clone(&image.analysis), image.refreshing);
        image.collect_again();
        self.unwant_layers(key, &analysis, &waiting);
        if !refreshing {
            self.make_refresh(key);
        }
    }

    /// An image was resolved again by a worker of this analysis, and waits for what that one lacks.
    pub(super) fn pin(&mut self, key: &ImageKey, found: &ResolvedImage, analysis: &Arc<str>) {
        let Some(image) = self.images.get_mut(key) else { return };
        let waiting = std::mem::take(&mut image.waiting);
        let before = std::mem::replace(&mut image.analysis, Arc::clone(analysis));
        image.pinning = false;
        let reference = image.reference.clone();
        let layers = found.layers.iter().filter_map(|layer| Some((identity(layer).ok()?, layer.cached)));
        let cached: BTreeMap<Digest, bool> = layers.collect();
        let there = |digest: Digest| {
            let of = LayerKey { digest, analysis: Arc::clone(analysis) };
            cached.get(&digest).copied().unwrap_or(false) || self.recent.contains(&of)
        };
        let parts: Vec<(Part, bool)> =
            image.parts.iter().map(|part| (part.clone(), there(part.digest))).collect();
        let lacking: BTreeMap<Digest, &Part> =
            parts.iter().filter(|(_, there)| !there).map(|(part, _)| (part.digest, part)).collect();
        image.waiting = lacking.keys().copied().collect();
        for number in image.wanted_by.keys() {
            let Some(scan) = self.scans.get_mut(number) else { continue };
            for (part, there) in &parts {
                scan.note_wanted(part.digest, *there, &mut self.unclaimed);
            }
        }
        self.unwant_layers(key, &before, &waiting);
        let Some(number) = self.best_wanter(key) else { return };
        for part in lacking.values() {
            self.want_layer(number, key, part, &reference);
        }
    }
}
