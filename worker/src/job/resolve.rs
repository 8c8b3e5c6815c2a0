//! *resolve*: references → images with their layers, in one batch. What the cache knows costs one HEAD request.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    time::SystemTime,
};

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
    job::{base, parts},
    measure,
    ports::{Images, InventoryCache, LayerKey, PortError, Resolution},
    precedence::Turn,
    source::{media, platform},
};

/// References that are resolved at once.
const CONCURRENCY: usize = 16;

/// Resolves a batch, with the tables of layers that may be read in parts where `in_parts` says so. What fails for one reference stands in its place of the answer and fails no other.
///
/// # Errors
/// When the job itself is malformed.
pub async fn resolve(
    images: &dyn Images,
    cache: &dyn InventoryCache,
    turn: &Turn,
    (fingerprint, in_parts): (&str, bool),
    scan: &str,
    job: &ResolveJob,
) -> Result<Resolved, JobError> {
    let wanted = platform::show(&platform::parse(&job.platform)?);
    let options = job.options.unwrap_or_default();
    let trace = trace::inject();
    let context = Context { images, cache, turn, platform: &wanted, options, in_parts, scan, trace };
    // Boxed one by one: the compiler cannot prove of a closure over borrowed names that its futures may change threads.
    let questions: Vec<BoxFuture<'_, Asked<'_>>> = (0..)
        .zip(&job.references)
        .map(|(place, reference)| {
            // A digest that a listing told is as good as one that is asked for; anything else is not believed.
            let told = job.digests.get(place).filter(|digest| digest.parse::<Digest>().is_ok());
            // Whatever is said within names the image.
            let span = tracing::info_span!("reference", image = %reference);
            context.ask(reference, told.map(String::as_str)).instrument(span).boxed()
        })
        .collect();
    let asked: Vec<Asked<'_>> = stream::iter(questions).buffered(CONCURRENCY).collect().await;
    let known = context.known(&asked).await;
    let answers: Vec<BoxFuture<'_, ResolvedReference>> = asked
        .into_iter()
        .map(|asked| {
            let span = tracing::info_span!("reference", image = %asked.reference);
            context.answer(asked, &known).instrument(span).boxed()
        })
        .collect();
    let mut references: Vec<ResolvedReference> = stream::iter(answers).buffered(CONCURRENCY).collect().await;
    mark_cached(cache, fingerprint, &mut references).await;
    Ok(Resolved { references, ..Resolved::default() })
}

struct Context<'a> {
    images: &'a dyn Images,
    cache: &'a dyn InventoryCache,
    /// Each reference makes way by itself: all of a batch at once would be what others meet.
    turn: &'a Turn,
    platform: &'a str,
    options: SourceOptions,
    in_parts: bool,
    /// Whose job it is, and its trace: each image has one of its own from here on.
    scan: &'a str,
    trace: TraceHeaders,
}

/// A reference and the digest that it names now, where that could be told without reading.
struct Asked<'a> {
    reference: &'a str,
    start: SystemTime,
    digest: Result<Option<String>, JobError>,
}

/// What the cache knows of a batch, by digest.
type Known = HashMap<String, ImageFacts>;

