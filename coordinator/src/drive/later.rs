//! Reports of sweeps on their way into the archive, beside the cycles: whoever waits for one image shall not wait for those
//! of thousands. One transaction is under way at a time; what came in meanwhile shares the next one, and where the archive is
//! a server a moment is waited for more, because a transaction costs as much as several reports. The plan publishes no
//! more jobs of sweeps while too many of these wait (`plan/lanes.rs`).

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument as _;

use super::{
    Drive, Ports,
    carry::moment_after,
    owed::{Debt, Owed},
    records::Records,
    store::{self, Kind},
};
use crate::plan::{Command, StoreReport};

/// How reports of sweeps are gathered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gather {
    /// New reports that are stored in one transaction.
    pub(super) most: usize,
    /// How long the first of them waits for others while there is work that may bring some.
    pub(super) wait: Duration,
}

impl Gather {
    /// For an archive that is a server: others write while a transaction is under way.
    pub(super) const SERVER: Self = Self { most: 256, wait: Duration::from_millis(100) };

    /// For an archive in this process, which one writes to at a time.
    pub(super) const fn file(most: usize) -> Self {
        Self { most, wait: Duration::ZERO }
    }
}

/// Reports that may wait.
pub(super) struct Later {
    ports: Ports,
    shutdown: CancellationToken,
    gather: Gather,
    /// Those of the cycle that is under way.
    fresh: Vec<StoreReport>,
    waiting: VecDeque<(StoreReport, Arc<Debt>)>,
    /// When the oldest that waits has waited long enough.
    due: Instant,
    storing: Option<Storing>,
}

struct Storing {
    debts: Vec<Arc<Debt>>,
    task: AbortOnDropHandle<Option<Vec<(StoreReport, bool)>>>,
    started: SystemTime,
}

/// Reports of which it is known now whether they are stored.
pub(super) struct Stored {
    pub(super) stores: Vec<(StoreReport, bool)>,
    pub(super) started: SystemTime,
    /// What is owed once the consequences are recorded.
    pub(super) debts: Vec<Arc<Debt>>,
}

impl Later {
    pub(super) fn new(ports: Ports, gather: Gather, shutdown: CancellationToken) -> Self {
        let due = Instant::now();
        Self { ports, shutdown, gather, fresh: Vec::new(), waiting: VecDeque::new(), due, storing: None }
    }

    /// A report of the cycle that is under way.
    pub(super) fn add(&mut self, store: StoreReport) {
        self.fresh.push(store);
    }

    /// A cycle is recorded but for the reports that were added in it, and for what [`Records`] holds of it: callers are
    /// answered, outcomes are acknowledged with the last of those. `more` is whether further reports may come soon.
    pub(super) fn settle(&mut self, owed: Owed, more: bool, records: &mut Records) {
        if !more {
            self.due = Instant::now();
        }
        let (owed, unrecorded) = records.owe(owed);
        let debt = owed.answer();
        if self.fresh.is_empty() && !unrecorded {
            return debt.pay();
        }
        let debt = Arc::new(debt);
        if unrecorded {
            records.share(Arc::clone(&debt));
        }
        if more && self.waiting.is_empty() {
            self.due = Instant::now() + self.gather.wait;
        }
        self.waiting.extend(self.fresh.drain(..).map(|store| (store, Arc::clone(&debt))));
    }

    /// The next reports that are stored; `None` when none are under way, or at shutdown. A call that is dropped loses nothing.
    pub(super) async fn stored(&mut self) -> Option<Stored> {
        if self.storing.is_none() {
            if !self.waiting.is_empty() && self.waiting.len() < self.gather.most {
                tokio::time::sleep_until(self.due).await;
            }
            self.begin();
        }
        let ended = (&mut self.storing.as_mut()?.task).await;
        let Storing { debts, started, .. } = self.storing.take()?;
        let stores = match ended {
            Ok(stores) => stores?,
            // As if it had been done in the cycle itself.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return None,
        };
        Some(Stored { stores, started, debts })
    }

    /// Begins with the oldest, and all of its kind that one transaction takes.
    fn begin(&mut self) {
        let Some(kind) = self.waiting.front().map(|(store, _)| Kind::of(store)) else { return };
        let most = kind.most(self.gather.most);
        let (mut stores, mut debts) = (Vec::new(), Vec::new());
        let mut others = VecDeque::new();
        for (store, debt) in self.waiting.drain(..) {
            if stores.len() < most && Kind::of(&store) == kind {
                stores.push(store);
                debts.push(debt);
            } else {
                others.push_back((store, debt));
            }
        }
        self.waiting = others;
        let (ports, shutdown) = (self.ports.clone(), self.shutdown.clone());
        let span = tracing::debug_span!("archive", reports = stores.len());
        let work = async move {
            let stored = store::put_away(&ports, &shutdown, kind, &stores).await?;
            Some(stores.into_iter().zip(stored).collect())
        };
        let task = AbortOnDropHandle::new(tokio::spawn(work.instrument(span)));
        self.storing = Some(Storing { debts, task, started: SystemTime::now() });
    }
}

impl Drive {
    /// Whether nobody but sweeps wants a report.
    pub(super) fn may_wait(&self, store: &StoreReport) -> bool {
        !store.wanted_by.iter().any(|(scan, _)| self.plan.is_interactive(scan))
    }

    /// Reports of sweeps were stored: hears what the plan does then.
    pub(super) fn stored_later(&mut self, stored: Stored, owed: &mut Owed) -> Vec<Command> {
        let mut commands = Vec::new();
        for (store, there) in &stored.stores {
            self.stored(store, *there, stored.started, &mut commands);
        }
        let is_end = |command: &Command| !matches!(command, Command::StoreReport(_) | Command::LookUp(_));
        let debts = if commands.iter().all(is_end) { &mut owed.recorded } else { &mut owed.earlier };
        debts.extend(stored.debts);
        commands
    }

    /// At shutdown: what waits is stored within a moment, so that its outcomes need not come again.
    pub(super) async fn last_stores(&mut self) {
        let shutdown = self.shutdown.clone();
        let stores = async {
            if self.last_records().await.is_none() {
                return;
            }
            self.later.settle(Owed::default(), false, &mut self.records);
            while let Some(stored) = self.later.stored().await {
                let mut owed = Owed::default();
                let commands = self.stored_later(stored, &mut owed);
                if self.carry_out(commands).await.is_none() {
                    return;
                }
                self.later.settle(owed, false, &mut self.records);
            }
        };
        tokio::select! {
            () = stores => {}
            () = moment_after(&shutdown) => {}
        }
    }
}
