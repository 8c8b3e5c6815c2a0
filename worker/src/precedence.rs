//! Sweeps make way: while this worker carries out a job that somebody waits for, and for a moment after it because the next
//! job of the same scan follows, jobs of sweeps pause before their next step. Each of them pauses for at most [`MOST`] in all and
//! then no more, so that however many people scan, a sweep goes on; and nothing that a job holds while it pauses is waited for
//! for longer than that. One pauses for longer than the other: those that began to pause together would go on together, and
//! whoever scans then would meet them all.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use strata_proto::v1::Lane;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How long one job of a sweep pauses in all, at most.
pub const MOST: Duration = Duration::from_millis(300);
/// And where somebody always goes first, at least.
pub const LEAST: Duration = Duration::from_millis(100);
/// How long after a job that somebody waits for its scan's next one is expected.
pub const MOMENT: Duration = Duration::from_millis(25);

/// Who goes first in one worker. Clones share it.
#[derive(Debug, Clone)]
pub struct Precedence(watch::Sender<Urgent>, Arc<Rooms>);

/// Deals out how long jobs may pause.
#[derive(Debug, Default)]
struct Rooms(AtomicU32);

/// Jobs that somebody waits for.
#[derive(Debug, Clone, Copy, Default)]
struct Urgent {
    running: usize,
    /// When the moment after the last of them is over.
    until: Option<Instant>,
}

/// A job's place beside the others. Clones are of the same job.
#[derive(Debug, Clone, Default)]
pub struct Turn(Option<Place>);

#[derive(Debug, Clone)]
enum Place {
    /// Somebody waits for it.
    First { _kept: Arc<Guard> },
    /// It makes way, for so long at most.
    After(watch::Receiver<Urgent>, Arc<Mutex<Duration>>, Arc<Rooms>),
}

/// One job that somebody waits for, until it is dropped.
#[derive(Debug)]
struct Guard(watch::Sender<Urgent>);

impl Default for Precedence {
    fn default() -> Self {
        Self(watch::Sender::new(Urgent::default()), Arc::default())
    }
}

impl Rooms {
    /// As evenly spread as can be, however many there are: steps of the golden ratio.
    fn next(&self) -> Arc<Mutex<Duration>> {
        const STEP: u32 = 0x9e37_79b9;
        let part = f64::from(self.0.fetch_add(STEP, Ordering::Relaxed)) / f64::from(u32::MAX);
        Arc::new(Mutex::new(MOST - (MOST - LEAST).mul_f64(part)))
    }
}

impl Precedence {
    /// The place of a job of that lane, as long as any clone of it lives.
    #[must_use]
    pub fn turn(&self, lane: Lane) -> Turn {
        Turn(Some(match lane {
            Lane::Sweep => Place::After(self.0.subscribe(), self.1.next(), Arc::clone(&self.1)),
            Lane::Interactive | Lane::Unspecified => {
                self.0.send_modify(|urgent| urgent.running = urgent.running.saturating_add(1));
                Place::First { _kept: Arc::new(Guard(self.0.clone())) }
            }
        }))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send_modify(|urgent| {
            urgent.running = urgent.running.saturating_sub(1);
            urgent.until = Some(Instant::now() + MOMENT);
        });
    }
}

impl Turn {
    /// Whether somebody waits for the job.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        matches!(self.0, Some(Place::First { .. }))
    }

    /// The place of another job of the same lane, which came with this one.
    #[must_use]
    pub fn another(&self) -> Self {
        Self(self.0.as_ref().map(|place| match place {
            Place::First { _kept } => Place::First { _kept: Arc::clone(_kept) },
            Place::After(urgent, _, rooms) => Place::After(urgent.clone(), rooms.next(), Arc::clone(rooms)),
        }))
    }

    /// Before the next step of a job: waits until nobody else goes first, or the job has paused for long enough.
    pub async fn pause(&self) {
        let Some(Place::After(urgent, left, _)) = &self.0 else { return };
        let begin = Instant::now();
        let room = *left.lock().unwrap_or_else(PoisonError::into_inner);
        if room.is_zero() || urgent.borrow().is_over(begin) {
            return;
        }
        // However it ends, also where the job is dropped: what was paused is spent.
        let _spent = Spent { begin, left };
        // Out of time: then it goes on.
        let _ = timeout_at(begin + room, nobody(urgent.clone())).await;
    }
}

struct Spent<'a> {
    begin: Instant,
    left: &'a Mutex<Duration>,
}

