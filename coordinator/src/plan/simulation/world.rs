//! The model around the planner.

mod commands;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use strata_proto::{
    WIRE_VERSION,
    v1::{Event, Job, Outcome, RegistryTarget, Scan, ScanState, SubmitRequest, outcome},
};

use super::worker::{VERSIONS, Version};
use crate::plan::{Plan, PlanConfig, PlanEvent};

/// How long outcomes that a coordinator had may take to come again.
const OWED_MS: u64 = 15_000;

/// Chances in a hundred that something goes wrong at each opportunity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chaos {
    pub(super) lose: u64,
    pub(super) duplicate: u64,
    pub(super) late: u64,
    pub(super) fail: u64,
    pub(super) evict: u64,
    pub(super) restart: u64,
    pub(super) cancel: u64,
    pub(super) crash: u64,
    /// That a job comes to a worker of a newer version. After a while there are no others.
    pub(super) skew: u64,
    /// Whether there are also workers that tell of no analysis.
    pub(super) silent: bool,
}

/// A small generator (splitmix64): the same numbers everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub(super) struct World {
    pub(super) random: Random,
    pub(super) chaos: Chaos,
    pub(super) plan: Plan,
    pub(super) now_ms: i64,
    /// Repository → tag → image; `None` is not an image.
    pub(super) registry: BTreeMap<String, BTreeMap<String, Option<usize>>>,
    /// Layers of each image.
    pub(super) images: Vec<Vec<usize>>,
    /// Layers that no worker can read.
    pub(super) broken: BTreeSet<usize>,
    /// The queue: one job for each subject.
    queue: BTreeMap<String, Job>,
    outcomes: VecDeque<(i64, Outcome)>,
    /// Those that a coordinator had when it ended: they come again until then at the latest.
    owed: VecDeque<(i64, Outcome)>,
    pub(super) cache: BTreeSet<(usize, &'static str)>,
    pub(super) facts: BTreeSet<String>,
    pub(super) parcels: BTreeSet<String>,
    pub(super) indexed: BTreeMap<usize, u32>,
    /// Analyses that read a layer, by analysis.
    pub(super) analysed: BTreeMap<(usize, &'static str), u32>,
    /// Assessments for which something was missing.
    pub(super) missed: u32,
    /// When the workers of the first version go.
    upgraded: u64,
    steps: u64,
    pub(super) submitted: BTreeMap<String, SubmitRequest>,
    /// The archive.
    pub(super) scans: BTreeMap<String, Scan>,
    pub(super) events: BTreeMap<String, Vec<Event>>,
    pub(super) reports: BTreeMap<String, BTreeSet<(String, String)>>,
    /// When each report was archived.
    pub(super) made: BTreeMap<String, i64>,
    /// How often each image was assessed.
    pub(super) assessed: BTreeMap<String, u32>,
    /// Layers of whose analysis the plan heard while a scan was running.
    pub(super) heard: BTreeSet<String>,
}

impl World {
    pub(super) fn new(seed: u64, chaos: Chaos) -> Self {
        let mut random = Random(seed);
        let layers = 1 + random.below(12);
        let images: Vec<Vec<usize>> = (0..1 + random.below(8))
            .map(|_| (0..random.below(5)).map(|_| random.below(layers) as usize).collect())
            .collect();
        let mut registry = BTreeMap::new();
        for repository in 0..random.below(6) {
            let tags = (0..random.below(7))
                .map(|tag| {
                    let image = (!random.chance(8)).then(|| random.below(images.len() as u64) as usize);
                    (format!("t{tag}"), image)
                })
                .collect();
            registry.insert(format!("team{}/app{repository}", repository % 2), tags);
        }
        let broken =
            (0..layers as usize).filter(|_| chaos.fail > 0 && random.chance(chaos.fail / 2)).collect();
        let upgraded = if chaos.skew > 0 { 20 + random.below(400) } else { 0 };
        let strays = if chaos.skew > 0 { 1 + random.below(10) as u32 } else { 10 };
        let config = PlanConfig {
            strays,
            window: 1 + random.below(8) as usize,
            resolve_batch: 1 + random.below(4) as usize,
            resolve_most: 1 + random.below(8) as usize,
            listings: 1 + random.below(3) as usize,
            list_batch: 1 + random.below(4) as usize,
            under_way: 1 + random.below(10) as usize,
            queued_references: 1 + random.below(10) as usize,
            // Where nothing is lost nothing needs to be published again.
            reconcile_ms: if chaos.lose + chaos.crash == 0 { 3_600_000 } else { 10_000 },
            ..PlanConfig::default()
        };
        Self {
            random,
            chaos,
            plan: Plan::new(config),
            now_ms: 1_000_000,
            registry,
            images,
            broken,
            queue: BTreeMap::new(),
            outcomes: VecDeque::new(),
            owed: VecDeque::new(),
            cache: BTreeSet::new(),
            facts: BTreeSet::new(),
            parcels: BTreeSet::new(),
            indexed: BTreeMap::new(),
            analysed: BTreeMap::new(),
            missed: 0,
            upgraded,
            steps: 0,
            submitted: BTreeMap::new(),
            scans: BTreeMap::new(),
            events: BTreeMap::new(),
            reports: BTreeMap::new(),
            made: BTreeMap::new(),
            assessed: BTreeMap::new(),
            heard: BTreeSet::new(),
        }
    }

    /// Until every scan has ended.
    pub(super) fn run(&mut self) {
        let (scans, mut started) = (1 + self.random.below(3), 0);
        for step in 0_u64.. {
            assert!(step < 200_000, "a scan does not end: {:?}", self.plan.running());
            if started < scans && self.random.chance(20) {
                started += 1;
                self.submit(started);
            }
            if started == scans && self.scans.values().all(|scan| scan.state() != ScanState::Running) {
                return;
            }
            self.step();
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        // Not for ever: where listing takes longer than a coordinator lives nothing ends.
        let restarts = self.chaos.restart > 0 && self.steps < 10_000;
        if restarts && self.random.below(400) < self.chaos.restart {
            self.restart();
        }
        if self.chaos.cancel > 0 && self.random.below(200) < self.chaos.cancel {
            let running = self.plan.running();
            if let Some(scan) = running.get(self.random.below(running.len() as u64) as usize) {
                self.apply(PlanEvent::Cancel { scan: scan.clone() });
            }
        }
        if self.chaos.evict > 0 && self.random.chance(self.chaos.evict) {
            self.evict();
        }
        match self.random.below(4) {
            0 => {
                self.now_ms += 1 + self.random.below(3_000) as i64;
                self.pay();
                self.apply(PlanEvent::Tick { now_ms: self.now_ms });
            }
            1 | 2 => self.work(),
            _ => self.deliver(),
        }
    }

    fn submit(&mut self, number: u64) {
        let id = format!("scan{number}");
        let mut request = SubmitRequest::default();
        if self.random.chance(60) {
            request.registry = Some(RegistryTarget {
                host: "registry".to_owned(),
                prefix: if self.random.chance(20) { "team1/".to_owned() } else { String::new() },
                exclude: if self.random.chance(20) { vec!["*:t1".to_owned()] } else { Vec::new() },
                ..RegistryTarget::default()
            });
        } else {
            let all: Vec<String> = self.references();
            for _ in 0..1 + self.random.below(6) {
                let pick = self.random.below(all.len() as u64 + 1) as usize;
                request
                    .images
                    .push(all.get(pick).cloned().unwrap_or_else(|| "registry/no/such:tag".to_owned()));
            }
        }
        let mut scan = Scan {
            id: id.clone(),
            request: Some(request.clone()),
            created_unix_ms: self.now_ms,
            // Scans without a database's name are never spared an assessment.
            database_digest: if self.random.chance(80) { "sha256:db".to_owned() } else { String::new() },
            ..Scan::default()
        };
        scan.set_state(ScanState::Running);
        self.submitted.insert(id.clone(), request);
        self.scans.insert(id, scan.clone());
        self.apply(PlanEvent::Submit(Box::new(scan)));
    }

    fn references(&self) -> Vec<String> {
        let tags =
            self.registry.iter().flat_map(|(repository, tags)| tags.keys().map(move |tag| (repository, tag)));
        tags.map(|(repository, tag)| format!("registry/{repository}:{tag}")).collect()
    }

    /// The coordinator ends and starts again; the archive, queue and cache stay.
    fn restart(&mut self) {
        self.plan = Plan::new(self.plan.config.clone());
        let mut owed = std::mem::take(&mut self.owed);
        owed.extend(std::mem::take(&mut self.outcomes));
        for (_, outcome) in owed {
            let due = self.now_ms + self.random.below(OWED_MS) as i64;
            self.owed.push_back((due, outcome));
        }
        self.apply(PlanEvent::Tick { now_ms: self.now_ms });
        let running: Vec<Scan> =
            self.scans.values().filter(|scan| scan.state() == ScanState::Running).cloned().collect();
        for scan in running {
            let id = scan.id.clone();
            self.apply(PlanEvent::Restore(Box::new(scan)));
            for event in self.events.get(&id).cloned().unwrap_or_default() {
                self.apply(PlanEvent::Recorded(Box::new(event)));
            }
            self.apply(PlanEvent::Resume { scan: id, owed_ms: OWED_MS });
        }
    }

    /// What is due comes again before time goes on.
    fn pay(&mut self) {
        let (due, later) =
            std::mem::take(&mut self.owed).into_iter().partition(|(due, _)| *due <= self.now_ms);
        self.owed = later;
        let due: VecDeque<_> = due;
        for (_, outcome) in due {
            self.hear(outcome);
        }
    }

    fn evict(&mut self) {
        match self.random.below(3) {
            0 => drop(self.cache.pop_first()),
            1 => drop(self.facts.pop_first()),
            _ => drop(self.parcels.pop_first()),
        }
    }

    fn apply(&mut self, event: PlanEvent) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for command in self.plan.apply(event) {
                events.extend(self.carry_out(command));
            }
        }
    }

    /// Whose worker takes the next job.
    fn worker(&mut self) -> Version {
        let [first, newer, silent] = VERSIONS;
        if self.chaos.skew == 0 {
            return first;
        }
        let other = self.random.chance(self.chaos.skew);
        match (self.chaos.silent && self.random.chance(30), other || self.steps > self.upgraded) {
            (true, _) => silent,
            (false, true) => newer,
            (false, false) => first,
        }
    }

    /// A worker takes any job of the queue.
    fn work(&mut self) {
        let pick = self.random.below(self.queue.len() as u64) as usize;
        let Some(subject) = self.queue.keys().nth(pick).cloned() else { return };
        if self.random.chance(self.chaos.crash) {
            return; // the worker died with it
        }
        let Some(job) = self.queue.remove(&subject) else { return };
        let by = self.worker();
        let result = self.result(by, &job);
        let outcome = Outcome {
            key: job.key,
            scan_id: job.scan_id,
            wire_version: WIRE_VERSION,
            worker: "model".to_owned(),
            slots: 2,
            bundles: by.tells,
            analysis: if by.tells { by.analysis.to_owned() } else { String::new() },
            result: Some(result),
            ..Outcome::default()
        };
        let lost = self.random.chance(self.chaos.lose);
        let copies = if lost { 0 } else { 1 + u64::from(self.random.chance(self.chaos.duplicate)) };
        for _ in 0..copies {
            let late = if self.random.chance(self.chaos.late) { self.random.below(30_000) as i64 } else { 0 };
            self.outcomes.push_back((self.now_ms + late, outcome.clone()));
        }
    }

    fn deliver(&mut self) {
        let due = |index: &usize| self.outcomes[*index].0 <= self.now_ms;
        let ready: Vec<usize> = (0..self.outcomes.len()).filter(due).collect();
        // A queue keeps its order where nothing is late.
        let any = if self.chaos.late > 0 { ready.len() as u64 } else { 1 };
        let pick = self.random.below(any) as usize;
        let Some(index) = ready.get(pick) else { return };
        if let Some((_, outcome)) = self.outcomes.remove(*index) {
            self.hear(outcome);
        }
    }

    fn hear(&mut self, outcome: Outcome) {
        let analysed = matches!(outcome.result, Some(outcome::Result::Indexed(indexed)) if indexed.analysed);
        if analysed && !self.plan.running().is_empty() {
            self.heard.insert(outcome.key.clone());
        }
        self.apply(PlanEvent::Outcome(Box::new(outcome)));
    }
}
