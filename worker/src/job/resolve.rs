//! *resolve*: references → images with their layers, in one batch. What the cache knows costs one HEAD request.

use std::time::SystemTime;

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use strata_proto::{
    digest::Digest,
    reference::Reference,
    trace::{self, TraceHeaders},
    v1::{
        ImageFacts, NotAnImage, ResolveJob, Resolved, ResolvedImage, ResolvedLayer, ResolvedReference,
        SourceOptions, resolved_reference::Result as Outcome,
    },
};
use tracing::Instrument as _;

use crate::{
    error::JobError,
    job::base,
    measure,
    ports::{Images, InventoryCache, LayerKey, PortError, Resolution},
    source::{media, platform},
};

/// References that are resolved at once.
const CONCURRENCY: usize = 8;

/// Resolves a batch. What fails for one reference stands in its place of the answer and fails no other.
///
/// # Errors
/// When the job itself is malformed.
pub async fn resolve(
    images: &dyn Images,
    cache: &dyn InventoryCache,
    fingerprint: &str,
    scan: &str,
    job: &ResolveJob,
) -> Result<Resolved, JobError> {
    let wanted = platform::show(&platform::parse(&job.platform)?);
    let options = job.options.unwrap_or_default();
    let context = Context { images, cache, platform: &wanted, options, scan, trace: trace::inject() };
    // Boxed one by one: the compiler cannot prove of a closure over borrowed names that its futures may change threads.
    let answers: Vec<BoxFuture<'_, ResolvedReference>> = (0..)
        .zip(&job.references)
        .map(|(place, reference)| {
            // A digest that a listing told is as good as one that is asked for; anything else is not believed.
            let told = job.digests.get(place).filter(|digest| digest.parse::<Digest>().is_ok());
            let span = tracing::info_span!("reference", image = %reference);
            context.reference(reference, told.map(String::as_str)).instrument(span).boxed()
        })
        .collect();
    let mut references: Vec<ResolvedReference> = stream::iter(answers).buffered(CONCURRENCY).collect().await;
    mark_cached(cache, fingerprint, &mut references).await;
    Ok(Resolved { references, ..Resolved::default() })
}

struct Context<'a> {
    images: &'a dyn Images,
    cache: &'a dyn InventoryCache,
    platform: &'a str,
    options: SourceOptions,
    /// Whose job it is, and its trace: each image has one of its own from here on.
    scan: &'a str,
    trace: TraceHeaders,
}

