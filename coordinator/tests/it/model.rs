//! A queue whose workers are in it: each job is answered as soon as it is published, unless the test holds it back.

mod bundled;
mod published;
mod running;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message as _;
use strata_coordinator::{
    archive::report,
    ports::{JobQueue, OutcomeDelivery, OutcomeHandle, Parcels, PortError, Published},
};
use strata_proto::{
    WIRE_VERSION,
    outline::Asked,
    subject,
    trace::TraceHeaders,
    v1::{
        AssessJob, Assessed, Failure, Indexed, Job, Listed, Outcome, Package, Parcel, Report, Resolved,
        ResolvedImage, ResolvedLayer, ResolvedReference, Retry, job::Verb, outcome, resolved_reference,
    },
};
use tokio::sync::Notify;

pub(crate) use published::databases;
pub(crate) use running::{Running, archive};

/// Everything on the other side of the coordinator's ports.
#[derive(Clone, Default)]
pub(crate) struct Model(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    /// Reference → names of its layers. The image's name is its layers'.
    pub(crate) references: BTreeMap<String, Vec<&'static str>>,
    /// Verbs whose jobs wait for [`Model::release`].
    held_verbs: BTreeSet<&'static str>,
    held: BTreeMap<String, Job>,
    outcomes: VecDeque<Outcome>,
    pub(crate) unacknowledged: BTreeMap<String, Outcome>,
    parcels: BTreeMap<String, Bytes>,
    /// Parcels that vanish before they are taken.
    pub(crate) lose_parcels: u32,
    /// Publications that fail.
    pub(crate) fail_publications: u32,
    /// Layers that were indexed, in order.
    pub(crate) indexed: Vec<String>,
    /// Verbs of the outcomes that were acknowledged.
    pub(crate) acknowledged: Vec<&'static str>,
    pub(crate) withdrawn: usize,
    /// Slots that the workers tell of, and that they know bundles; with 0 they tell neither.
    pub(crate) slots: u32,
    /// Whether the workers take bundles for what they do not know.
    pub(crate) refuses_bundles: bool,
    /// Which *assess* the workers have: with 0 they tell neither it nor their fingerprint.
    pub(crate) assessor: u64,
    /// Keys that images ask their database for, by the image's name; others do not tell.
    pub(crate) asks: BTreeMap<&'static str, Vec<u32>>,
    /// Images that were assessed.
    pub(crate) assessed: Vec<String>,
    verbs: BTreeMap<String, &'static str>,
}

pub(crate) fn digest(name: &str) -> String {
    strata_proto::digest::Digest::of(name.as_bytes()).to_string()
}

