//! Feeds the planner and carries out its commands.
//!
//! One task owns the plan and works in cycles: take what came in (outcomes, calls, time), let the plan decide, archive
//! the reports, record the events, and only then acknowledge the outcomes, answer the calls and tell the watchers.
//! Publishing goes on beside it: a job that could not be published is the plan's to repeat. A failing archive stops
//! the cycle until it is back; nothing is dropped meanwhile, because nothing is acknowledged.

mod abandon;
mod attend;
mod bundles;
mod carry;
mod clock;
mod later;
mod live;
mod members;
mod owed;
mod publisher;
mod pump;
mod records;
mod restore;
mod retain;
mod standing;
mod store;
mod term;
mod traces;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use strata_proto::{
    trace::TraceHeaders,
    v1::{Scan, outcome::Result as Answer},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use self::abandon::end_abandoned;
pub(crate) use self::clock::now_ms;
pub(crate) use self::live::{Live, LiveTable};
pub use self::retain::Retention;
pub(crate) use self::term::Leading;
use self::{
    bundles::Bundles,
    later::{Gather, Later},
    owed::Owed,
    records::Records,
    traces::Traces,
};
use crate::{
    databases::{Publisher, tidy},
    handle::Handle,
    plan::{Plan, PlanConfig, PlanEvent, Publication},
    ports::{Archive, Forget, IndexMember, JobQueue, Lead, OutcomeDelivery, Parcels},
};

/// Settings of a coordinator.
#[derive(Debug, Clone)]
pub struct CoordinatorConfig {
    /// Limits of the planner.
    pub plan: PlanConfig,
    /// How often time passes for the plan, and watchers hear of progress.
    pub tick: Duration,
    /// Whether images may be archives on this machine (`docker-archive:`, `oci:`, `oci-archive:`).
    pub allow_archives: bool,
    /// Whether scans that the archive says are running are this coordinator's to continue. Not for a process that
    /// shares its archive with others.
    pub restore: bool,
    /// Outcomes taken from the queue at once.
    pub outcomes: usize,
    /// Publications at a time.
    pub publications: usize,
    /// Reports archived at a time: those that somebody waits for, and all where the archive is in this process.
    pub stores: usize,
    /// How often databases that no scan needs are looked for; they go at the second look.
    pub tidy_databases: Duration,
    /// How long the lead lasts without being renewed: this long nobody plans after a coordinator died.
    pub lead: Duration,
    /// Name of this coordinator where several share an archive.
    pub name: String,
    /// How often the archive is asked for scans that another coordinator took in.
    pub adopt: Duration,
    /// How long scans and reports are kept.
    pub retention: Retention,
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            plan: PlanConfig::default(),
            tick: Duration::from_millis(250),
            allow_archives: false,
            restore: true,
            outcomes: 256,
            publications: 64,
            stores: 16,
            tidy_databases: Duration::from_secs(60),
            lead: Duration::from_secs(6),
            name: "coordinator".to_owned(),
            adopt: Duration::from_millis(500),
            retention: Retention::default(),
        }
    }
}

/// What a coordinator works with.
#[derive(Clone)]
pub struct Ports {
    /// Jobs out, outcomes in.
    pub queue: Arc<dyn JobQueue>,
    /// Reports from workers.
    pub parcels: Arc<dyn Parcels>,
    /// Scans, events, reports.
    pub archive: Arc<dyn Archive>,
    /// Databases, to which new scans are pinned.
    pub databases: Publisher,
    /// Who leads, where several coordinators share an archive; `None` for a process that is alone.
    pub lead: Option<Arc<dyn Lead>>,
    /// Lets what is old go; `None`: everything stays.
    pub forget: Option<Arc<dyn Forget>>,
}

/// What comes in.
pub(crate) enum Input {
    Submit {
        scan: Box<Scan>,
        trace: TraceHeaders,
        reply: oneshot::Sender<()>,
    },
    /// The answer says whether the scan was this coordinator's.
    Cancel {
        scan: String,
        reply: oneshot::Sender<bool>,
    },
    Outcomes(Vec<OutcomeDelivery>),
}

