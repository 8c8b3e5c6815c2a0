//! Manifests and indexes: their JSON, what kind of document it is, and what an image manifest really holds.
//! Small structs of our own, lenient about what they do not need (OCI image specification; Docker v2 schema 2).

use std::collections::BTreeMap;

use serde::Deserialize;
use strata_proto::{digest::Digest, v1::Platform};

use super::{
    media,
    media::{DocumentKind, LayerKind},
    platform,
};
use crate::error::JobError;

/// Entries of an index; more are refused.
const MAX_ENTRIES: usize = 10_000;
/// Layers of an image; more are refused. Builders stop at 127.
const MAX_LAYERS: usize = 1_000;

/// A descriptor: what a document says about another one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Descriptor {
    /// Media type; empty where the document gives none.
    pub media_type: String,
    /// Digest as written: not checked yet.
    pub digest: String,
    /// Size in bytes.
    pub size: u64,
    /// Platform, in an index.
    pub platform: Option<RawPlatform>,
    /// Annotations.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Artifact type, in an index.
    pub artifact_type: Option<String>,
}

/// A platform as an index or a configuration writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawPlatform {
    /// Operating system.
    pub os: String,
    /// Architecture, Go's name.
    pub architecture: String,
    /// Variant of the architecture.
    pub variant: String,
}

impl RawPlatform {
    /// In its one spelling.
    #[must_use]
    pub fn normal(&self) -> Platform {
        platform::normal(&self.os, &self.architecture, &self.variant)
    }
}

impl Descriptor {
    /// The digest, checked.
    ///
    /// # Errors
    /// When it is not a sha256 digest.
    pub fn digest(&self, what: &str) -> Result<Digest, JobError> {
        self.digest.parse().map_err(|error| {
            JobError::never("malformed", format!("failed to read the manifest of {what}: {error}"))
        })
    }