impl Context<'_> {
    async fn ask<'a>(&self, reference: &'a str, told: Option<&str>) -> Asked<'a> {
        let start = SystemTime::now();
        // Signatures and the like have no facts that the cache could know: a HEAD would be one request too many.
        let digest = match tag(reference).is_some_and(media::is_attachment_tag) {
            true => Ok(None),
            false if told.is_some() => Ok(told.map(str::to_owned)),
            false => {
                self.turn.another().pause().await;
                self.images.digest(reference, &self.options).await
            }
        };
        Asked { reference, start, digest }
    }

    /// Asks the cache for all images of the batch at once, and sees to it that what it knows outlives the scan.
    async fn known(&self, asked: &[Asked<'_>]) -> Known {
        let digests = asked.iter().filter_map(|one| one.digest.as_ref().ok()?.as_deref());
        let digests: BTreeSet<&str> = digests.collect();
        let keys: Vec<(&str, &str)> = digests.iter().map(|digest| (*digest, self.platform)).collect();
        if keys.is_empty() {
            return Known::new();
        }
        let found = match self.cache.images(&keys).await {
            Ok(found) => found,
            // A cache that is away costs requests, not the image.
            Err(error) => {
                tracing::warn!(images = keys.len(), %error, "asking the registry again");
                return Known::new();
            }
        };
        let named = digests.into_iter().zip(found).filter_map(|(digest, facts)| {
            // Facts that an earlier version kept lack how the image is run, and tables.
            let is_whole =
                |facts: &ImageFacts| facts.run.is_some() && (!self.in_parts || parts::are_told(facts));
            Some((digest.to_owned(), facts.filter(is_whole)?))
        });
        let mut known: Known = named.collect();
        self.keep_known(&mut known).await;
        known
    }

    /// What was just read lives on. Where that was found under an index, *assess* will ask for it under another name, which must
    /// live on as well. What cannot be kept is resolved again.
    async fn keep_known(&self, known: &mut Known) {
        let elsewhere: Vec<(String, String, ImageFacts)> = known
            .iter()
            .map(|(digest, facts)| (digest, shown(facts), facts))
            .filter(|(digest, own, facts)| **digest != facts.image_digest || *own != self.platform)
            .map(|(digest, own, facts)| (digest.clone(), own, facts.clone()))
            .collect();
        if elsewhere.is_empty() {
            return;
        }
        let keys: Vec<(&str, &str)> =
            elsewhere.iter().map(|(_, own, facts)| (facts.image_digest.as_str(), own.as_str())).collect();
        let there = self.cache.images(&keys).await.unwrap_or_else(|_| vec![None; keys.len()]);
        for ((digest, own, facts), there) in elsewhere.iter().zip(there) {
            if there.as_ref() == Some(facts) {
                continue;
            }
            if let Err(error) = self.cache.keep_image(&facts.image_digest, own, facts).await {
                tracing::warn!(image = facts.image_digest, %error, "asking the registry again");
                known.remove(digest);
            }
        }
    }

    async fn answer(&self, asked: Asked<'_>, known: &Known) -> ResolvedReference {
        let Asked { reference, start, digest } = asked;
        let named = digest.as_ref().ok().cloned().flatten();
        let found = match digest {
            Ok(digest) => self.facts(reference, digest, known).await,
            Err(error) => Err(error),
        };
        let result = match found {
            Ok(Found::Image(facts)) => {
                let facts = facts.as_ref();
                let own = trace::image::context(&self.trace, self.scan, &facts.image_digest);
                let about = [("scan", self.scan), ("image", reference)];
                trace::image::step("resolve", &own, start, std::slice::from_ref(&self.trace), &about);
                Outcome::Image(image(facts, named, self.in_parts))
            }
            Ok(Found::Other(code)) => Outcome::Skipped(NotAnImage { code: code.to_owned() }),
            Err(error) => Outcome::Failure(error.to_failure()),
        };
        ResolvedReference { reference: reference.to_owned(), result: Some(result) }
    }

    async fn facts<'k>(
        &self,
        reference: &str,
        digest: Option<String>,
        known: &'k Known,
    ) -> Result<Found<'k>, JobError> {
        if let Some(facts) = digest.as_ref().and_then(|digest| known.get(digest)) {
            return Ok(Found::Image(Cow::Borrowed(facts)));
        }
        // By the digest that was just told: a tag that moves meanwhile must not put one image's facts under another's name.
        let pinned = match &digest {
            Some(digest) if !reference.contains('@') => format!("{reference}@{digest}"),
            _ => reference.to_owned(),
        };
        self.turn.another().pause().await;
        match self.images.resolve(&pinned, self.platform, &self.options).await? {
            Resolution::Other(code) => Ok(Found::Other(code)),
            Resolution::Image(mut facts) => {
                self.mark_base(reference, &mut facts).await;
                self.keep(reference, digest.as_deref(), &facts).await?;
                Ok(Found::Image(Cow::Owned(facts)))
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

    /// Keeps facts under the digest that the reference names (perhaps an index) and under the one that *assess* will ask for.
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

#[expect(clippy::large_enum_variant, reason = "most references are images")]
enum Found<'k> {
    Image(Cow<'k, ImageFacts>),
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

fn image(facts: &ImageFacts, named: Option<String>, in_parts: bool) -> ResolvedImage {
    let layers = facts.layers.iter().enumerate().map(|(place, layer)| ResolvedLayer {
        digest: layer.digest.clone(),
        size: layer.size,
        media_type: facts.media_types.get(place).cloned().unwrap_or_default(),
        cached: false,
        table: parts::table(facts, place).filter(|_| in_parts).cloned(),
    });
    ResolvedImage {
        image_digest: facts.image_digest.clone(),
        platform: shown(facts),
        layers: layers.collect(),
        index_digest: named.filter(|named| *named != facts.image_digest).unwrap_or_default(),
    }
}

/// Marks the layers whose inventories exist, by one question for the whole batch, in which each layer is named once: images share
/// their bases.
async fn mark_cached(cache: &dyn InventoryCache, fingerprint: &str, references: &mut [ResolvedReference]) {
    let mut layers: Vec<&mut ResolvedLayer> = references
        .iter_mut()
        .filter_map(|reference| match &mut reference.result {
            Some(Outcome::Image(image)) => Some(&mut image.layers),
            _ => None,
        })
        .flatten()
        .collect();
    let identity = |layer: &ResolvedLayer| parts::identity(&layer.digest, layer.table.as_ref());
    let distinct: BTreeSet<String> = layers.iter().map(|layer| identity(layer)).collect();
    if distinct.is_empty() {
        return;
    }
    let key = |layer: String| LayerKey { layer, fingerprint: fingerprint.to_owned() };
    let keys: Vec<LayerKey> = distinct.into_iter().map(key).collect();
    match cache.contains(&keys).await {
        Ok(found) => {
            let known: HashSet<&str> = keys
                .iter()
                .zip(found)
                .filter(|(_, found)| *found)
                .map(|(key, _)| key.layer.as_str())
                .collect();
            for layer in &mut layers {
                layer.cached = known.contains(identity(layer).as_str());
            }
            measure::layers_known(layers.iter().filter(|layer| layer.cached).count());
        }
        // Then *index* finds out: a job too many, but nothing wrong.
        Err(error) => tracing::warn!(%error, "treating all layers as new"),
    }
}

#[cfg(test)]
mod tests;
