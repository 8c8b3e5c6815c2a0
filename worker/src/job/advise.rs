//! What an image would be on another base: its own layers above those of the base, squashed and assessed as any image is.
//! Nothing is built and nothing read again: both images have been analysed.

use std::collections::BTreeSet;

use bytes::Bytes;
use strata_analysis::{model::Inventory, rebase};
use strata_proto::v1;

use crate::{
    compute,
    error::JobError,
    job::{Context, assess, parts, patiently},
    ports::LayerKey,
    source::platform,
    wire,
};

/// An image that does not exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// What its report would be. It has no digest.
    pub report: v1::Report,
    /// Package formats whose databases the image's own layers write and the base does not have.
    pub foreign: BTreeSet<String>,
}

/// Predicts the report of an image whose lowest `base` layers are replaced by those of another image.
///
/// # Errors
/// When the analyses of their layers are not in the cache, or there is no advisory database.
pub async fn predict(
    context: &Context,
    image: &v1::Report,
    base: usize,
    onto: &v1::Report,
) -> Result<Predicted, JobError> {
    let own = inventories(context, image).await?;
    let new = inventories(context, onto).await?;
    let database = context.advisories.database(&image.database_digest).await?;
    let database = database.ok_or_else(|| assess::no_database(&image.database_digest))?;
    let mut facts = v1::ImageFacts {
        platform: image.platform.clone(),
        labels: image.labels.clone(),
        run: image.run.clone().map(Box::new),
        ..v1::ImageFacts::default()
    };
    facts.layers = onto.layers.iter().map(|layer| v1::Layer { base: true, ..layer.clone() }).collect();
    facts.layers.extend(image.layers.iter().skip(base).cloned());
    let (java, fingerprint) = (context.java_index.clone(), context.report_fingerprint());
    let work = move || {
        let (own, mut new): (Vec<Inventory>, Vec<Inventory>) = (decoded(&own)?, decoded(&new)?);
        let below: Vec<&Inventory> = new.iter().collect();
        let rebased = rebase::rebase(&own.iter().collect::<Vec<_>>(), base, &below);
        new.extend(rebased.layers);
        let (report, _) = assess::assessed(
            &facts,
            &new.iter().collect::<Vec<_>>(),
            &database,
            java.as_deref(),
            fingerprint,
        )?;
        Ok(Predicted { report, foreign: rebased.foreign })
    };
    compute::run(&image.image_digest, work).await?
}

pub(super) fn decoded(packed: &[Bytes]) -> Result<Vec<Inventory>, JobError> {
    packed.iter().map(|bytes| wire::decode(bytes)).collect()
}

async fn inventories(context: &Context, report: &v1::Report) -> Result<Vec<Bytes>, JobError> {
    let packed = kept(context, report).await?;
    let known = packed.len();
    let packed: Vec<Bytes> = packed.into_iter().flatten().collect();
    if packed.len() < known {
        let message = format!(
            "failed to combine the layers of {}: the analyses of {} of them are not in the cache any more",
            report.image_digest,
            known - packed.len()
        );
        return Err(JobError::never("missing", message));
    }
    Ok(packed)
}

/// The analyses of a report's layers, as far as the cache has them.
pub(super) async fn kept(context: &Context, report: &v1::Report) -> Result<Vec<Option<Bytes>>, JobError> {
    let key = |layer: String| LayerKey { layer, fingerprint: context.fingerprint.clone() };
    let keys: Vec<LayerKey> = report.layers.iter().map(|layer| key(layer.digest.clone())).collect();
    let mut kept = patiently(|| context.cache.read(&keys)).await?;
    if context.in_parts.is_none() {
        return Ok(kept);
    }
    // A report does not say which of its layers were read in parts.
    let platform = report.platform.as_ref().map(platform::show).unwrap_or_default();
    let facts = patiently(|| context.cache.image(&report.image_digest, &platform)).await?;
    let facts = facts.filter(|facts| facts.layers.len() == report.layers.len()).unwrap_or_default();
    let keys: Vec<LayerKey> = parts::identities(&facts).map(key).collect();
    for (kept, in_parts) in kept.iter_mut().zip(patiently(|| context.cache.read(&keys)).await?) {
        *kept = in_parts.or(kept.take());
    }
    Ok(kept)
}
