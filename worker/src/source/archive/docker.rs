//! Docker-archives: `manifest.json` names the images of the archive, each with its configuration and layers
//! (Docker image specification 1.2; what `docker save`, skopeo and kaniko write). Such an image has no manifest of
//! its own: the digest of its configuration is its identity, and its layers go by their diff_ids.

use serde::Deserialize;
use strata_proto::{digest::Digest, v1::ImageFacts};

use super::{name::Selector, store::Store};
use crate::{
    error::JobError,
    source::facts::{self, LayerEntry},
};

/// The member that lists the images.
pub(super) const LIST: &str = "manifest.json";
const MAX_LIST: usize = 8 << 20;
const MAX_CONFIG: usize = 8 << 20;
const MAX_IMAGES: usize = 10_000;
const MAX_LAYERS: usize = 1_000;
const MEDIA_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// One image of the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// All images of an archive. Blocks.
///
/// # Errors
/// When the list is missing or malformed, or names no image.
pub(super) fn entries(store: &Store) -> Result<Vec<Entry>, JobError> {
    let path = store.path().display();
    let bytes = store.read(LIST, MAX_LIST)?;
    let entries: Vec<Entry> = serde_json::from_slice(&bytes).map_err(|error| {
        JobError::never(
            "malformed",
            format!("failed to read {LIST} of {path}: it is no list of images: {error}"),
        )
    })?;
    let is_long = |entry: &Entry| entry.layers.as_ref().is_some_and(|layers| layers.len() > MAX_LAYERS);
    if entries.len() > MAX_IMAGES || entries.iter().any(is_long) {
        return Err(JobError::never(
            "limit",
            format!(
                "failed to read {LIST} of {path}: it names more than {MAX_IMAGES} images, or {MAX_LAYERS} layers"
            ),
        ));
    }
    if entries.is_empty() {
        return Err(JobError::never("malformed", format!("failed to read {path}: it holds no image")));
    }
    Ok(entries)
}

/// The endings of references that name each image: the first name that no other image has, else the place.
#[must_use]
pub(super) fn selectors(entries: &[Entry]) -> Vec<String> {
    let count = |name: &str| entries.iter().filter(|entry| entry.has(name)).count();
    let names = entries.iter().enumerate().map(|(index, entry)| {
        let own = entry.repo_tags.iter().flatten().find(|name| count(name) == 1);
        own.map_or_else(|| format!("@{index}"), |name| format!(":{name}"))
    });
    names.collect()
}

/// The image that a selector names.
///
/// # Errors
/// When there is none, or more than one.
pub(super) fn select<'a>(
    store: &Store,
    entries: &'a [Entry],
    selector: &Selector,
) -> Result<&'a Entry, JobError> {
    let path = store.path().display();
    let missing = |what: String| {
        let mut known = selectors(entries);
        known.truncate(20);
        JobError::never("not-found", format!("failed to read {path}: {what}; it holds {}", known.join(", ")))
    };
    match selector {
        Selector::Only => match entries {
            [only] => Ok(only),
            _ => Err(missing(format!("it holds {} images and the reference names none", entries.len()))),
        },
        Selector::Name(name) => {
            let wanted = entries.iter().find(|entry| entry.has(name));
            wanted.ok_or_else(|| missing(format!("it holds no image {name}")))
        }
        Selector::Index(index) => {
            entries.get(*index).ok_or_else(|| missing(format!("it holds no image number {index}")))
        }
        Selector::Digest(digest) => Err(missing(format!("an image of it has no digest {digest}"))),
    }
}

impl Entry {
    fn has(&self, name: &str) -> bool {
        self.repo_tags.iter().flatten().any(|tag| tag == name)
    }

    /// The image's facts. Blocks.
    ///
    /// # Errors
    /// When the configuration or a layer is missing, or they do not agree.
    pub(super) fn facts(&self, store: &Store, what: &str) -> Result<ImageFacts, JobError> {
        let config = store.read(&self.config, MAX_CONFIG)?;
        if let Some(promised) = digest_in_name(&self.config) {
            crate::source::walk::verify(&config, &promised, what, "configuration")?;
        }
        let mut layers = Vec::new();
        for name in self.layers.iter().flatten() {
            let size = store.part(name)?.size();
            layers.push(LayerEntry { digest: None, size, media_type: MEDIA_TYPE.to_owned(), table: None });
        }
        facts::facts(what, None, &config, &layers)
    }

    /// The member that holds the layer with this diff_id. Blocks.
    ///
    /// # Errors
    /// When the image has no such layer.
    pub(super) fn layer(&self, store: &Store, what: &str, digest: &Digest) -> Result<&str, JobError> {
        let facts = self.facts(store, what)?;
        let digest = digest.to_string();
        let place = facts.layers.iter().position(|layer| layer.diff_id == digest);
        let name = place.and_then(|place| self.layers.as_ref()?.get(place));
        name.map(String::as_str).ok_or_else(|| {
            JobError::never(
                "not-found",
                format!("failed to read layer {digest} of {what}: the image has no such layer"),
            )
        })
    }
}

/// The digest that a configuration's member is named after: `<hex>.json`, `sha256:<hex>`, `blobs/sha256/<hex>`.
fn digest_in_name(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let last = last.strip_suffix(".json").unwrap_or(last);
    let hex = last.strip_prefix("sha256:").unwrap_or(last);
    format!("sha256:{hex}").parse().ok()
}
