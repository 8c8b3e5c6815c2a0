//! NATS, Redis and PostgreSQL that go away and come back.

use std::time::Duration;

use crate::chaos::{Fault, Stage, leftovers::redis};

pub(super) const NATS: Fault = Fault {
    name: "nats-restarted",
    breaks: "SIGKILL to NATS, which comes back over its own data",
    strike: |stage| Box::pin(nats(stage)),
    ..Fault::NONE
};

pub(super) const REDIS: Fault = Fault {
    name: "redis-restarted",
    breaks: "SIGKILL to Redis, which comes back empty",
    forgets: true,
    strike: |stage| Box::pin(redis_restarted(stage)),
    ..Fault::NONE
};

pub(super) const FLUSH: Fault = Fault {
    name: "redis-flushed",
    breaks: "FLUSHALL in Redis",
    forgets: true,
    strike: |stage| Box::pin(flush(stage)),
    ..Fault::NONE
};

pub(super) const POSTGRES: Fault = Fault {
    name: "postgres-stopped",
    breaks: "PostgreSQL ends and comes back 20 s later (3 s in the short form)",
    strike: |stage| Box::pin(postgres(stage)),
    ..Fault::NONE
};

/// How often, and after how many reports each time.
fn rhythm(stage: &Stage) -> (u32, usize) {
    if stage.short { (1, 5) } else { (3, 60) }
}

async fn nats(stage: &mut Stage) -> anyhow::Result<u32> {
    let (most, apart) = rhythm(stage);
    let mut struck = 0;
    while struck < most && stage.reported(apart * (struck as usize + 1)).await {
        tokio::task::block_in_place(|| stage.cluster.nats.restart())?;
        struck += 1;
    }
    Ok(struck)
}

async fn redis_restarted(stage: &mut Stage) -> anyhow::Result<u32> {
    let (most, apart) = rhythm(stage);
    let mut struck = 0;
    while struck < most && stage.reported(apart * (struck as usize + 1)).await {
        stage.cluster.redis.kill()?;
        stage.pass(Duration::from_secs(1)).await;
        tokio::task::block_in_place(|| stage.cluster.redis.restart())?;
        struck += 1;
    }
    Ok(struck)
}

async fn flush(stage: &mut Stage) -> anyhow::Result<u32> {
    let (most, apart) = rhythm(stage);
    let mut struck = 0;
    while struck < most && stage.reported(apart * (struck as usize + 1)).await {
        redis(stage.cluster.redis_address, "FLUSHALL")?;
        struck += 1;
    }
    Ok(struck)
}

async fn postgres(stage: &mut Stage) -> anyhow::Result<u32> {
    if !stage.reported(5).await {
        return Ok(0);
    }
    tokio::task::block_in_place(|| stage.cluster.postgres.interrupt())?;
    tokio::time::sleep(Duration::from_secs(if stage.short { 3 } else { 20 })).await;
    tokio::task::block_in_place(|| stage.cluster.postgres.restart())?;
    Ok(1)
}
