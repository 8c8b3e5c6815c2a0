//! The same cold sweep with one worker, two and four: what each adds where the machine has room for it. It has none where all
//! cores are in use already (`cores-in-use`): with `--latency-ms` workers wait, as they do for a registry that is far away, and
//! then it shows whether anything else than processors is short.

use anyhow::Context as _;

use super::{Deployment, Stage};
use crate::drive::result::Better;

pub(super) async fn scaling(stage: &mut Stage<'_>) -> anyhow::Result<()> {
    let mut one = None;
    for workers in [1_u32, 2, 4] {
        let content = stage.content();
        // Nobody knows anything yet: each has an archive, a queue and a cache of its own.
        let deployment = Deployment::start(&stage.strata, &stage.database()?, usize::try_from(workers)?)?;
        let registry = stage.registry(&content).await?;
        let before = deployment.spent()?;
        let measured = stage.sweep(&deployment.url()?, &registry).await?;
        let name = format!("workers-{workers}");
        stage.spending(&name, &deployment, &before, measured.images)?;
        let spent: f64 = deployment.spent()?.since(&before).iter().map(|(_, seconds)| seconds).sum();
        let rate = measured.images_per_second;
        let first = *one.get_or_insert(rate);
        stage.measured.figure(format!("{name}.cores-in-use"), spent / measured.seconds, "", Better::Neither);
        stage.measured.figure(format!("{name}.images-per-second"), rate, "images/s", Better::Higher);
        stage.measured.figure(format!("{name}.times-one"), rate / first, "", Better::Higher);
        registry.shutdown().await.context("stop the registry")?;
    }
    Ok(())
}