impl Model {
    /// A registry with these references.
    pub(crate) fn new(references: &[(&str, &[&'static str])]) -> Self {
        let model = Self::default();
        model.state().references =
            references.iter().map(|(reference, layers)| ((*reference).to_owned(), layers.to_vec())).collect();
        model
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no panic while locked")
    }

    /// Jobs of this verb wait from now on.
    pub(crate) fn hold(&self, verb: &'static str) {
        self.state().held_verbs.insert(verb);
    }

    /// Does the jobs that waited, and holds none any more.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        state.held_verbs.clear();
        for (_, job) in std::mem::take(&mut state.held) {
            state.work(job);
        }
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Does the index jobs that waited for these layers; others wait on.
    pub(crate) fn release_layers(&self, layers: &[&str]) {
        let digests: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
        let mut state = self.state();
        let wanted = |_: &String, job: &mut Job| match &job.verb {
            Some(Verb::Index(index)) => digests.contains(&index.digest),
            _ => false,
        };
        for (_, job) in state.held.extract_if(.., wanted).collect::<Vec<_>>() {
            state.work(job);
        }
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Waits until so many jobs are held.
    pub(crate) async fn until_held(&self, count: usize) {
        self.until(|state| state.held.len() >= count).await;
    }

    /// Waits until something is true of the state.
    pub(crate) async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// The databases that the held jobs ask for, in order.
    pub(crate) fn databases(&self) -> Vec<String> {
        let state = self.state();
        let asked = state.held.values().filter_map(|job| match &job.verb {
            Some(Verb::Assess(assess)) => Some(assess.database_digest.clone()),
            _ => None,
        });
        let asked: BTreeSet<String> = asked.collect();
        asked.into_iter().collect()
    }

    pub(crate) fn touch(&self) {
        self.0.changed.notify_waiters();
    }

    /// Outcomes that no coordinator acknowledged come again, as after a restart.
    pub(crate) fn redeliver(&self) {
        let mut state = self.state();
        let again = std::mem::take(&mut state.unacknowledged);
        state.outcomes.extend(again.into_values());
        drop(state);
        self.0.changed.notify_waiters();
    }
}

impl State {
    fn work(&mut self, job: Job) {
        let Some(job) = self.work_bundle(job) else { return };
        let verb = subject::verb(&job);
        let result = match job.verb.expect("a verb") {
            Verb::List(list) => outcome::Result::Listed(self.list(&list.repository)),
            Verb::Resolve(resolve) => {
                let references = resolve.references.iter().map(|text| self.resolve(text)).collect();
                let fingerprint = if self.assessor == 0 { String::new() } else { "f".to_owned() };
                outcome::Result::Resolved(Resolved { references, fingerprint, assessor: self.assessor })
            }
            Verb::Index(index) => {
                self.indexed.push(index.digest);
                outcome::Result::Indexed(Indexed { analysed: true, bytes: 100, packages: 1 })
            }
            Verb::Assess(assess) => self.assess(&assess),
            Verb::Bundle(_) => unreachable!("a bundle is in no bundle"),
        };
        self.verbs.insert(job.key.clone(), verb);
        self.answer(job.key, result);
    }

    fn answer(&mut self, key: String, result: outcome::Result) {
        self.outcomes.push_back(Outcome {
            key,
            wire_version: WIRE_VERSION,
            worker: "model".to_owned(),
            slots: self.slots,
            bundles: self.slots > 0,
            result: Some(result),
            ..Outcome::default()
        });
    }

    fn list(&self, repository: &str) -> Listed {
        let names = self.references.keys().filter_map(|text| text.split_once('/')?.1.rsplit_once(':'));
        let names: BTreeSet<String> = names
            .filter(|(name, _)| repository.is_empty() || *name == repository)
            .map(|(name, tag)| if repository.is_empty() { name.to_owned() } else { tag.to_owned() })
            .collect();
        Listed { names: names.into_iter().collect(), ..Listed::default() }
    }

    fn resolve(&self, reference: &str) -> ResolvedReference {
        use resolved_reference::Result as Answer;
        let result = match self.references.get(reference) {
            None => {
                let message = format!("{reference} does not exist");
                let mut failure = Failure { code: "not-found".to_owned(), message, ..Failure::default() };
                failure.set_retry(Retry::Never);
                Answer::Failure(failure)
            }
            Some(layers) => Answer::Image(ResolvedImage {
                index_digest: String::new(),
                image_digest: digest(&layers.concat()),
                platform: "linux/amd64".to_owned(),
                layers: layers
                    .iter()
                    .map(|layer| ResolvedLayer {
                        digest: digest(layer),
                        size: 100,
                        ..ResolvedLayer::default()
                    })
                    .collect(),
            }),
        };
        ResolvedReference { reference: reference.to_owned(), result: Some(result) }
    }

    fn assess(&mut self, job: &AssessJob) -> outcome::Result {
        let (image, database) = (&job.image_digest, &job.database_digest);
        let id = match self.assessor {
            0 => image.trim_start_matches("sha256:").to_owned(),
            _ => subject::report_id(image, &job.platform, "f", database),
        };
        self.assessed.push(image.clone());
        let report = Report {
            image_digest: image.clone(),
            database_digest: database.clone(),
            packages: vec![Package { name: "musl".to_owned(), ..Package::default() }],
            ..Report::default()
        };
        let keys = self.asks.iter().find(|(name, _)| digest(name) == *image).map(|(_, keys)| keys.clone());
        let asked = keys.map(|keys| Asked { scheme: 1, assessor: self.assessor, keys }.encode());
        let report_zstd = report::pack(&report).expect("packed");
        let parcel = Parcel { report_zstd, asked: asked.unwrap_or_default(), ..Parcel::default() };
        self.parcels.insert(id.clone(), parcel.encode_to_vec().into());
        outcome::Result::Assessed(Assessed {
            parcel: id.clone(),
            report_id: id,
            packages: 1,
            ..Assessed::default()
        })
    }
}

#[async_trait]
impl JobQueue for Model {
    async fn publish(&self, job: &Job, _trace: &TraceHeaders) -> Result<Published, PortError> {
        let mut state = self.state();
        if state.fail_publications > 0 {
            state.fail_publications -= 1;
            return Err(PortError { action: "publish a job", reason: "the test says so".to_owned() });
        }
        let published = if state.held_verbs.contains(subject::verb(job)) {
            match state.held.insert(subject::job(job), job.clone()) {
                Some(_) => Published::AlreadyQueued,
                None => Published::Accepted,
            }
        } else {
            state.work(job.clone());
            Published::Accepted
        };
        drop(state);
        self.0.changed.notify_waiters();
        Ok(published)
    }

    async fn outcomes(&self, max: usize) -> Result<Vec<OutcomeDelivery>, PortError> {
        self.until(|state| !state.outcomes.is_empty()).await;
        let mut state = self.state();
        let count = state.outcomes.len().min(max);
        let taken: Vec<Outcome> = state.outcomes.drain(..count).collect();
        let deliver = |outcome: Outcome| {
            let handle = Box::new(Acknowledge { model: self.clone(), key: outcome.key.clone() });
            OutcomeDelivery { outcome, trace: TraceHeaders::default(), handle }
        };
        for outcome in &taken {
            state.unacknowledged.insert(outcome.key.clone(), outcome.clone());
        }
        Ok(taken.into_iter().map(deliver).collect())
    }

    async fn withdraw(&self, job: &Job) -> Result<(), PortError> {
        let mut state = self.state();
        state.withdrawn += usize::from(state.held.remove(&subject::job(job)).is_some());
        drop(state);
        self.0.changed.notify_waiters();
        Ok(())
    }
}

struct Acknowledge {
    model: Model,
    key: String,
}

#[async_trait]
impl OutcomeHandle for Acknowledge {
    async fn done(&self) -> Result<(), PortError> {
        let mut state = self.model.state();
        state.unacknowledged.remove(&self.key);
        let verb = state.verbs.get(&self.key).copied().unwrap_or("unknown");
        state.acknowledged.push(verb);
        drop(state);
        self.model.touch();
        Ok(())
    }
}

#[async_trait]
impl Parcels for Model {
    async fn take(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        let mut state = self.state();
        if state.lose_parcels > 0 {
            state.lose_parcels -= 1;
            state.parcels.remove(name);
        }
        Ok(state.parcels.get(name).cloned())
    }

    async fn discard(&self, names: &[&str]) -> Result<(), PortError> {
        let mut state = self.state();
        for name in names {
            state.parcels.remove(*name);
        }
        Ok(())
    }
}
