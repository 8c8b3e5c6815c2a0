//! Whole sweeps: cold, several at once, unchanged, against another database.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::future::try_join_all;
use strata_loadtest::{content::Synthetic, registry::Registry};

use super::{
    Deployment, Stage,
    databases::{Change, changed_database},
};
use crate::drive::{
    heads::{self, Way},
    meter::Measured,
    result::{Better, Measurement},
    sweep,
};

/// How long each of the two plain load generators asks, before and after.
const ASK: Duration = Duration::from_secs(3);
/// Requests that a worker has under way at one registry at most: the load generators have as many, for each worker.
const CONNECTIONS: u32 = 32;

pub(super) async fn cold(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let (content, deployment) = (stage.content(), stage.deploy()?);
    let registry = stage.registry(&content).await?;
    let before = deployment.spent()?;
    let measured = stage.sweep(&deployment.url()?, &registry).await?;
    say(&mut stage.measured, "cold", &measured);
    stage.spending("cold", &deployment, &before, measured.images)?;
    once(stage, &registry, measured.layers_analysed, measured.distinct_layers);
    registry.shutdown().await.context("stop the registry")
}

/// Sweeps of the same registry, begun at the same time.
pub(super) async fn concurrent(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let count = stage.count(3);
    stage.measured.setting("sweeps", count);
    let (content, deployment) = (stage.content(), stage.deploy()?);
    let registry = stage.registry(&content).await?;
    let before = deployment.spent()?;
    let target = stage.target(&deployment.url()?);
    let host = registry.host();
    let all = try_join_all((0..count).map(|_| sweep::sweep(&target, &host, None))).await?;
    let (mut analysed, mut images, mut distinct) = (0, 0, 0);
    for measured in &all {
        stage.complete(measured);
        analysed += measured.layers_analysed;
        images += measured.images;
        distinct = distinct.max(measured.distinct_layers);
    }
    let seconds = all.iter().map(|measured| measured.seconds).fold(0.0, f64::max);
    stage.measured.figure("images-per-second", images as f64 / seconds, "images/s", Better::Higher);
    stage.spending("concurrent", &deployment, &before, images)?;
    once(stage, &registry, analysed, distinct);
    registry.shutdown().await.context("stop the registry")
}

/// Every distinct layer was read once, and analysed once.
fn once(stage: &mut Stage<'_>, registry: &Registry, analysed: u64, distinct: u64) {
    let ratio = analysed as f64 / distinct.max(1) as f64;
    let downloads = registry.blob_downloads();
    let most = downloads.values().copied().max().unwrap_or_default();
    let measured = &mut stage.measured;
    measured.figure("layers.distinct", distinct as f64, "", Better::Neither);
    measured.figure("layers.analysed", analysed as f64, "", Better::Neither);
    measured.figure("layers.analysed-per-distinct", ratio, "", Better::Lower);
    measured.figure("blobs.most-downloads", most as f64, "", Better::Neither);
    measured.must(analysed == distinct, || format!("{analysed} analyses of {distinct} distinct layers"));
}

/// A registry that was swept, and who did it.
struct Swept {
    content: Arc<Synthetic>,
    deployment: Deployment,
    registry: Registry,
}

async fn swept(stage: &mut Stage<'_>) -> anyhow::Result<Swept> {
    let (content, deployment) = (stage.content(), stage.deploy()?);
    let registry = stage.registry(&content).await?;
    let before = deployment.spent()?;
    let cold = stage.sweep(&deployment.url()?, &registry).await?;
    say(&mut stage.measured, "cold", &cold);
    stage.spending("cold", &deployment, &before, cold.images)?;
    Ok(Swept { content, deployment, registry })
}

pub(super) async fn unchanged(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let swept = swept(stage).await?;
    sweep_unchanged(stage, &swept).await?;
    swept.registry.shutdown().await.context("stop the registry")
}

pub(super) async fn reassess(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let mut swept = swept(stage).await?;
    sweep_otherwise(stage, &mut swept).await?;
    swept.registry.shutdown().await.context("stop the registry")
}

/// Both after one cold sweep, which is what takes long.
pub(super) async fn again(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let mut swept = swept(stage).await?;
    sweep_unchanged(stage, &swept).await?;
    sweep_otherwise(stage, &mut swept).await?;
    swept.registry.shutdown().await.context("stop the registry")
}

