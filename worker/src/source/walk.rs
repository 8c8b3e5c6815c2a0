//! From the document that a reference names to an image's facts, through indexes and their platforms. Registries
//! and OCI layouts share this way; they differ in where documents come from.

use async_trait::async_trait;
use bytes::Bytes;
use strata_proto::{
    digest::Digest,
    v1::{ImageFacts, Platform},
};

use super::{
    facts::{self, LayerEntry},
    manifest::{self, Descriptor, Document, ImageManifest},
    media, platform, table,
};
use crate::{error::JobError, ports::Resolution};

/// Indexes within indexes.
const MAX_DEPTH: u32 = 4;
/// Documents that are read for one reference.
const MAX_DOCUMENTS: u32 = 16;

/// A manifest or index as it was read.
pub struct Fetched {
    /// Its bytes.
    pub body: Bytes,
    /// What its server called it; empty where there is none.
    pub content_type: String,
}

/// Where documents come from.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Reads a manifest or index by digest.
    async fn manifest(&self, digest: &Digest) -> Result<Fetched, JobError>;
    /// Reads a configuration by digest.
    async fn config(&self, digest: &Digest) -> Result<Bytes, JobError>;
    /// Whether a layer can be had from here.
    async fn has_layer(&self, digest: &Digest) -> Result<bool, JobError>;
}

/// What is asked for.
pub struct Wanted<'a> {
    /// The reference, for messages.
    pub what: &'a str,
    /// The tag, where the reference has one.
    pub tag: Option<&'a str>,
    /// The platform to choose from an index.
    pub platform: &'a Platform,
}

struct Step {
    descriptor: Descriptor,
    depth: u32,
    // Nothing said so far which platform it is for.
    open: bool,
}

struct Walk<'a> {
    documents: &'a dyn Documents,
    wanted: &'a Wanted<'a>,
    // The next one last.
    steps: Vec<Step>,
    available: Vec<String>,
    other: Option<&'static str>,
}

/// Follows a document to the image of the wanted platform. A lone manifest is that image whatever its platform:
/// there is nothing to choose.
///
/// # Errors
/// When a document cannot be read, is malformed, or no entry serves the platform.
pub async fn walk(
    documents: &dyn Documents,
    wanted: &Wanted<'_>,
    root: Fetched,
) -> Result<Resolution, JobError> {
    let mut walk = Walk { documents, wanted, steps: Vec::new(), available: Vec::new(), other: None };
    if let Some(found) = walk.open(root, 0, false).await? {
        return Ok(found);
    }
    for _ in 0..MAX_DOCUMENTS {
        let Some(step) = walk.steps.pop() else { return walk.nothing() };
        let digest = step.descriptor.digest(wanted.what)?;
        let fetched = documents.manifest(&digest).await?;
        verify(&fetched.body, &digest, wanted.what, "manifest")?;
        if let Some(found) = walk.open(fetched, step.depth, step.open).await? {
            return Ok(found);
        }
    }
    Err(JobError::never(
        "limit",
        format!(
            "failed to choose an image of {}: more than {MAX_DOCUMENTS} manifests had to be read",
            wanted.what
        ),
    ))
}

/// The platforms that an index names, in its order, each once; empty where the document is no index.
///
/// # Errors
/// When the document is malformed.
pub fn platforms(root: &Fetched, what: &str) -> Result<Vec<String>, JobError> {
    let Document::Index(entries) = manifest::parse(&root.body, &root.content_type, what)? else {
        return Ok(Vec::new());
    };
    let mut platforms = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.is_attestation()) {
        let Some(offered) = entry.platform.as_ref().map(manifest::RawPlatform::normal) else { continue };
        let shown = platform::show(&offered);
        if offered.os != "unknown" && offered.architecture != "unknown" && !platforms.contains(&shown) {
            platforms.push(shown);
        }
    }
    Ok(platforms)
}

