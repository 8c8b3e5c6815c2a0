//! Images of containerd on this machine: name → target → manifest → layers, all from its content store and as they were
//! pulled. The first socket and namespace that know the name count.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;
use strata_proto::{digest::Digest, v1::Platform};

use self::api::{Client, Target};
use super::name::Kind;
use crate::{
    error::JobError,
    ports::{Blob, Resolution, parse_reference},
    source::walk::{self, Documents, Fetched, Wanted},
};

pub(super) mod api;

const MAX_MANIFEST: u64 = 4 << 20;
const MAX_CONFIG: u64 = 8 << 20;

/// Where containerd is asked.
#[derive(Debug, Clone, Default)]
pub struct Containerd {
    /// Sockets, in the order in which they are asked.
    pub sockets: Vec<PathBuf>,
    /// Namespaces that are looked into, in this order.
    pub namespaces: Vec<String>,
}

/// The reference of an image; names are those that containerd keeps, `alpine:3.20` is Docker Hub's.
pub(super) fn reference(image: &str) -> Result<String, JobError> {
    if super::engine::is_name(image) {
        return Ok(format!("{}{image}", Kind::Containerd.scheme()));
    }
    let shown: String = image.chars().take(100).collect();
    Err(JobError::never("bad-reference", format!("failed to read containerd:{shown}: it is no image's name")))
}

/// An image that containerd has.
pub(super) struct Found {
    client: Client,
    target: Target,
    what: String,
}

/// Looks for an image.
///
/// # Errors
/// When there is no containerd, or it has no such image.
pub(super) async fn find(image: &str, at: &Containerd) -> Result<Found, JobError> {
    let what = reference(image)?;
    let there: Vec<&PathBuf> = at.sockets.iter().filter(|socket| socket.exists()).collect();
    if there.is_empty() {
        let tried = at.sockets.iter().map(|socket| socket.display().to_string()).collect::<Vec<_>>();
        let message =
            format!("failed to read {what}: there is no containerd's socket at {}", tried.join(", "));
        return Err(JobError::never("no-engine", message));
    }
    // As it was written: ids are names, too. Then as containerd's clients write it.
    let full = parse_reference(image).map(|reference| reference.to_string()).ok();
    let names = std::iter::once(image.to_owned()).chain(full.filter(|full| full != image));
    let names: Vec<String> = names.collect();
    for socket in there {
        let channel = Client::connect(socket, &what).await?;
        for namespace in &at.namespaces {
            let client = Client::within(&channel, namespace, &what)?;
            for name in &names {
                if let Some(target) = client.image(name).await? {
                    return Ok(Found { client, target, what });
                }
            }
        }
    }
    let message = format!(
        "failed to read {what}: containerd has no image of that name in its namespaces {}",
        at.namespaces.join(", ")
    );
    Err(JobError::never("not-found", message))
}

impl Found {
    /// The image of a platform.
    ///
    /// # Errors
    /// When its documents are missing or malformed, or no entry serves the platform.
    pub(super) async fn resolve(&self, platform: &Platform) -> Result<Resolution, JobError> {
        let root = self.root().await?;
        walk::walk(self, &Wanted { what: &self.what, tag: None, platform }, root).await
    }

    /// The platforms that the image's index names.
    ///
    /// # Errors
    /// When the index is missing or malformed.
    pub(super) async fn platforms(&self) -> Result<Vec<String>, JobError> {
        walk::platforms(&self.root().await?, &self.what)
    }

    async fn root(&self) -> Result<Fetched, JobError> {
        let digest: Digest = self.target.digest.parse().map_err(|error| {
            JobError::never("unsupported", format!("failed to read the digest of {}: {error}", self.what))
        })?;
        let body = self.document(&digest, MAX_MANIFEST).await?;
        walk::verify(&body, &digest, &self.what, "manifest")?;
        Ok(Fetched { body, content_type: self.target.media_type.clone() })
    }

    /// Opens a layer as it is stored.
    ///
    /// # Errors
    /// When the store has it not: containerd can be set to drop layers once they are unpacked.
    pub(super) async fn layer(&self, digest: &Digest) -> Result<Blob, JobError> {
        let size = self.size(digest).await?;
        let stream = self.client.read(digest).await?;
        Ok(Blob { size: Some(size), stream, digest_is_diff_id: false })
    }

    async fn size(&self, digest: &Digest) -> Result<u64, JobError> {
        let size = self.client.size(digest).await?;
        size.ok_or_else(|| {
            let what = &self.what;
            JobError::never(
                "not-found",
                format!("failed to read {what}: {digest} is not in containerd's store"),
            )
        })
    }

    async fn document(&self, digest: &Digest, limit: u64) -> Result<Bytes, JobError> {
        let size = self.size(digest).await?;
        let too_large = || {
            let what = &self.what;
            JobError::never(
                "limit",
                format!("failed to read {digest} of {what}: it has more than {limit} bytes"),
            )
        };
        if size > limit {
            return Err(too_large());
        }
        let mut body = Vec::new();
        let mut parts = self.client.read(digest).await?;
        while let Some(part) = parts.try_next().await? {
            body.extend_from_slice(&part);
            if u64::try_from(body.len()).unwrap_or(u64::MAX) > limit {
                return Err(too_large());
            }
        }
        Ok(body.into())
    }
}

#[async_trait]
impl Documents for Found {
    async fn manifest(&self, digest: &Digest) -> Result<Fetched, JobError> {
        Ok(Fetched { body: self.document(digest, MAX_MANIFEST).await?, content_type: String::new() })
    }

    async fn config(&self, digest: &Digest) -> Result<Bytes, JobError> {
        self.document(digest, MAX_CONFIG).await
    }

    async fn has_layer(&self, digest: &Digest) -> Result<bool, JobError> {
        Ok(self.client.size(digest).await?.is_some())
    }
}