async fn sweep_unchanged(stage: &mut Stage<'_>, swept: &Swept) -> anyhow::Result<()> {
    let Swept { content, deployment, registry, .. } = swept;
    let paths = Arc::new(heads::paths(&**content)?);
    let host = registry.host();
    let connections = CONNECTIONS * stage.workers();
    stage.measured.setting("connections", connections);
    let ask = |way| heads::ask(way, &host, Arc::clone(&paths), connections, ASK);
    let first = (ask(Way::Sockets).await?, ask(Way::Library).await?);
    registry.reset_counts();
    let before = deployment.spent()?;
    let measured = stage.sweep(&deployment.url()?, registry).await?;
    let counts = registry.counts();
    stage.spending("unchanged", deployment, &before, measured.images)?;
    let second = (ask(Way::Library).await?, ask(Way::Sockets).await?);
    let heads = f64::midpoint(first.0.per_second(), second.1.per_second());
    let by_library = f64::midpoint(first.1.per_second(), second.0.per_second());
    let references = measured.unchanged as f64 / measured.seconds;
    say(&mut stage.measured, "unchanged", &measured);
    let rows = [
        ("heads-per-second", heads, "HEAD/s", Better::Neither),
        ("http-heads-per-second", by_library, "HEAD/s", Better::Neither),
        ("references-per-second", references, "references/s", Better::Higher),
        ("references-per-head", references / heads, "", Better::Higher),
        ("references-per-http-head", references / by_library, "", Better::Higher),
        ("unchanged.head-requests", counts.manifest_heads as f64, "", Better::Lower),
        ("unchanged.manifests-read", counts.manifest_gets as f64, "", Better::Lower),
        ("unchanged.blobs-read", counts.blob_gets as f64, "", Better::Lower),
    ];
    for (name, value, unit, better) in rows {
        stage.measured.figure(name, value, unit, better);
    }
    let (unchanged, all) = (measured.unchanged, measured.references - measured.skipped);
    stage.measured.must(unchanged == all, || format!("{unchanged} of {all} references were unchanged"));
    stage.measured.must(counts.blob_gets == 0, || format!("{} blobs were read", counts.blob_gets));
    Ok(())
}

/// Two new databases one after the other: one that says something new of a package that no image has, and one that says
/// something new of all.
async fn sweep_otherwise(stage: &mut Stage<'_>, swept: &mut Swept) -> anyhow::Result<()> {
    let Swept { deployment, registry, .. } = swept;
    registry.reset_counts();
    let mut sweeps = Vec::new();
    for change in [Change::Unrelated, Change::All] {
        deployment.use_database(&changed_database(&stage.strata, stage.home.path(), change)?)?;
        let before = deployment.spent()?;
        let measured = stage.sweep(&deployment.url()?, registry).await?;
        let prefix = change.prefix();
        stage.spending(prefix, deployment, &before, measured.images)?;
        say(&mut stage.measured, prefix, &measured);
        let rows = [
            ("references-assessed", measured.reported as f64),
            ("references-as-before", measured.unchanged as f64),
        ];
        for (name, value) in rows {
            stage.measured.figure(format!("{prefix}.{name}"), value, "", Better::Neither);
        }
        sweeps.push(measured);
    }
    let blobs = registry.counts().blob_gets;
    stage.measured.figure("reassess.blobs-read", blobs as f64, "", Better::Lower);
    stage.measured.must(blobs == 0, || format!("{blobs} blobs were read"));
    if let [unaffected, affected] = &sweeps[..] {
        let assessed = (unaffected.reported, affected.reported);
        stage.measured.must(assessed.0 == 0, || format!("{} images were assessed for nothing", assessed.0));
        stage.measured.must(assessed.1 > 0, || "the other database assesses none".to_owned());
        let findings = (unaffected.findings, affected.findings);
        stage.measured.must(findings.0 != findings.1, || "the other database finds the same".to_owned());
    }
    Ok(())
}

pub(super) fn say(measured: &mut Measurement, prefix: &str, sweep: &Measured) {
    let first = sweep.seconds_to_first_report.unwrap_or(sweep.seconds);
    let rows = [
        ("seconds", sweep.seconds, "s", Better::Lower),
        ("seconds-to-first-report", first, "s", Better::Lower),
        ("images", sweep.images as f64, "", Better::Neither),
        ("images-per-second", sweep.images_per_second, "images/s", Better::Higher),
        ("bytes-per-second", sweep.bytes_read as f64 / sweep.seconds / 1e6, "MB/s", Better::Higher),
    ];
    for (name, value, unit, better) in rows {
        measured.figure(format!("{prefix}.{name}"), value, unit, better);
    }
}