impl Walk<'_> {
    async fn open(
        &mut self,
        fetched: Fetched,
        depth: u32,
        open: bool,
    ) -> Result<Option<Resolution>, JobError> {
        let what = self.wanted.what;
        match manifest::parse(&fetched.body, &fetched.content_type, what)? {
            Document::Image(image) => {
                let facts = self.image(Digest::of(&fetched.body), &image).await?;
                let offered = facts.platform.clone().unwrap_or_default();
                if open && platform::score(self.wanted.platform, &offered).is_none() {
                    self.available.push(platform::show(&offered));
                    return Ok(None);
                }
                Ok(Some(Resolution::Image(facts)))
            }
            Document::Other(code) if depth == 0 => Ok(Some(Resolution::Other(code))),
            Document::Other(code) => {
                self.other = Some(code);
                Ok(None)
            }
            Document::Index(entries) => {
                if depth >= MAX_DEPTH {
                    return Err(JobError::never(
                        "limit",
                        format!("failed to read the index of {what}: it nests deeper than {MAX_DEPTH}"),
                    ));
                }
                let is_referrers = depth == 0
                    && self.wanted.tag.is_some_and(media::is_attachment_tag)
                    && entries.iter().all(|entry| entry.platform.is_none());
                if is_referrers {
                    return Ok(Some(Resolution::Other("referrers-index")));
                }
                self.choose(entries, depth + 1);
                Ok(None)
            }
        }
    }

    /// The entry that serves the platform best, else those that do not say which platform they are for.
    fn choose(&mut self, entries: Vec<Descriptor>, depth: u32) {
        let mut best: Option<(u32, Descriptor)> = None;
        let mut silent = Vec::new();
        for entry in entries.into_iter().filter(|entry| !entry.is_attestation()) {
            let Some(offered) = entry.platform.as_ref().map(manifest::RawPlatform::normal) else {
                silent.push(entry);
                continue;
            };
            if offered.os == "unknown" || offered.architecture == "unknown" {
                continue;
            }
            match platform::score(self.wanted.platform, &offered) {
                // The first of equals: an index lists its preferred entry first.
                Some(score) if best.as_ref().is_none_or(|(high, _)| score > *high) => {
                    best = Some((score, entry))
                }
                Some(_) => {}
                None => self.available.push(platform::show(&offered)),
            }
        }
        match best {
            Some((_, descriptor)) => self.steps.push(Step { descriptor, depth, open: false }),
            None => {
                silent.reverse();
                let steps = silent.into_iter().map(|descriptor| Step { descriptor, depth, open: true });
                self.steps.extend(steps);
            }
        }
    }

    async fn image(&self, digest: Digest, image: &ImageManifest) -> Result<ImageFacts, JobError> {
        let what = self.wanted.what;
        let config_digest = image.config.digest(what)?;
        let config = self.documents.config(&config_digest).await?;
        verify(&config, &config_digest, what, "configuration")?;
        for layer in image.foreign() {
            // The addresses that a manifest gives for such a layer are never followed.
            let digest = layer.digest(what)?;
            if !self.documents.has_layer(&digest).await? {
                return Err(JobError::never(
                    "foreign-layer",
                    format!(
                        "failed to read layer {digest} of {what}: it is kept outside the registry, and addresses in manifests are not followed"
                    ),
                ));
            }
        }
        let mut layers = Vec::with_capacity(image.layers.len());
        for layer in &image.layers {
            layers.push(LayerEntry {
                digest: Some(layer.digest(what)?),
                size: layer.size,
                media_type: layer.media_type.clone(),
                table: table::of(layer),
            });
        }
        let mut facts = facts::facts(what, Some(digest), &config, &layers)?;
        facts::annotate(&mut facts, &image.annotations);
        Ok(facts)
    }

    fn nothing(mut self) -> Result<Resolution, JobError> {
        if let (Some(code), true) = (self.other, self.available.is_empty()) {
            return Ok(Resolution::Other(code));
        }
        self.available.sort();
        self.available.dedup();
        let wanted = platform::show(self.wanted.platform);
        let mut offered = self.available.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
        if offered.is_empty() {
            "none".clone_into(&mut offered);
        }
        Err(JobError::never(
            "no-platform",
            format!(
                "failed to choose an image of {}: there is none for {wanted}; available: {offered}",
                self.wanted.what
            ),
        ))
    }
}

/// Whether bytes are what their digest promised.
///
/// # Errors
/// When they are not.
pub fn verify(body: &[u8], digest: &Digest, what: &str, thing: &str) -> Result<(), JobError> {
    let found = Digest::of(body);
    if found == *digest {
        return Ok(());
    }
    Err(JobError::never(
        "digest-mismatch",
        format!("failed to read the {thing} of {what}: its content has the digest {found}, not {digest}"),
    ))
}

#[cfg(test)]
mod tests;
