//! A fault, and the stage on which it strikes.

use std::{any::Any, time::Duration};

use futures::future::BoxFuture;
use strata_proto::digest::Digest;
use tokio::sync::watch;

use super::{
    cluster::{Cluster, Layout},
    follow::{Follow, Progress},
};
use crate::{
    random::Random,
    registry::{Faults, Registry},
};

/// One row of the table of faults.
pub struct Fault {
    /// As it is named on the command line.
    pub name: &'static str,
    /// What it does, for people.
    pub breaks: &'static str,
    /// Why it cannot be run here; it is left out then, and that is said.
    pub cannot: fn() -> Option<String>,
    /// Lays the cluster out. What it returns is dropped after the cluster has ended.
    pub prepare: fn(&mut Layout) -> anyhow::Result<Box<dyn Any + Send>>,
    /// What the registry does wrong, by a seed.
    pub registry: fn(u64) -> Faults,
    /// Whether inventories are lost, so that layers are analysed again.
    pub forgets: bool,
    /// Whether one layer kills every worker that reads it: the image that has it must fail, and nothing else.
    pub poison: bool,
    /// Strikes until it is done or the sweep is over, and says how often it did.
    pub strike: for<'a> fn(&'a mut Stage) -> BoxFuture<'a, anyhow::Result<u32>>,
}

impl Fault {
    /// A fault that does nothing, for rows to fill in what they need.
    pub const NONE: Self = Self {
        name: "",
        breaks: "",
        cannot: || None,
        prepare: |_| Ok(Box::new(())),
        registry: slow,
        forgets: false,
        poison: false,
        strike: |_| Box::pin(async { Ok(0) }),
    };
}

/// Slow enough that a fault strikes in the middle of the work.
pub(super) fn slow(seed: u64) -> Faults {
    Faults { seed, latency: Duration::from_millis(100), ..Faults::default() }
}

/// What a fault may hurt.
pub struct Stage {
    /// The processes.
    pub cluster: Cluster,
    /// The registry.
    pub registry: Registry,
    /// Whether this is the short form.
    pub short: bool,
    pub(crate) random: Random,
    /// How far the sweep has come.
    pub progress: watch::Receiver<Progress>,
    /// The scan.
    pub scan: String,
    /// The layer that kills workers.
    pub poisoned: Option<Digest>,
    /// How clients follow it.
    pub follow: Follow,
    /// What a fault found wrong by itself.
    pub notes: Vec<String>,
}

impl Stage {
    /// Waits until so many images have their report, or the sweep is over. True when it is not over.
    pub async fn reported(&mut self, images: usize) -> bool {
        let progress = self.progress.wait_for(|progress| progress.over || progress.reported >= images).await;
        progress.is_ok_and(|progress| !progress.over)
    }

    /// Lets time pass, unless the sweep ends before. True when it has not.
    pub async fn pass(&mut self, time: Duration) -> bool {
        let over = self.progress.wait_for(|progress| progress.over);
        tokio::time::timeout(time, over).await.is_err()
    }
}