/// Starts a coordinator. The handle works until the token is cancelled and the task has ended.
#[must_use]
pub fn start(
    config: CoordinatorConfig,
    ports: Ports,
    shutdown: CancellationToken,
) -> (Handle, JoinHandle<()>) {
    const INPUTS: usize = 64;
    let (sender, inputs) = mpsc::channel(INPUTS);
    let live = LiveTable::default();
    let leading = Leading::default();
    // Who is alone leads before anybody can ask: what is submitted before the task runs for the first time would be left to
    // a leader that never comes.
    leading.set(ports.lead.is_none());
    let handle = Handle::new(&ports, sender.clone(), live.clone(), leading.clone(), config.allow_archives);
    let role = Role { config, ports, sender, live, leading };
    let task = tokio::spawn(role.run(inputs, shutdown).instrument(tracing::info_span!("coordinator")));
    (handle, task)
}

/// What outlives a term.
struct Role {
    config: CoordinatorConfig,
    ports: Ports,
    sender: mpsc::Sender<Input>,
    live: LiveTable,
    leading: Leading,
}

impl Role {
    async fn run(self, mut inputs: mpsc::Receiver<Input>, shutdown: CancellationToken) {
        let Some(lead) = &self.ports.lead else {
            return self.plan(&mut inputs, shutdown).await;
        };
        let election = term::Election {
            lead: Arc::clone(lead),
            name: self.config.name.clone(),
            length: self.config.lead,
        };
        while election.stand_by(&mut inputs, &shutdown).await.is_some() {
            let term = shutdown.child_token();
            // However this ends: who no longer plans renews nothing.
            let _over = term.clone().drop_guard();
            tokio::spawn(election.clone().keep(term.clone()));
            self.leading.set(true);
            self.plan(&mut inputs, term).await;
            self.leading.set(false);
            // Watchers go on from the archive.
            self.live.clear();
        }
        if let Err(error) = lead.step_down(&self.config.name).await {
            tracing::debug!(%error, "the lead ends by itself");
        }
    }

    /// Plans until the term ends.
    async fn plan(&self, inputs: &mut mpsc::Receiver<Input>, term: CancellationToken) {
        let (config, ports) = (&self.config, &self.ports);
        let (publisher, published, publishing) =
            publisher::start(Arc::clone(&ports.queue), config.publications, term.clone());
        let gather = match &ports.lead {
            Some(_) => Gather::SERVER,
            None => Gather::file(config.stores.max(1)),
        };
        let mut drive = Drive {
            plan: Plan::new(config.plan.clone()),
            ports: ports.clone(),
            live: self.live.clone(),
            publisher,
            shutdown: term.clone(),
            stores: config.stores.max(1),
            later: Later::new(ports.clone(), gather, term.clone()),
            records: Records::new(Arc::clone(&ports.archive), term.clone()),
            deserted: Arc::default(),
            traces: Traces::default(),
            bundles: Bundles::default(),
            standing: standing::Standing::default(),
        };
        let restored = !config.restore || drive.restore().await.is_some();
        if restored {
            let tidying = tidy(
                ports.databases.clone(),
                Arc::clone(&ports.archive),
                config.tidy_databases,
                term.clone(),
            );
            let tidying = tokio::spawn(tidying);
            let retaining = ports
                .forget
                .clone()
                .map(|archive| tokio::spawn(retain::run(archive, config.retention.clone(), term.clone())));
            let attending = attend::run(Arc::clone(&ports.queue), Arc::clone(&drive.deserted), term.clone());
            let attending = tokio::spawn(attending);
            let pump =
                pump::start(Arc::clone(&ports.queue), config.outcomes.max(1), self.sender.clone(), term);
            drive.cycles(inputs, published, config).await;
            pump.abort();
            tidying.abort();
            attending.abort();
            if let Some(retaining) = retaining {
                retaining.abort();
            }
        }
        drop(drive);
        // What was handed to the publisher may go out or not: it is published again after the next start.
        publishing.abort();
    }
}

/// The owner of the plan.
struct Drive {
    plan: Plan,
    ports: Ports,
    live: LiveTable,
    publisher: publisher::Orders,
    shutdown: CancellationToken,
    stores: usize,
    later: Later,
    records: Records,
    /// Whether no worker is there.
    deserted: Arc<AtomicBool>,
    traces: Traces,
    bundles: Bundles,
    standing: standing::Standing,
}

