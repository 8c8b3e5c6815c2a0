//! What happens when: jobs that end, outcomes that arrive, time that passes.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use strata_coordinator::plan::{Command, Plan, PlanConfig, PlanEvent};
use strata_proto::{
    WIRE_VERSION,
    v1::{
        Job, Lane, LedgerLine, Outcome, RegistryTarget, ReportSummary, Scan, ScanState, SubmitRequest,
        job::Verb,
    },
};

use super::{Moment, Prediction, Scenario, crew::Crew, model::Model};

/// When the simulated sweep begins: 2026-11-01T00:00:00Z, in milliseconds.
const BEGIN_MS: i64 = 1_793_491_200_000;
const TICK_US: u64 = 250_000;
/// Steps from one look of the watcher to the next.
const WATCH: u64 = 100_000;
/// Simulated time after which nothing will come any more.
const MOST_US: u64 = 30 * 86_400 * 1_000_000;

enum Occurrence {
    /// A worker has carried a job out.
    Done {
        worker: u32,
        job: Box<Job>,
        outcome: Box<Outcome>,
    },
    /// The coordinator begins a cycle and finds this.
    Arrived(Box<Outcome>),
    Tick,
}

pub(super) struct World {
    scenario: Scenario,
    plan: Plan,
    model: Model,
    crew: Crew,
    now_us: u64,
    told_us: u64,
    /// By time, then in the order in which they were made.
    agenda: BTreeMap<(u64, u64), Occurrence>,
    made: u64,
    busy_us: u64,
    updated_us: Option<u64>,
    ended: Option<Scan>,
    prediction: Prediction,
    planner: Duration,
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            scenario: scenario.clone(),
            plan: Plan::new(PlanConfig::default()),
            model: Model::new(scenario),
            crew: Crew::new(scenario.workers.max(1), scenario.slots.max(1)),
            now_us: 0,
            told_us: 0,
            agenda: BTreeMap::new(),
            made: 0,
            busy_us: 0,
            updated_us: None,
            ended: None,
            prediction: Prediction::default(),
            planner: Duration::ZERO,
        }
    }

    pub(super) fn run(mut self, watch: &mut dyn FnMut(Moment)) -> Result<(Prediction, Duration), String> {
        self.apply(PlanEvent::Tick { now_ms: BEGIN_MS });
        self.apply(PlanEvent::Submit(Box::new(sweep())));
        self.at(TICK_US, Occurrence::Tick);
        let mut watched = 0;
        while self.ended.is_none() {
            let Some(((at, _), occurrence)) = self.agenda.pop_first().filter(|((at, _), _)| *at < MOST_US)
            else {
                return Err(format!("end the simulated sweep: {:?}", self.prediction));
            };
            self.now_us = at;
            self.happen(occurrence);
            if self.prediction.steps >= watched {
                watched = self.prediction.steps + WATCH;
                watch(self.moment());
            }
        }
        watch(self.moment());
        Ok((self.predict(), self.planner))
    }

    fn happen(&mut self, occurrence: Occurrence) {
        match occurrence {
            Occurrence::Done { worker, job, outcome } => {
                self.crew.done(worker, &job);
                let cycle = self.scenario.cycle_ms.max(1) * 1000;
                self.at((self.now_us / cycle + 1) * cycle, Occurrence::Arrived(outcome));
                self.hand_out();
            }
            Occurrence::Arrived(outcome) => {
                self.tell_time();
                self.apply(PlanEvent::Outcome(outcome));
                self.hand_out();
            }
            Occurrence::Tick => {
                self.tell_time();
                self.at(self.now_us + TICK_US, Occurrence::Tick);
                self.hand_out();
            }
        }
    }

    /// As the coordinator's driver does it: once for each cycle.
    fn tell_time(&mut self) {
        if self.told_us < self.now_us {
            self.told_us = self.now_us;
            let now_ms = BEGIN_MS.saturating_add_unsigned(self.now_us / 1000);
            self.apply(PlanEvent::Tick { now_ms });
        }
    }

    fn hand_out(&mut self) {
        while let Some((worker, job)) = self.crew.take() {
            let worked = self.model.work(&job, self.now_us);
            self.busy_us += worked.micros;
            let counter = match &job.verb {
                Some(Verb::List(_) | Verb::Bundle(_)) | None => &mut self.prediction.list_jobs,
                Some(Verb::Resolve(_)) => &mut self.prediction.resolve_jobs,
                Some(Verb::Index(_)) => &mut self.prediction.index_jobs,
                Some(Verb::Assess(_)) => &mut self.prediction.assess_jobs,
            };
            *counter += 1;
            let outcome = Box::new(Outcome {
                key: job.key.clone(),
                wire_version: WIRE_VERSION,
                worker: format!("worker-{worker}"),
                slots: self.scenario.slots,
                result: Some(worked.result),
                ..Outcome::default()
            });
            self.at(
                self.now_us + worked.micros.max(1),
                Occurrence::Done { worker, job: Box::new(job), outcome },
            );
        }
    }

    fn at(&mut self, at_us: u64, occurrence: Occurrence) {
        self.made += 1;
        self.agenda.insert((at_us, self.made), occurrence);
    }

    /// Gives the planner an event, and carries out all that follows from it at once.
    fn apply(&mut self, event: PlanEvent) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            self.prediction.steps += 1;
            let begin = Instant::now();
            let commands = self.plan.apply(event);
            self.planner += begin.elapsed();
            events.extend(commands.into_iter().filter_map(|command| self.carry_out(command)));
        }
    }

    fn carry_out(&mut self, command: Command) -> Option<PlanEvent> {
        match command {
            Command::Append(_) => self.prediction.events += 1,
            // The driver makes a scan's record and writes it once for each cycle.
            Command::RecordScan(id) => {
                if self.updated_us.replace(self.now_us) != Some(self.now_us) {
                    self.prediction.scan_updates += u64::from(self.plan.record(&id).is_some());
                }
            }
            Command::UpdateScan(scan) => {
                let first = self.updated_us.replace(self.now_us) != Some(self.now_us);
                self.prediction.scan_updates += u64::from(first);
                self.ended = Some(*scan);
            }
            Command::Publish(job) | Command::PublishSmall(job) => {
                let key = job.key.clone();
                return Some(PlanEvent::Published { key, result: self.crew.publish(*job) });
            }
            Command::Withdraw(job) => self.crew.withdraw(&job),
            Command::StoreReport(store) => return Some(PlanEvent::Stored { store: store.store }),
            Command::LookUp(look_up) => {
                let summary = |report_id: String| ReportSummary { report_id, ..ReportSummary::default() };
                let known = look_up.wanted.into_iter().filter(|_| self.scenario.unchanged);
                let known = known
                    .map(|sought| (sought.report_id.clone(), summary(sought.report_id).into()))
                    .collect();
                return Some(PlanEvent::LookedUp { look_up: look_up.look_up, known });
            }
        }
        None
    }

    fn moment(&self) -> Moment {
        let ledger = self.plan.scan(SCAN).and_then(|scan| scan.summary).and_then(|summary| summary.ledger);
        let ended = ledger.map_or(0, |ledger| ledger.reported + ledger.unchanged);
        Moment { seconds: self.now_us as f64 / 1e6, ended, planner: self.planner }
    }

    fn predict(&self) -> Prediction {
        let scan = self.ended.clone().unwrap_or_default();
        let summary = scan.summary.clone().unwrap_or_default();
        let ledger = summary.ledger.unwrap_or_default();
        let seconds = self.now_us as f64 / 1e6;
        let slots = f64::from(self.scenario.workers.max(1)) * f64::from(self.scenario.slots.max(1));
        let sum = |lines: &[LedgerLine]| lines.iter().map(|line| line.count).sum::<u64>();
        Prediction {
            state: scan.state().as_str_name().trim_start_matches("SCAN_STATE_").to_lowercase(),
            sweep_seconds: seconds,
            images_per_second: summary.images as f64 / seconds.max(1e-6),
            references: ledger.enumerated,
            reported: ledger.reported,
            unchanged: ledger.unchanged,
            failed: sum(&ledger.failed) + sum(&ledger.listing_failed),
            images: summary.images,
            distinct_layers: summary.distinct_layers,
            layers_analysed: summary.layers_analysed,
            deepest_queue: self.crew.deepest,
            most_published: self.crew.most_held,
            busy: self.busy_us as f64 / 1e6 / (seconds * slots).max(1e-6),
            ..self.prediction.clone()
        }
    }
}

const SCAN: &str = "simulated";

fn sweep() -> Scan {
    let target = RegistryTarget { host: "registry.example:5000".to_owned(), ..RegistryTarget::default() };
    let mut request = SubmitRequest {
        registry: Some(target),
        platform: "linux/amd64".to_owned(),
        tenant: "simulation".to_owned(),
        ..SubmitRequest::default()
    };
    request.set_lane(Lane::Sweep);
    let mut scan = Scan {
        id: SCAN.to_owned(),
        request: Some(request),
        created_unix_ms: BEGIN_MS,
        database_digest: "sha256:db".to_owned(),
        ..Scan::default()
    };
    scan.set_state(ScanState::Running);
    scan
}
