//! Windowed dispatch: each lane has at most a window of jobs published, shared fairly between those who ask
//! (deficit round robin over tenants, in turn over the scans of one tenant). What is not published can be cancelled,
//! promoted and shared without the queue knowing.
//!
//! Where the workers know bundles, small jobs of sweeps take a part of a place in the window, because several of them travel as one
//! message; and a sweep's window is filled up only when a quarter of it is free, so that several are published together.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use strata_proto::v1::Lane;

use super::{
    Plan, ScanNumber,
    work::{Key, State, Task},
};

/// Cost that a tenant may spend in one round.
const QUANTUM: u32 = 4;
/// Reports on their way into the archive from which on sweeps publish nothing more: their outcomes are not acknowledged until
/// these are stored, and come again after a while.
const BACKLOG: usize = 2_048;

#[derive(Default)]
pub(super) struct Lanes {
    interactive: LaneState,
    sweep: LaneState,
}

/// Parts of a place in the window: a small job takes one, any other all.
pub(super) const PLACE: usize = 8;

/// One lane.
#[derive(Default)]
pub(super) struct LaneState {
    /// Published and not settled, in parts of places.
    outstanding: usize,
    turns: VecDeque<Arc<str>>,
    flows: BTreeMap<Arc<str>, Flow>,
}

#[derive(Default)]
struct Flow {
    deficit: u32,
    scans: VecDeque<ScanNumber>,
}

/// The jobs of one scan that are ready, by what they do.
#[derive(Default)]
pub(super) struct Ready {
    list: VecDeque<Key>,
    assess: VecDeque<Key>,
    index: VecDeque<Key>,
    resolve: VecDeque<Key>,
}

impl Ready {
    pub(super) fn of(&mut self, task: &Task) -> &mut VecDeque<Key> {
        match task {
            Task::List { .. } => &mut self.list,
            Task::Assess(_) => &mut self.assess,
            Task::Index(_) => &mut self.index,
            Task::Resolve { .. } | Task::Refresh(_) => &mut self.resolve,
        }
    }
}

impl Lanes {
    pub(super) fn lane(&mut self, lane: Lane) -> &mut LaneState {
        match lane {
            Lane::Sweep => &mut self.sweep,
            Lane::Interactive | Lane::Unspecified => &mut self.interactive,
        }
    }

    /// Jobs outstanding, by lane.
    pub(super) fn outstanding(&self) -> [usize; 2] {
        [self.interactive.outstanding, self.sweep.outstanding]
    }

    pub(super) fn enter(&mut self, lane: Lane, tenant: &Arc<str>, scan: ScanNumber) {
        let lane = self.lane(lane);
        if !lane.flows.contains_key(tenant) {
            lane.turns.push_back(Arc::clone(tenant));
        }
        lane.flows.entry(Arc::clone(tenant)).or_default().scans.push_back(scan);
    }

    pub(super) fn leave(&mut self, lane: Lane, tenant: &Arc<str>, scan: ScanNumber) {
        let lane = self.lane(lane);
        let Some(flow) = lane.flows.get_mut(tenant) else { return };
        flow.scans.retain(|other| *other != scan);
        if flow.scans.is_empty() {
            lane.flows.remove(tenant);
            lane.turns.retain(|other| other != tenant);
        }
    }
}

impl LaneState {
    /// A job is published that takes so many parts of a place.
    pub(super) fn occupy(&mut self, parts: usize) {
        self.outstanding = self.outstanding.saturating_add(parts);
    }

    /// It is settled.
    pub(super) fn vacate(&mut self, parts: usize) {
        self.outstanding = self.outstanding.saturating_sub(parts);
    }
}

