//! Workers that end in the middle of their work.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;

use crate::{
    chaos::{Fault, Stage, poison::kill_client},
    servers::Server,
};

/// After so many executions a layer is given up.
const EXECUTIONS: u32 = 3;

pub(super) const KILLED: Fault = Fault {
    name: "worker-killed",
    breaks: "SIGKILL to a random worker every second",
    strike: |stage| Box::pin(every_second(stage, |worker| worker.kill())),
    ..Fault::NONE
};

pub(super) const STOPPED: Fault = Fault {
    name: "worker-stopped",
    breaks: "SIGTERM to a random worker every second, as a rolling upgrade would send",
    strike: |stage| Box::pin(every_second(stage, |worker| worker.terminate())),
    ..Fault::NONE
};

pub(super) const POISON: Fault = Fault {
    name: "poison",
    breaks: "a layer that kills every worker that reads it",
    poison: true,
    strike: |stage| Box::pin(poison(stage)),
    ..Fault::NONE
};

/// Kills whoever asks for the layer, and starts what is dead again.
async fn poison(stage: &mut Stage) -> anyhow::Result<u32> {
    let layer = stage.poisoned.context("choose a layer")?;
    let (server, killed) = (stage.registry.address(), Arc::new(AtomicU32::new(0)));
    let pids = Arc::new(Mutex::new(Vec::new()));
    let (known, count) = (Arc::clone(&pids), Arc::clone(&killed));
    stage.registry.on_blob(Arc::new(move |digest, client| {
        let pids = known.lock().unwrap_or_else(PoisonError::into_inner);
        if *digest == layer && kill_client(&pids, client, server) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }));
    loop {
        tokio::task::block_in_place(|| {
            let mut pids = pids.lock().unwrap_or_else(PoisonError::into_inner);
            for worker in &mut stage.cluster.workers {
                if !worker.is_running() {
                    worker.restart()?;
                }
            }
            *pids = stage.cluster.workers.iter().map(Server::pid).collect();
            anyhow::Ok(())
        })?;
        if !stage.pass(Duration::from_millis(100)).await {
            break;
        }
    }
    let killed = killed.load(Ordering::Relaxed);
    if killed != EXECUTIONS {
        stage.notes.push(format!("{killed} workers died of the layer, not {EXECUTIONS}"));
    }
    Ok(killed)
}

/// Ends one and starts it again, as whatever keeps workers alive would.
async fn every_second(stage: &mut Stage, end: fn(&mut Server) -> anyhow::Result<()>) -> anyhow::Result<u32> {
    let most = if stage.short { 4 } else { u32::MAX };
    let mut struck = 0;
    while struck < most && stage.pass(Duration::from_secs(1)).await {
        let pick = stage.random.below(stage.cluster.workers.len() as u64);
        let worker = usize::try_from(pick).ok().and_then(|pick| stage.cluster.workers.get_mut(pick));
        let worker = worker.context("find a worker")?;
        tokio::task::block_in_place(|| {
            end(worker)?;
            worker.restart()
        })?;
        struck += 1;
    }
    Ok(struck)
}