    /// Whether the entry of an index is an attestation of another entry rather than an image (BuildKit).
    #[must_use]
    pub fn is_attestation(&self) -> bool {
        self.annotation("vnd.docker.reference.type") == Some("attestation-manifest")
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

/// A manifest or an index.
#[derive(Debug, Clone)]
pub enum Document {
    /// An image.
    Image(Box<ImageManifest>),
    /// A list of manifests.
    Index(Vec<Descriptor>),
    /// Not an image: the code of a [`Resolution::Other`](crate::ports::Resolution::Other).
    Other(&'static str),
}

/// An image manifest all of whose layers are tars.
#[derive(Debug, Clone)]
pub struct ImageManifest {
    /// The configuration.
    pub config: Descriptor,
    /// Layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

impl ImageManifest {
    /// The layers that their distributor may keep elsewhere.
    pub fn foreign(&self) -> impl Iterator<Item = &Descriptor> {
        self.layers.iter().filter(|layer| media::layer(&layer.media_type) == LayerKind::Foreign)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: Option<u32>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    manifests: Option<Vec<Descriptor>>,
    // Only whether they are there: Docker's first format, and OCI's withdrawn artifact manifest.
    fs_layers: Option<serde::de::IgnoredAny>,
    blobs: Option<serde::de::IgnoredAny>,
}

/// Reads a manifest or an index. `content_type` is what its server called it, where there was one.
///
/// # Errors
/// When it is no JSON, could be read in two ways, is of a format that this build does not read, or is too long.
pub fn parse(body: &[u8], content_type: &str, what: &str) -> Result<Document, JobError> {
    let malformed = |reason: &str| {
        JobError::never("malformed", format!("failed to read the manifest of {what}: {reason}"))
    };
    let raw: Raw = serde_json::from_slice(body)
        .map_err(|error| malformed(&format!("it is not the JSON of a manifest: {error}")))?;
    let media_type = raw.media_type.as_deref().unwrap_or(content_type);
    let named = media::document(media_type);
    if named == DocumentKind::Schema1
        || raw.schema_version == Some(1)
        || (raw.fs_layers.is_some() && raw.layers.is_none())
    {
        return Err(JobError::never(
            "unsupported",
            format!(
                "failed to read the manifest of {what}: Docker's schema 1 is not supported; push the image again with a current tool"
            ),
        ));
    }
    let is_list = raw.manifests.is_some();
    let is_image = raw.config.is_some() || raw.layers.is_some();
    if is_list && is_image {
        // Two readers could see two different images in such a document.
        return Err(malformed("it is a manifest and an index at once"));
    }
    match named {
        DocumentKind::Index if is_image => {
            return Err(malformed("it calls itself an index but is a manifest"));
        }
        DocumentKind::Manifest if is_list => {
            return Err(malformed("it calls itself a manifest but is an index"));
        }
        DocumentKind::Unknown if !media_type.is_empty() && !is_list && !is_image && raw.blobs.is_none() => {
            let shown: String = media_type.chars().take(100).collect();
            return Err(JobError::never(
                "unsupported",
                format!(
                    "failed to read the manifest of {what}: the media type `{shown}` is not one of an image"
                ),
            ));
        }
        _ => {}
    }
    if let Some(entries) = raw.manifests {
        limit(entries.len(), MAX_ENTRIES, "entries", what)?;
        return Ok(Document::Index(entries));
    }
    match (raw.config, raw.layers) {
        (Some(config), Some(layers)) => {
            limit(layers.len(), MAX_LAYERS, "layers", what)?;
            let mut document = classify(raw.artifact_type.as_deref(), config, layers, what)?;
            if let Document::Image(image) = &mut document {
                image.annotations = raw.annotations.unwrap_or_default();
            }
            Ok(document)
        }
        _ if raw.blobs.is_some() => {
            Ok(Document::Other(raw.artifact_type.as_deref().and_then(media::other).unwrap_or("artifact")))
        }
        _ => Err(malformed("it names no configuration and layers, and no manifests")),
    }
}

fn limit(count: usize, max: usize, things: &str, what: &str) -> Result<(), JobError> {
    if count <= max {
        return Ok(());
    }
    Err(JobError::never(
        "limit",
        format!("failed to read the manifest of {what}: it has {count} {things}, more than {max}"),
    ))
}

/// An image, or what has only the form of one. The content decides, never a tag: whoever names an image like a
/// signature must not hide it.
fn classify(
    artifact_type: Option<&str>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    what: &str,
) -> Result<Document, JobError> {
    let kinds: Vec<LayerKind> = layers.iter().map(|layer| media::layer(&layer.media_type)).collect();
    let readable = |kind: &LayerKind| matches!(kind, LayerKind::Tar | LayerKind::Foreign);
    if media::is_config(&config.media_type) {
        if kinds.iter().all(readable) {
            let annotations = BTreeMap::new();
            return Ok(Document::Image(Box::new(ImageManifest { config, layers, annotations })));
        }
        if let Some(LayerKind::Other(code)) =
            kinds.first().filter(|_| kinds.iter().all(|kind| matches!(kind, LayerKind::Other(_))))
        {
            return Ok(Document::Other(code));
        }
        if artifact_type.is_none() {
            return unreadable(&layers, &kinds, what);
        }
    }
    let of_layers = kinds.iter().find_map(|kind| match kind {
        LayerKind::Other(code) => Some(*code),
        _ => None,
    });
    let code =
        artifact_type.and_then(media::other).or_else(|| media::other(&config.media_type)).or(of_layers);
    Ok(Document::Other(code.unwrap_or("artifact")))
}

fn unreadable(layers: &[Descriptor], kinds: &[LayerKind], what: &str) -> Result<Document, JobError> {
    let (layer, _) = layers
        .iter()
        .zip(kinds)
        .find(|(_, kind)| matches!(kind, LayerKind::Unknown))
        .or_else(|| layers.iter().zip(kinds).next_back())
        .unzip();
    let (digest, media_type) =
        layer.map_or(("", ""), |layer| (layer.digest.as_str(), layer.media_type.as_str()));
    let (digest, media_type): (String, String) =
        (digest.chars().take(80).collect(), media_type.chars().take(100).collect());
    Err(JobError::never(
        "unsupported",
        format!(
            "failed to read the layers of {what}: layer {digest} has the media type `{media_type}`, which is not supported"
        ),
    ))
}

#[cfg(test)]
mod tests;