impl Plan {
    /// Whether somebody waits for a scan that runs.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.lanes.interactive.flows.is_empty()
    }

    /// Publishes as much as the windows allow.
    pub(super) fn dispatch(&mut self) {
        let window = self.crew.window(self.config.window).saturating_mul(PLACE);
        for lane in [Lane::Interactive, Lane::Sweep] {
            if lane == Lane::Sweep && self.stores.len() >= BACKLOG {
                break;
            }
            let together = lane == Lane::Sweep && self.crew.bundling().is_some();
            if together && self.lanes.lane(lane).outstanding > window - window / 4 {
                continue;
            }
            // How many tenants in a row had nothing to publish.
            let mut idle = 0;
            loop {
                let state = self.lanes.lane(lane);
                if state.outstanding >= window || idle >= state.turns.len() {
                    break;
                }
                let Some(tenant) = state.turns.front().cloned() else { break };
                match self.next_of(lane, &tenant) {
                    Some((key, cost)) => {
                        idle = 0;
                        self.spend(lane, &tenant, &key, cost);
                    }
                    None => {
                        idle += 1;
                        self.next_turn(lane, &tenant, None);
                    }
                }
            }
        }
    }

    fn spend(&mut self, lane: Lane, tenant: &Arc<str>, key: &Key, cost: u32) {
        let Some(flow) = self.lanes.lane(lane).flows.get_mut(tenant) else { return };
        if flow.deficit < cost {
            self.next_turn(lane, tenant, Some(QUANTUM));
            return;
        }
        flow.deficit -= cost;
        flow.scans.rotate_left(1.min(flow.scans.len()));
        self.unqueue(key);
        self.send(key);
    }

    /// The next tenant's turn; this one gets its share for the next round, or starts from nothing when it has no work.
    fn next_turn(&mut self, lane: Lane, tenant: &Arc<str>, share: Option<u32>) {
        let state = self.lanes.lane(lane);
        if let Some(flow) = state.flows.get_mut(tenant) {
            flow.deficit = share.map_or(0, |share| flow.deficit.saturating_add(share));
        }
        state.turns.rotate_left(1.min(state.turns.len()));
    }

    /// The next job of a tenant. Its scan is then the first of the tenant's.
    fn next_of(&mut self, lane: Lane, tenant: &Arc<str>) -> Option<(Key, u32)> {
        let scans = self.lanes.lane(lane).flows.get(tenant)?.scans.len();
        for _ in 0..scans {
            let scan = *self.lanes.lane(lane).flows.get(tenant)?.scans.front()?;
            if let Some(key) = self.next_ready(scan) {
                let cost = self.works.get(&key)?.cost();
                return Some((key, cost));
            }
            self.lanes.lane(lane).flows.get_mut(tenant)?.scans.rotate_left(1);
        }
        None
    }

    /// The next job of a scan: a few listings at a time, so that the total is soon known, then what completes
    /// images. References are resolved last, so that only as many images are in memory as the window feeds.
    fn next_ready(&mut self, number: ScanNumber) -> Option<Key> {
        self.make_listing(number);
        if let Some(key) = self.first_valid(number) {
            return Some(key);
        }
        self.make_resolve(number);
        self.first_valid(number)
    }

    /// Queues may hold keys of jobs that were settled, withdrawn or handed over meanwhile.
    fn first_valid(&mut self, number: ScanNumber) -> Option<Key> {
        let scan = self.scans.get_mut(&number)?;
        let ready = &mut scan.ready;
        for queue in [&mut ready.list, &mut ready.assess, &mut ready.index, &mut ready.resolve] {
            while let Some(key) = queue.front() {
                let valid =
                    self.works.get(key).is_some_and(|work| work.scan == number && work.state == State::Ready);
                if valid {
                    return Some(Arc::clone(key));
                }
                queue.pop_front();
            }
        }
        None
    }

    fn unqueue(&mut self, key: &Key) {
        if let Some(work) = self.works.get(key)
            && let Some(scan) = self.scans.get_mut(&work.scan)
        {
            let queue = scan.ready.of(&work.task);
            if queue.front() == Some(key) {
                queue.pop_front();
            }
        }
    }
}
