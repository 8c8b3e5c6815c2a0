//! A client that comes and goes.

use anyhow::Context as _;
use tokio::sync::watch;

use crate::chaos::{
    Fault, Stage,
    follow::{Follow, Progress},
};

pub(super) const LEAVES: Fault = Fault {
    name: "client-leaves",
    breaks: "a client that disconnects a hundred times; another never does",
    strike: |stage| Box::pin(leave(stage)),
    ..Fault::NONE
};

/// How often a client leaves at least.
const TIMES: u32 = 100;

/// Two clients follow the same scan; what they have seen at its end must be the same, byte for byte.
async fn leave(stage: &mut Stage) -> anyhow::Result<u32> {
    let (sender, _) = watch::channel(Progress::default());
    // Live first: it leaves as the events come.
    let every = if stage.short { 1 } else { 4 };
    let leaving = Follow { leave_every: Some(every), ..stage.follow.clone() };
    let live = leaving.follow(&stage.scan, &sender).await.context("follow and leave")?;
    let stayed = stage.follow.follow(&stage.scan, &sender).await.context("follow to the end")?;
    // And over the archive, one event at a time, until it has left often enough.
    let mut breaks = live.breaks;
    let leaving = Follow { leave_every: Some(1), ..stage.follow.clone() };
    let mut others = vec![live];
    while breaks < TIMES {
        let again = leaving.follow(&stage.scan, &sender).await.context("follow and leave")?;
        if again.breaks == 0 {
            break;
        }
        breaks += again.breaks;
        others.push(again);
    }
    for other in others {
        if other.sequence != stayed.sequence {
            stage.notes.push(format!(
                "a client that left {} times saw {} events, one that stayed {}, or others",
                other.breaks,
                other.sequence.len(),
                stayed.sequence.len()
            ));
        }
    }
    if breaks < TIMES {
        stage.notes.push(format!("clients left {breaks} times only"));
    }
    Ok(breaks)
}
