//! OCI image layouts: `index.json` and `blobs/sha256/<hex>` (OCI image specification, image layout), in a directory
//! or a tar.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use strata_proto::digest::Digest;

use super::{blocking, name::Selector, store::Store};
use crate::{
    error::JobError,
    source::{
        manifest::Descriptor,
        media::{self, DocumentKind},
        walk::{self, Documents, Fetched},
    },
};

/// The member that marks a layout.
pub(super) const MARK: &str = "oci-layout";
const INDEX: &str = "index.json";
const MAX_INDEX: usize = 4 << 20;
const MAX_MANIFEST: usize = 4 << 20;
const MAX_CONFIG: usize = 8 << 20;
const MAX_IMAGES: usize = 10_000;

/// The annotation that names an image of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The same as containerd writes it, with the repository.
const FULL_NAME: &str = "io.containerd.image.name";

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

/// The member of a blob.
#[must_use]
pub(super) fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// All images of a layout. Blocks.
///
/// # Errors
/// When the index is missing or malformed, or names no image.
pub(super) fn entries(store: &Store) -> Result<Vec<Descriptor>, JobError> {
    let path = store.path().display();
    let malformed =
        |reason: String| JobError::never("malformed", format!("failed to read {INDEX} of {path}: {reason}"));
    let bytes = store.read(INDEX, MAX_INDEX)?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|error| malformed(format!("it is no index's JSON: {error}")))?;
    let entries = index.manifests.unwrap_or_default();
    if entries.is_empty() {
        return Err(malformed("it names no image".to_owned()));
    }
    if entries.len() > MAX_IMAGES {
        return Err(JobError::never(
            "limit",
            format!("failed to read {INDEX} of {path}: it names {} images", entries.len()),
        ));
    }
    Ok(entries)
}

/// The endings of references that name each image: a name that no other image has, else the digest.
#[must_use]
pub(super) fn selectors(entries: &[Descriptor]) -> Vec<String> {
    let count = |name: &str| entries.iter().filter(|entry| has(entry, name)).count();
    let mut all: Vec<String> = entries
        .iter()
        .map(|entry| match entry.annotation(REF_NAME) {
            Some(name) if !name.is_empty() && count(name) == 1 => format!(":{name}"),
            _ => format!("@{}", entry.digest),
        })
        .collect();
    all.dedup();
    all
}

fn has(entry: &Descriptor, name: &str) -> bool {
    [REF_NAME, FULL_NAME].iter().any(|key| entry.annotation(key) == Some(name))
}

/// The image that a selector names, and its digest.
///
/// # Errors
/// When there is none, or more than one.
pub(super) fn select(
    store: &Store,
    entries: &[Descriptor],
    selector: &Selector,
) -> Result<(Descriptor, Digest), JobError> {
    let path = store.path().display().to_string();
    let missing = |what: String| {
        let mut known = selectors(entries);
        known.truncate(20);
        JobError::never("not-found", format!("failed to read {path}: {what}; it holds {}", known.join(", ")))
    };
    let found = match selector {
        Selector::Only => match entries {
            [only] => Some(only),
            [first, rest @ ..] if rest.iter().all(|entry| entry.digest == first.digest) => Some(first),
            _ => {
                return Err(missing(format!(
                    "it holds {} images and the reference names none",
                    entries.len()
                )));
            }
        },
        Selector::Name(name) => {
            let named: Vec<&Descriptor> = entries.iter().filter(|entry| has(entry, name)).collect();
            match named.as_slice() {
                [first, rest @ ..] if rest.iter().any(|entry| entry.digest != first.digest) => {
                    return Err(missing(format!("several of its images are named {name}")));
                }
                named => named.first().copied(),
            }
        }
        Selector::Digest(digest) => {
            let digest = digest.to_string();
            entries.iter().find(|entry| entry.digest == digest)
        }
        Selector::Index(_) => None,
    };
    let found = found.ok_or_else(|| missing("it holds no such image".to_owned()))?.clone();
    let digest = found.digest(&path)?;
    let unreadable = !found.media_type.is_empty()
        && !matches!(media::document(&found.media_type), DocumentKind::Manifest | DocumentKind::Index);
    if unreadable && media::other(&found.media_type).is_none() {
        let kind: String = found.media_type.chars().take(100).collect();
        return Err(JobError::never(
            "unsupported",
            format!("failed to read {INDEX} of {path}: the media type `{kind}` is not one of an image"),
        ));
    }
    Ok((found, digest))
}

/// The documents of a layout.
pub(super) struct Layout(pub(super) Arc<Store>);

impl Layout {
    async fn read(&self, digest: &Digest, limit: usize) -> Result<Bytes, JobError> {
        let (store, name) = (Arc::clone(&self.0), blob(digest));
        blocking(move || store.read(&name, limit)).await
    }

    /// The document that a reference names.
    ///
    /// # Errors
    /// When it is missing or is not what its digest says.
    pub(super) async fn root(
        &self,
        descriptor: &Descriptor,
        digest: &Digest,
        what: &str,
    ) -> Result<Fetched, JobError> {
        let body = self.read(digest, MAX_MANIFEST).await?;
        walk::verify(&body, digest, what, "manifest")?;
        Ok(Fetched { body, content_type: descriptor.media_type.clone() })
    }
}

#[async_trait]
impl Documents for Layout {
    async fn manifest(&self, digest: &Digest) -> Result<Fetched, JobError> {
        Ok(Fetched { body: self.read(digest, MAX_MANIFEST).await?, content_type: String::new() })
    }

    async fn config(&self, digest: &Digest) -> Result<Bytes, JobError> {
        self.read(digest, MAX_CONFIG).await
    }

    async fn has_layer(&self, digest: &Digest) -> Result<bool, JobError> {
        let (store, name) = (Arc::clone(&self.0), blob(digest));
        blocking(move || Ok(store.contains(&name))).await
    }
}
