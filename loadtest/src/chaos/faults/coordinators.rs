//! Coordinators that end in the middle of a sweep.

use std::time::Duration;

use anyhow::Context as _;

use crate::chaos::{Fault, Stage};

pub(super) const KILLED: Fault = Fault {
    name: "coordinator-killed",
    breaks: "SIGKILL to the coordinator, five times in the sweep",
    strike: |stage| Box::pin(kill(stage)),
    ..Fault::NONE
};

pub(super) const FAILOVER: Fault = Fault {
    name: "failover",
    breaks: "SIGKILL to the coordinator that leads; another stands by",
    prepare: |layout| {
        layout.coordinators = 2;
        Ok(Box::new(()))
    },
    strike: |stage| Box::pin(fail_over(stage)),
    ..Fault::NONE
};

async fn kill(stage: &mut Stage) -> anyhow::Result<u32> {
    let (most, apart) = if stage.short { (2, 5) } else { (5, 40) };
    let mut struck = 0;
    // Spread over the sweep by what it has reported.
    while struck < most && stage.reported(apart * (struck as usize + 1)).await {
        let coordinator = stage.cluster.coordinators.first_mut().context("find a coordinator")?;
        tokio::task::block_in_place(|| coordinator.restart())?;
        struck += 1;
    }
    Ok(struck)
}

/// The first to start leads. It stays dead: all else is the other's.
async fn fail_over(stage: &mut Stage) -> anyhow::Result<u32> {
    if !stage.reported(5).await {
        return Ok(0);
    }
    let leader = stage.cluster.coordinators.first_mut().context("find a coordinator")?;
    leader.kill()?;
    // Nobody plans until the lead has ended.
    while stage.pass(Duration::from_secs(1)).await {}
    let other = stage.cluster.coordinators.last().context("find a coordinator")?;
    if !other.log().contains("this coordinator leads") {
        stage.notes.push("the other coordinator did not take the lead".to_owned());
    }
    Ok(1)
}