impl Drive {
    async fn cycles(
        &mut self,
        inputs: &mut mpsc::Receiver<Input>,
        mut published: mpsc::UnboundedReceiver<(String, Publication)>,
        config: &CoordinatorConfig,
    ) {
        let every = |period| {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            ticks
        };
        let (mut ticks, mut adoptions) = (every(config.tick), every(config.adopt));
        loop {
            let mut commands = Vec::new();
            let mut owed = Owed::default();
            let mut ticked = false;
            tokio::select! {
                () = self.shutdown.cancelled() => return self.last_stores().await,
                Some(input) = inputs.recv() => {
                    commands.extend(self.plan.apply(PlanEvent::Tick { now_ms: now_ms() }));
                    commands.extend(self.take(input, &mut owed));
                }
                Some((key, result)) = published.recv() => {
                    commands.extend(self.plan.apply(PlanEvent::Published { key, result }));
                }
                Some(stored) = self.later.stored() => {
                    commands.extend(self.stored_later(stored, &mut owed));
                }
                Some(recorded) = self.records.recorded() => self.recorded(recorded),
                _ = adoptions.tick(), if self.ports.lead.is_some() => match self.adopt().await {
                    Some(more) => commands.extend(more),
                    None => return,
                },
                _ = ticks.tick() => {
                    ticked = true;
                    commands.extend(self.plan.apply(PlanEvent::Tick { now_ms: now_ms() }));
                }
            }
            // What is there already joins the cycle: one transaction for many outcomes.
            for _ in 0..64 {
                let Ok(input) = inputs.try_recv() else { break };
                commands.extend(self.take(input, &mut owed));
            }
            for _ in 0..1_024 {
                let Ok((key, result)) = published.try_recv() else { break };
                commands.extend(self.plan.apply(PlanEvent::Published { key, result }));
            }
            tracing::trace!("a cycle begins");
            let members = members::distinct(std::mem::take(&mut owed.members));
            if self.note(&members).await.is_none() || self.carry_out(commands).await.is_none() {
                return; // shutdown while the archive was away: nothing was acknowledged
            }
            if ticked {
                let deserted = self.deserted.load(Ordering::Relaxed) && self.plan.outstanding() > 0;
                self.live.progress(&self.plan, if deserted { attend::NO_WORKER } else { "" });
            }
            tracing::trace!("a cycle ends");
            self.later.settle(owed, self.plan.awaits_outcomes(), &mut self.records);
        }
    }

    /// Records what the workers saw of indexes. `None` at shutdown.
    async fn note(&self, members: &[IndexMember]) -> Option<()> {
        if members.is_empty() {
            return Some(());
        }
        carry::persist(&self.shutdown, || self.ports.archive.note_members(members)).await
    }

    fn take(&mut self, input: Input, owed: &mut Owed) -> Vec<crate::plan::Command> {
        match input {
            Input::Submit { scan, trace, reply } => {
                tracing::debug!(scan = scan.id, "a scan is planned");
                self.live.enter(&scan, &trace);
                owed.submitted.push(reply);
                self.plan.apply(PlanEvent::Submit(scan))
            }
            Input::Cancel { scan, reply } => {
                owed.cancelled.push((reply, self.plan.scan(&scan).is_some()));
                self.plan.apply(PlanEvent::Cancel { scan })
            }
            Input::Outcomes(outcomes) => {
                let mut commands = Vec::new();
                tracing::debug!(outcomes = outcomes.len(), "outcomes are looked at");
                for OutcomeDelivery { outcome, trace, handle } in outcomes {
                    tracing::trace!(key = outcome.key, "an outcome is looked at");
                    // A bundle's is acknowledged with all that its jobs caused.
                    owed.outcomes.push((outcome.key.clone(), handle));
                    for (outcome, trace) in self.bundles.open(outcome, trace) {
                        if let Some(Answer::Indexed(_)) = &outcome.result {
                            Traces::layer_came(&self.plan, &self.live, &outcome.key, &trace);
                        }
                        owed.members.extend(members::told(&outcome));
                        commands.extend(self.plan.apply(PlanEvent::Outcome(Box::new(outcome))));
                    }
                }
                commands
            }
        }
    }
}
