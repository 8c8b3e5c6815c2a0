//! The worker's loop over a queue in this process: jobs of another version, withdrawn jobs, workers of different analyses.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use strata_coordinator::{
    ports::{JobQueue as _, OutcomeDelivery, Published},
    queue::channel::ChannelQueue,
};
use strata_proto::{
    WIRE_VERSION,
    digest::Digest,
    subject::OTHER_ANALYSIS,
    v1::{self, Job, Lane, SourceOptions, job::Verb, outcome::Result as Answer},
};
use strata_worker::{
    advisories::DatabaseFile,
    cache::memory::MemoryCache,
    dispatch::{self, Config, Ports},
    error::JobError,
    job::Context,
    ports::{Advisories, Blob, Claim, Images, InventoryCache as _, LayerKey, Page, Resolution, Token},
    precedence::Turn,
    queue::channel::{ChannelSink, ChannelSource},
    spool::DirectorySpool,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::queue::{one, trace};

/// An empty tar.
const LAYER: [u8; 1024] = [0; 1024];

/// Layers that hang until they are let go, and how many are open.
pub(crate) struct Registry {
    hangs: watch::Sender<bool>,
    open: watch::Sender<usize>,
    pub(crate) asked: Mutex<Vec<String>>,
}

/// Counts a stream that is dropped.
struct Opened(watch::Sender<usize>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

impl Registry {
    pub(crate) fn new(hangs: bool) -> Arc<Self> {
        let (hangs, open) = (watch::Sender::new(hangs), watch::Sender::new(0));
        Arc::new(Self { hangs, open, asked: Mutex::default() })
    }

    pub(crate) async fn until_open(&self, count: usize) {
        self.open.subscribe().wait_for(|open| *open == count).await.expect("it counts");
    }
}

#[async_trait]
impl Images for Registry {
    async fn list(&self, _: &str, _: &str, _: &str, _: &SourceOptions) -> Result<Page, JobError> {
        Err(JobError::never("unsupported", "not asked for"))
    }
    async fn digest(&self, _: &str, _: &SourceOptions) -> Result<Option<String>, JobError> {
        Ok(None)
    }
    async fn resolve(&self, _: &str, _: &str, _: &SourceOptions) -> Result<Resolution, JobError> {
        Err(JobError::never("unsupported", "not asked for"))
    }
    async fn blob(&self, _: &str, digest: &str, _: &SourceOptions) -> Result<Blob, JobError> {
        self.asked.lock().expect("not poisoned").push(digest.to_owned());
        self.open.send_modify(|open| *open += 1);
        let (opened, mut hangs) = (Opened(self.open.clone()), self.hangs.subscribe());
        let stream = futures::stream::once(async move {
            let _opened = opened;
            hangs.wait_for(|hangs| !hangs).await.expect("it is let go");
            Ok(Bytes::from_static(&LAYER))
        });
        Ok(Blob { stream: stream.boxed(), size: None, digest_is_diff_id: false })
    }
}

struct NoDatabase;

#[async_trait]
impl Advisories for NoDatabase {
    async fn database(&self, _: &str) -> Result<Option<Arc<DatabaseFile>>, JobError> {
        Ok(None)
    }
}

/// A worker with its queue.
pub(crate) struct Running {
    pub(crate) queue: ChannelQueue,
    pub(crate) source: Arc<ChannelSource>,
    ports: Ports,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(registry: &Arc<Registry>, cache: &Arc<MemoryCache>, fingerprint: &str) -> Self {
        let mut idle = Self::idle(registry, cache, fingerprint);
        idle.begin();
        idle
    }

    /// Its worker has not begun.
    pub(crate) fn idle(registry: &Arc<Registry>, cache: &Arc<MemoryCache>, fingerprint: &str) -> Self {
        let (queue, ends) = ChannelQueue::new();
        let source = Arc::new(ChannelSource::new(ends.interactive, ends.sweep, ends.withdrawn));
        let context = Context {
            images: registry.clone(),
            cache: cache.clone(),
            advisories: Arc::new(NoDatabase),
            java_index: None,
            limits: strata_analysis::limits::Limits::default(),
            spool: DirectorySpool::new(std::env::temp_dir()),
            fingerprint: fingerprint.to_owned(),
            name: format!("worker of {fingerprint}"),
            lease: Duration::from_secs(600),
            turn: Turn::default(),
            in_parts: None,
        };
        let ports =
            Ports { jobs: source.clone(), outcomes: Arc::new(ChannelSink::new(ends.outcomes)), context };
        Self { queue, source, ports, stop: CancellationToken::new(), task: tokio::spawn(async {}) }
    }

    pub(crate) fn begin(&mut self) {
        let config = Config { slots: 4, poison: dispatch::Poison::default(), drain: Duration::from_secs(5) };
        self.task = tokio::spawn(dispatch::run(config, self.ports.clone(), self.stop.clone()));
    }

    pub(crate) async fn publish(&self, job: &Job) {
        let published = self.queue.publish(job, &trace("t")).await.expect("published");
        assert_eq!(published, Published::Accepted);
    }

    pub(crate) async fn outcome(&self) -> OutcomeDelivery {
        loop {
            if let Some(outcome) = self.queue.outcomes(1).await.expect("outcomes").pop() {
                outcome.handle.done().await.expect("done");
                return outcome;
            }
        }
    }

    pub(crate) async fn stop(self) -> Arc<ChannelSource> {
        self.stop.cancel();
        self.task.await.expect("it does not panic");
        self.source
    }
}

pub(crate) fn digest() -> String {
    Digest::of(&LAYER).to_string()
}

pub(crate) fn index(key: &str, wire_version: u32) -> Job {
    let verb = v1::IndexJob { digest: digest(), reference: "r.example/a:1".to_owned(), ..Default::default() };
    let mut job = Job { wire_version, key: key.to_owned(), verb: Some(Verb::Index(verb)), ..Job::default() };
    job.set_lane(Lane::Sweep);
    job
}

#[tokio::test]
async fn a_job_of_another_version_is_left_to_another_worker() {
    let registry = Registry::new(false);
    let running = Running::start(&registry, &Arc::new(MemoryCache::new()), "f1");
    running.publish(&index("newer", WIRE_VERSION + 1)).await;
    running.publish(&index("ours", WIRE_VERSION)).await;
    let outcome = running.outcome().await;
    assert_eq!((outcome.outcome.key.as_str(), outcome.outcome.slots), ("ours", 4));
    assert!(matches!(outcome.outcome.result, Some(Answer::Indexed(_))), "{:?}", outcome.outcome);
    assert_eq!(registry.asked.lock().expect("not poisoned").len(), 1, "the other one was not carried out");
    let source = running.stop().await;
    let again = one(&*source, Lane::Sweep).await;
    assert_eq!(again.job, index("newer", WIRE_VERSION + 1), "it is as it was");
    assert!(again.executions > 1);
}

#[tokio::test]
async fn a_withdrawn_job_is_dropped_in_the_middle_of_its_layer() {
    let (registry, cache) = (Registry::new(true), Arc::new(MemoryCache::new()));
    let running = Running::start(&registry, &cache, "f1");
    let job = index("unwanted", WIRE_VERSION);
    running.publish(&job).await;
    registry.until_open(1).await;
    running.queue.withdraw(&job).await.expect("withdrawn");
    registry.until_open(0).await;
    let outcome = running.outcome().await.outcome;
    let Some(Answer::Failure(failure)) = outcome.result else { panic!("{outcome:?}") };
    assert_eq!((failure.code.as_str(), failure.retry()), ("cancelled", v1::Retry::Later));
    // Nobody waits for its lease, and its key is free.
    let key = LayerKey { layer: digest(), fingerprint: "f1".to_owned() };
    let token = Token { sequence: 99, executions: 1, owner: "another".to_owned() };
    let claim = cache.claim(&key, &token, Duration::from_secs(1)).await.expect("asked");
    assert_eq!(claim, Claim::Mine);
    cache.abandon(&key, &token).await.expect("given back");
    registry.hangs.send_replace(false);
    running.publish(&job).await;
    assert!(matches!(running.outcome().await.outcome.result, Some(Answer::Indexed(_))));
    running.stop().await;
}

/// During an upgrade that analyses differently, each version has inventories of its own.
#[tokio::test]
async fn workers_of_two_fingerprints_do_not_share_inventories() {
    let (registry, cache) = (Registry::new(false), Arc::new(MemoryCache::new()));
    let key = |fingerprint: &str| LayerKey { layer: digest(), fingerprint: fingerprint.to_owned() };
    for (fingerprint, scan, analysed) in
        [("old", "first", true), ("new", "first", true), ("old", "second", false), ("new", "second", false)]
    {
        let running = Running::start(&registry, &cache, fingerprint);
        running.publish(&Job { scan_id: scan.to_owned(), ..index("layer", WIRE_VERSION) }).await;
        let outcome = running.outcome().await.outcome;
        let Some(Answer::Indexed(indexed)) = outcome.result else { panic!("{outcome:?}") };
        assert_eq!(indexed.analysed, analysed, "{fingerprint}");
        running.stop().await;
    }
    let kept = cache.contains(&[key("old"), key("new"), key("other")]).await.expect("looked");
    assert_eq!(kept, [true, true, false]);
}

/// The outcome may be lost with a server: who finds the inventory tells the scan that it was made for it.
#[tokio::test]
async fn an_analysis_whose_outcome_was_lost_is_told_again_to_its_scan() {
    let (registry, cache) = (Registry::new(false), Arc::new(MemoryCache::new()));
    let mut told = Vec::new();
    for scan in ["this", "this", "another"] {
        let running = Running::start(&registry, &cache, "f1");
        running.publish(&Job { scan_id: scan.to_owned(), ..index("layer", WIRE_VERSION) }).await;
        let outcome = running.outcome().await.outcome;
        let Some(Answer::Indexed(indexed)) = outcome.result else { panic!("{outcome:?}") };
        told.push((indexed.analysed, indexed.bytes));
        running.stop().await;
    }
    assert_eq!(told, [(true, 1024), (true, 1024), (false, 0)]);
    assert_eq!(registry.asked.lock().expect("not poisoned").len(), 1, "it was read once");
}

#[tokio::test]
async fn a_job_for_another_analysis_is_not_carried_out() {
    let registry = Registry::new(false);
    let running = Running::start(&registry, &Arc::new(MemoryCache::new()), "new");
    let pinned =
        |key: &str, analysis: &str| Job { analysis: analysis.to_owned(), ..index(key, WIRE_VERSION) };
    running.publish(&pinned("theirs", "old")).await;
    let outcome = running.outcome().await.outcome;
    let Some(Answer::Failure(failure)) = &outcome.result else { panic!("{outcome:?}") };
    assert_eq!((failure.code.as_str(), failure.retry()), (OTHER_ANALYSIS, v1::Retry::Later));
    assert_eq!((outcome.key.as_str(), outcome.analysis.as_str()), ("theirs", "new"));
    assert!(registry.asked.lock().expect("not poisoned").is_empty(), "nothing was read");
    for (key, analysis) in [("ours", "new"), ("of anybody", "")] {
        running.publish(&pinned(key, analysis)).await;
        let outcome = running.outcome().await.outcome;
        assert!(matches!(outcome.result, Some(Answer::Indexed(_))), "{outcome:?}");
        assert_eq!((outcome.key.as_str(), outcome.analysis.as_str()), (key, "new"));
    }
    running.stop().await;
}
