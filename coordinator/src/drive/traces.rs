//! A trace for each image: its jobs are sent off in it, its report is archived in it, and its root is recorded when it is
//! done. Layers that several images wait for are fetched in the trace of one, and linked to the others.

use std::{collections::BTreeMap, time::SystemTime};

use strata_proto::{
    trace::{TraceHeaders, image},
    v1::{Job, job::Verb},
};

use super::live::LiveTable;
use crate::plan::{Plan, StoreReport};

/// Images whose beginnings are kept; those beyond begin when they end.
const MOST: usize = 100_000;

/// When the images of each scan began.
#[derive(Default)]
pub(super) struct Traces(BTreeMap<String, BTreeMap<String, SystemTime>>);

impl Traces {
    /// The headers of a job.
    pub(super) fn of_job(&mut self, plan: &Plan, live: &LiveTable, job: &Job) -> TraceHeaders {
        let scan_trace = live.trace(&job.scan_id);
        if scan_trace.0.is_empty() {
            return scan_trace;
        }
        match &job.verb {
            Some(Verb::Assess(assess)) => {
                self.begin(&job.scan_id, &assess.image_digest);
                image::context(&scan_trace, &job.scan_id, &assess.image_digest)
            }
            Some(Verb::Index(_)) => {
                let waiting = plan.waiting_for(&job.key);
                let mut contexts = waiting.iter().map(|(scan, digest)| {
                    self.begin(scan, digest);
                    image::context(&scan_trace, scan, digest)
                });
                match contexts.next() {
                    Some(first) => image::with_links(first, &contexts.collect::<Vec<_>>()),
                    None => scan_trace,
                }
            }
            _ => scan_trace,
        }
    }

    fn begin(&mut self, scan: &str, digest: &str) {
        if self.0.values().map(BTreeMap::len).sum::<usize>() < MOST {
            let images = self.0.entry(scan.to_owned()).or_default();
            images.entry(digest.to_owned()).or_insert_with(SystemTime::now);
        }
    }

    /// A layer has come: each image that waited for it is told where it was fetched.
    pub(super) fn layer_came(plan: &Plan, live: &LiveTable, job: &str, fetched: &TraceHeaders) {
        if fetched.0.is_empty() {
            return;
        }
        // The first one's is the trace in which it was fetched.
        for (scan, digest) in plan.waiting_for(job).into_iter().skip(1) {
            let own = image::context(&live.trace(&scan), &scan, &digest);
            let about = [("scan", scan.as_str()), ("image", &digest), ("key", job)];
            image::step("layer", &own, SystemTime::now(), std::slice::from_ref(fetched), &about);
        }
    }

    /// A report is in the archive: the image ends in every scan that wanted it.
    pub(super) fn archived(&mut self, live: &LiveTable, store: &StoreReport, started: SystemTime) {
        let contexts: Vec<TraceHeaders> = store
            .wanted_by
            .iter()
            .map(|(scan, _)| image::context(&live.trace(scan), scan, &store.image))
            .collect();
        for ((scan, _), own) in store.wanted_by.iter().zip(&contexts) {
            if own.0.is_empty() {
                continue;
            }
            let others: Vec<TraceHeaders> = contexts.iter().filter(|other| *other != own).cloned().collect();
            let about = [("scan", scan.as_str()), ("image", &store.image), ("report", &store.report_id)];
            image::step("archive", own, started, &others, &about);
            let begun = self.0.get_mut(scan).and_then(|images| images.remove(&store.image));
            let name = (&live.trace(scan), scan.as_str(), store.image.as_str());
            image::whole(name, begun.unwrap_or(started), &others, "reported");
        }
    }

    /// A scan has ended, and so have those of its images that came to nothing.
    pub(super) fn scan_ended(&mut self, live: &LiveTable, scan: &str) {
        let scan_trace = live.trace(scan);
        for (digest, begun) in self.0.remove(scan).unwrap_or_default() {
            image::whole((&scan_trace, scan, &digest), begun, &[], "not reported");
        }
    }
}