impl Context<'_> {
    async fn reference(&self, reference: &str, told: Option<&str>) -> ResolvedReference {
        let start = SystemTime::now();
        let result = match self.facts(reference, told).await {
            Ok(Found::Image(facts)) => {
                let own = trace::image::context(&self.trace, self.scan, &facts.image_digest);
                let about = [("scan", self.scan), ("image", reference)];
                trace::image::step("resolve", &own, start, std::slice::from_ref(&self.trace), &about);
                Outcome::Image(image(&facts))
            }
            Ok(Found::Other(code)) => Outcome::Skipped(NotAnImage { code: code.to_owned() }),
            Err(error) => Outcome::Failure(error.to_failure()),
        };
        ResolvedReference { reference: reference.to_owned(), result: Some(result) }
    }

    async fn facts(&self, reference: &str, told: Option<&str>) -> Result<Found, JobError> {
        // Signatures and the like have no facts that the cache could know: a HEAD would be one request too many.
        let digest = match tag(reference).is_some_and(media::is_attachment_tag) {
            true => None,
            false if told.is_some() => told.map(str::to_owned),
            false => self.images.digest(reference, &self.options).await?,
        };
        if let Some(digest) = &digest {
            match self.cache.image(digest, self.platform).await {
                // Facts that an earlier version kept lack how the image is run.
                Ok(Some(facts)) if facts.run.is_some() => {
                    self.keep(reference, Some(digest), &facts).await?;
                    return Ok(Found::Image(facts));
                }
                Ok(_) => {}
                // A cache that is away costs requests, not the image.
                Err(error) => tracing::warn!(reference, %error, "asking the registry again"),
            }
        }
        // By the digest that was just told: a tag that moves meanwhile must not put one image's facts under another's name.
        let pinned = match &digest {
            Some(digest) if !reference.contains('@') => format!("{reference}@{digest}"),
            _ => reference.to_owned(),
        };
        match self.images.resolve(&pinned, self.platform, &self.options).await? {
            Resolution::Other(code) => Ok(Found::Other(code)),
            Resolution::Image(mut facts) => {
                self.mark_base(reference, &mut facts).await;
                self.keep(reference, digest.as_deref(), &facts).await?;
                Ok(Found::Image(facts))
            }
        }
    }

    /// Marks the layers of the base that the image names. What cannot be told stays unmarked and fails no image.
    async fn mark_base(&self, reference: &str, facts: &mut ImageFacts) {
        let Some(base) = base::named(reference, facts) else { return };
        match self.base(&base).await {
            Ok(Some(found)) if base::mark(facts, &found) => {}
            Ok(_) => tracing::debug!(reference, %base, "the image is not built on the base that it names"),
            Err(error) => tracing::warn!(reference, %base, %error, "the layers of the base stay unknown"),
        }
    }

    /// The facts of a base, which many images share.
    async fn base(&self, base: &Reference) -> Result<Option<ImageFacts>, JobError> {
        let digest = base.digest.map(|digest| digest.to_string()).unwrap_or_default();
        if let Ok(Some(facts)) = self.cache.image(&digest, self.platform).await {
            return Ok(Some(facts));
        }
        let reference = base.to_string();
        match self.images.resolve(&reference, self.platform, &self.options).await? {
            Resolution::Image(facts) => {
                // One that names a base of its own would be kept without the marks that it gets when it is scanned.
                if base::named(&reference, &facts).is_none() {
                    self.keep(&reference, Some(&digest), &facts).await?;
                }
                Ok(Some(facts))
            }
            Resolution::Other(_) => Ok(None),
        }
    }

    /// Keeps facts under the digest that the reference names (perhaps an index) and under the one that *assess* will
    /// ask for. On a hit as well: both must outlive the scan.
    async fn keep(&self, reference: &str, digest: Option<&str>, facts: &ImageFacts) -> Result<(), JobError> {
        let failed = |error: PortError| {
            JobError::later("cache", format!("failed to keep what was learned about {reference}: {error}"))
        };
        let own = shown(facts);
        self.cache.keep_image(&facts.image_digest, &own, facts).await.map_err(failed)?;
        if let Some(digest) = digest
            && (digest != facts.image_digest || own != self.platform)
        {
            self.cache.keep_image(digest, self.platform, facts).await.map_err(failed)?;
        }
        Ok(())
    }
}

enum Found {
    Image(ImageFacts),
    Other(&'static str),
}

/// The tag of a registry reference.
fn tag(reference: &str) -> Option<&str> {
    if reference.contains('@') {
        return None;
    }
    reference.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
}

fn shown(facts: &ImageFacts) -> String {
    platform::show(facts.platform.as_ref().unwrap_or(&strata_proto::v1::Platform::default()))
}

fn image(facts: &ImageFacts) -> ResolvedImage {
    let layers = facts.layers.iter().enumerate().map(|(place, layer)| ResolvedLayer {
        digest: layer.digest.clone(),
        size: layer.size,
        media_type: facts.media_types.get(place).cloned().unwrap_or_default(),
        cached: false,
    });
    ResolvedImage {
        image_digest: facts.image_digest.clone(),
        platform: shown(facts),
        layers: layers.collect(),
    }
}

/// Marks the layers whose inventories exist, by one question for the whole batch.
async fn mark_cached(cache: &dyn InventoryCache, fingerprint: &str, references: &mut [ResolvedReference]) {
    let mut layers: Vec<&mut ResolvedLayer> = references
        .iter_mut()
        .filter_map(|reference| match &mut reference.result {
            Some(Outcome::Image(image)) => Some(&mut image.layers),
            _ => None,
        })
        .flatten()
        .collect();
    if layers.is_empty() {
        return;
    }
    let key = |layer: &&mut ResolvedLayer| LayerKey {
        layer: layer.digest.clone(),
        fingerprint: fingerprint.to_owned(),
    };
    let keys: Vec<LayerKey> = layers.iter().map(key).collect();
    match cache.contains(&keys).await {
        Ok(known) => {
            for (layer, known) in layers.iter_mut().zip(known) {
                layer.cached = known;
                if known {
                    measure::layer_known();
                }
            }
        }
        // Then *index* finds out: a job too many, but nothing wrong.
        Err(error) => tracing::warn!(%error, "treating all layers as new"),
    }
}

#[cfg(test)]
mod tests;