impl Drop for Spent<'_> {
    fn drop(&mut self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(self.begin.elapsed());
    }
}

impl Urgent {
    fn is_over(self, now: Instant) -> bool {
        self.running == 0 && self.until.is_none_or(|until| until <= now)
    }
}

async fn nobody(mut urgent: watch::Receiver<Urgent>) {
    loop {
        let now = *urgent.borrow_and_update();
        match now.until {
            _ if now.is_over(Instant::now()) => return,
            // A change means that there is another one.
            Some(until) if now.running == 0 => {
                let _ = timeout_at(until, urgent.changed()).await;
            }
            _ => {
                if urgent.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paused() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
    }

    async fn took(turn: &Turn) -> Duration {
        let begin = Instant::now();
        turn.pause().await;
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_waits_for_the_job_and_a_moment_and_never_for_a_sweep() {
        let house = Precedence::default();
        let (sweep, other) = (house.turn(Lane::Sweep), house.turn(Lane::Sweep));
        assert_eq!(took(&sweep).await, Duration::ZERO);
        let urgent = house.turn(Lane::Interactive);
        assert!(urgent.is_first() && !sweep.is_first() && !Turn::default().is_first());
        assert_eq!(took(&urgent).await, Duration::ZERO, "who goes first waits for nobody");
        assert_eq!(took(&Turn::default()).await, Duration::ZERO);
        let ended = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(urgent);
        };
        let (waited, ()) = tokio::join!(took(&sweep), ended);
        assert!((Duration::from_millis(125)..Duration::from_millis(127)).contains(&waited), "{waited:?}");
        assert_eq!(took(&other).await, Duration::ZERO, "the moment is over");
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_pauses_so_long_and_no_longer_and_its_clones_share_that() {
        let house = Precedence::default();
        let sweep = house.turn(Lane::Sweep);
        let _urgent = house.turn(Lane::Interactive);
        // Dropped half-way: that counts, too.
        let _ = tokio::time::timeout(Duration::from_millis(100), sweep.clone().pause()).await;
        let rest = took(&sweep).await;
        assert!((Duration::from_millis(199)..Duration::from_millis(202)).contains(&rest), "{rest:?}");
        assert_eq!(took(&sweep).await, Duration::ZERO);
        // Other jobs have their own time, and not all the same.
        let mut others = Vec::new();
        for _ in 0..8 {
            others.push(took(&house.turn(Lane::Sweep)).await);
        }
        others.push(took(&sweep.another()).await);
        others.sort();
        assert!(
            others.iter().all(|other| (LEAST..=MOST + Duration::from_millis(2)).contains(other)),
            "{others:?}"
        );
        let apart = others.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(apart.min() >= Some(Duration::from_millis(10)), "{others:?}");
    }

    proptest! {
        /// Whatever comes and goes, and however often a job asks: it pauses for a bounded time, and not at all when nobody
        /// goes first any more.
        #[test]
        fn nothing_waits_for_ever(
            urgent in prop::collection::vec((0_u64..2_000, 0_u64..3_000), 0..12),
            sweeps in prop::collection::vec(prop::collection::vec(0_u64..200, 0..8), 1..6),
        ) {
            paused().block_on(async {
                let house = Precedence::default();
                let mut first = tokio::task::JoinSet::new();
                for (start, length) in urgent {
                    let house = house.clone();
                    first.spawn(async move {
                        tokio::time::sleep(Duration::from_millis(start)).await;
                        let _turn = house.turn(Lane::Interactive);
                        tokio::time::sleep(Duration::from_millis(length)).await;
                    });
                }
                let mut after = tokio::task::JoinSet::new();
                for steps in sweeps {
                    let turn = house.turn(Lane::Sweep);
                    after.spawn(async move {
                        let mut paused = Duration::ZERO;
                        for step in steps {
                            paused += took(&turn).await;
                            tokio::time::sleep(Duration::from_millis(step)).await;
                        }
                        paused
                    });
                }
                while let Some(paused) = after.join_next().await {
                    // The clock's grain: one millisecond for each step.
                    assert!(paused.expect("it ended") <= MOST + Duration::from_millis(10));
                }
                while first.join_next().await.is_some() {}
                tokio::time::sleep(MOMENT + Duration::from_millis(1)).await;
                assert_eq!(took(&house.turn(Lane::Sweep)).await, Duration::ZERO);
            });
        }
    }
}
