//! Small jobs of sweeps on their way as bundles: publishing, delivering and answering a message costs more than such a job itself.
//! The plan knows single jobs only. Here is known which of them travel together, so that one that is published again is its bundle
//! published again (the queue refuses it as long as it has it), and one that is withdrawn counts with the others of its bundle.

mod cut;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use strata_proto::{
    WIRE_VERSION, subject,
    trace::TraceHeaders,
    v1::{
        Bundle, Bundled, BundledJob, BundledOutcome, Failure, Job, Lane, Outcome, Retry, job::Verb,
        outcome::Result as Answer,
    },
};

use self::cut::cut;
use super::publisher::Order;

/// Code of the failure of a job that was withdrawn.
const CANCELLED: &str = "cancelled";

/// A job to be published.
pub(super) struct Outbound {
    pub(super) job: Box<Job>,
    pub(super) trace: TraceHeaders,
    /// Whether it may travel with others.
    pub(super) small: bool,
}

/// The bundles that are under way.
#[derive(Default)]
pub(super) struct Bundles {
    /// The bundle that a job travels in.
    of: HashMap<String, Arc<str>>,
    /// The jobs of each bundle that are wanted and have no outcome.
    members: HashMap<Arc<str>, BTreeSet<String>>,
}

impl Bundles {
    /// Orders for jobs that are published together, small ones in bundles. `slots`: how many jobs the workers carry out at once,
    /// where all of them know bundles.
    pub(super) fn pack(&mut self, jobs: Vec<Outbound>, slots: Option<usize>) -> Vec<Order> {
        let mut orders = Vec::new();
        let mut again: BTreeMap<Arc<str>, Vec<Outbound>> = BTreeMap::new();
        let mut together: BTreeMap<(String, String, &'static str), Vec<Outbound>> = BTreeMap::new();
        let mut count = 0;
        for out in jobs {
            if let Some(bundle) = self.of.get(&out.job.key) {
                again.entry(Arc::clone(bundle)).or_default().push(out);
            } else if out.small && slots.is_some() {
                count += 1;
                let alike = (out.job.scan_id.clone(), out.job.analysis.clone(), subject::verb(&out.job));
                together.entry(alike).or_default().push(out);
            } else {
                orders.push(Order::Publish {
                    keys: vec![out.job.key.clone()],
                    job: out.job,
                    trace: out.trace,
                });
            }
        }
        for (key, jobs) in again {
            self.forget(&key);
            orders.extend(self.order(key, jobs));
        }
        let most = cut::most(count, slots.unwrap_or(1));
        for alike in together.into_values() {
            for mut jobs in cut(alike, most) {
                if jobs.len() == 1
                    && let Some(out) = jobs.pop()
                {
                    let keys = vec![out.job.key.clone()];
                    orders.push(Order::Publish { keys, job: out.job, trace: out.trace });
                    continue;
                }
                let keys: Vec<&str> = jobs.iter().map(|out| out.job.key.as_str()).collect();
                let key = subject::key_of(&keys).into();
                orders.extend(self.order(key, jobs));
            }
        }
        orders
    }

    /// Remembers a bundle, and publishes it. Those that were in it before and are not among these are on their own.
    fn order(&mut self, key: Arc<str>, jobs: Vec<Outbound>) -> Option<Order> {
        let first = jobs.first()?;
        let mut bundle = Job {
            wire_version: WIRE_VERSION,
            key: key.to_string(),
            scan_id: first.job.scan_id.clone(),
            analysis: first.job.analysis.clone(),
            ..Job::default()
        };
        bundle.set_lane(Lane::Sweep);
        let trace = first.trace.clone();
        let keys: Vec<String> = jobs.iter().map(|out| out.job.key.clone()).collect();
        let jobs = jobs
            .into_iter()
            .map(|Outbound { job, trace, .. }| BundledJob { job: Some(*job), trace: trace.to_properties() });
        bundle.verb = Some(Verb::Bundle(Bundle { jobs: jobs.collect() }));
        self.of.extend(keys.iter().map(|member| (member.clone(), Arc::clone(&key))));
        self.members.insert(key, keys.iter().cloned().collect());
        Some(Order::Publish { job: Box::new(bundle), trace, keys })
    }

    /// Takes a job back. A bundle goes with the last of its jobs: until then those that nobody wants are done for nothing.
    pub(super) fn withdraw(&mut self, job: Box<Job>) -> Option<Order> {
        let Some(bundle) = self.of.remove(&job.key) else { return Some(Order::Withdraw(job)) };
        let members = self.members.get_mut(&bundle)?;
        members.remove(&job.key);
        if !members.is_empty() {
            return None;
        }
        self.members.remove(&bundle);
        let mut whole = Job { key: bundle.to_string(), verb: Some(Verb::Bundle(Bundle::default())), ..*job };
        whole.set_lane(Lane::Sweep);
        Some(Order::Withdraw(Box::new(whole)))
    }

    /// The outcomes of single jobs that a message tells.
    pub(super) fn open(&mut self, outcome: Outcome, trace: TraceHeaders) -> Vec<(Outcome, TraceHeaders)> {
        let known = self.forget(&outcome.key);
        let Outcome { result, .. } = outcome;
        let around = Outcome { result: None, ..outcome };
        let told = match result {
            Some(Answer::Bundled(Bundled { outcomes })) => outcomes,
            result if known.is_none() => {
                self.release(&around.key);
                return vec![(Outcome { result, ..around }, trace)];
            }
            // The queue gave it up, or a worker did not understand it.
            _ => Vec::new(),
        };
        let mut left = known.unwrap_or_default();
        let mut opened = Vec::new();
        for BundledOutcome { outcome, trace } in told {
            let Some(Outcome { key, result, .. }) = outcome else { continue };
            if left.remove(&key) || !is_untried(result.as_ref()) {
                let trace = TraceHeaders::from_properties(trace);
                opened.push((Outcome { key, result, ..around.clone() }, trace));
            }
        }
        for key in left {
            let result = Some(Answer::Failure(apart(&key)));
            opened.push((Outcome { key, result, ..around.clone() }, trace.clone()));
        }
        opened
    }

    /// A bundle has its outcome: the jobs that still wait for it.
    fn forget(&mut self, bundle: &str) -> Option<BTreeSet<String>> {
        let members = self.members.remove(bundle)?;
        for member in &members {
            self.of.remove(member);
        }
        Some(members)
    }

    /// A job has an outcome of its own.
    fn release(&mut self, job: &str) {
        let Some(bundle) = self.of.remove(job) else { return };
        if let Some(members) = self.members.get_mut(&bundle) {
            members.remove(job);
            if members.is_empty() {
                self.members.remove(&bundle);
            }
        }
    }
}

/// Whether nothing was tried. Of a job that travels otherwise by now that says nothing.
fn is_untried(result: Option<&Answer>) -> bool {
    matches!(result, Some(Answer::Failure(failure)) if [CANCELLED, subject::APART, subject::BUNDLE_DIED].contains(&failure.code.as_str()))
}

fn apart(job: &str) -> Failure {
    let mut failure = Failure {
        code: subject::APART.to_owned(),
        message: format!("failed to carry out job {job}: its bundle came to nothing"),
        ..Failure::default()
    };
    failure.set_retry(Retry::Later);
    failure
}

#[cfg(test)]
mod tests;
