//! Manifests, indexes and configurations (OCI image specification 1.1; Docker image manifest version 2, schema 2).
//! Structs with a fixed order of fields, so that a digest never depends on how a map happens to be ordered.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use serde::Serialize;
use strata_proto::digest::Digest;

use super::{blob::LayerDescriptor, layer::Arch};

/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a Docker image manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of a Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const COSIGN_PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const CREATED: &str = "2024-01-01T00:00:00Z";

/// A manifest or index as a registry answers with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The body.
    pub bytes: Bytes,
    /// Its media type, for the Content-Type header.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
}

/// What a manifest's headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Media type.
    pub media_type: Cow<'static, str>,
    /// Digest.
    pub digest: Digest,
    /// Bytes of the body.
    pub size: u64,
}

impl Manifest {
    /// What its headers say.
    #[must_use]
    pub fn head(&self) -> Head {
        let known = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].into_iter();
        let media_type = known.map(Cow::Borrowed).find(|known| *known == self.media_type);
        Head {
            media_type: media_type.unwrap_or_else(|| Cow::Owned(self.media_type.clone())),
            digest: self.digest,
            size: self.bytes.len() as u64,
        }
    }

    /// A manifest of these bytes.
    #[must_use]
    pub fn new(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        Self { bytes, media_type: media_type.into(), digest }
    }

    fn of(media_type: &str, body: &impl Serialize) -> Self {
        Self::new(media_type, json(body))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor<'a> {
    media_type: &'a str,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
}

#[derive(Serialize)]
struct Platform {
    architecture: &'static str,
    os: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageManifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u32,
    media_type: &'a str,
    manifests: Vec<Descriptor<'a>>,
}

#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    config: Runtime<'a>,
    rootfs: RootFs,
    history: Vec<Step<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Runtime<'a> {
    cmd: [&'a str; 1],
    labels: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
struct Step<'a> {
    created: &'a str,
    created_by: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    empty_layer: bool,
}

/// An image whose layers are known.
pub(crate) struct Image {
    pub(crate) arch: Arch,
    /// Docker's media types instead of OCI's.
    pub(crate) docker: bool,
    /// Each layer and the build step that made it.
    pub(crate) layers: Vec<(LayerDescriptor, String)>,
    pub(crate) labels: BTreeMap<String, String>,
}

impl Image {
    /// The image's configuration.
    pub(crate) fn config(&self) -> Bytes {
        let step = |created_by| Step { created: CREATED, created_by, empty_layer: false };
        let mut history: Vec<_> = self.layers.iter().map(|(_, created_by)| step(created_by)).collect();
        history.push(Step { created: CREATED, created_by: "CMD [\"/srv/run\"]", empty_layer: true });
        json(&Config {
            created: CREATED,
            architecture: self.arch.oci(),
            os: "linux",
            config: Runtime { cmd: ["/srv/run"], labels: &self.labels },
            rootfs: RootFs {
                r#type: "layers",
                diff_ids: self.layers.iter().map(|(layer, _)| layer.diff_id.to_string()).collect(),
            },
            history,
        })
    }

    /// The image's manifest over its configuration.
    pub(crate) fn manifest(&self, config: &Bytes) -> Manifest {
        let (media_type, config_type) =
            if self.docker { (DOCKER_MANIFEST, DOCKER_CONFIG) } else { (OCI_MANIFEST, OCI_CONFIG) };
        let layers = self.layers.iter().map(|(layer, _)| Descriptor {
            media_type: if self.docker { DOCKER_LAYER } else { layer.compression.media_type() },
            digest: layer.digest.to_string(),
            size: layer.size,
            platform: None,
        });
        let body = ImageManifest {
            schema_version: 2,
            media_type,
            config: descriptor(config_type, config),
            layers: layers.collect(),
        };
        Manifest::of(media_type, &body)
    }
}

/// An index over the manifests of several architectures.
pub(crate) fn index(docker: bool, manifests: &[(Arch, Manifest)]) -> Manifest {
    let media_type = if docker { DOCKER_LIST } else { OCI_INDEX };
    let entry = |(arch, manifest): &(Arch, Manifest)| Descriptor {
        media_type: if docker { DOCKER_MANIFEST } else { OCI_MANIFEST },
        digest: manifest.digest.to_string(),
        size: manifest.bytes.len() as u64,
        platform: Some(Platform { architecture: arch.oci(), os: "linux" }),
    };
    let body = Index { schema_version: 2, media_type, manifests: manifests.iter().map(entry).collect() };
    Manifest::of(media_type, &body)
}

/// What a signer stores beside an image: a manifest whose only layer is a signed statement. Its blobs come with it.
pub(crate) fn signature(image: &Digest) -> (Manifest, [Bytes; 2]) {
    let payload = Bytes::from(format!(
        "{{\"critical\":{{\"image\":{{\"docker-manifest-digest\":\"{image}\"}},\"type\":\"synthetic signature\"}}}}"
    ));
    let config = Bytes::from_static(
        b"{\"architecture\":\"\",\"os\":\"\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
    );
    let body = ImageManifest {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        config: descriptor(OCI_CONFIG, &config),
        layers: vec![descriptor(COSIGN_PAYLOAD, &payload)],
    };
    (Manifest::of(OCI_MANIFEST, &body), [config, payload])
}

/// The tag under which an image's signature is found.
pub(crate) fn signature_tag(image: &Digest) -> String {
    format!("sha256-{}.sig", image.hex())
}

fn descriptor<'a>(media_type: &'a str, bytes: &Bytes) -> Descriptor<'a> {
    Descriptor { media_type, digest: Digest::of(bytes).to_string(), size: bytes.len() as u64, platform: None }
}

/// Structs of strings and numbers always serialize; nothing here can fail.
fn json(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).map(Bytes::from).unwrap_or_default()
}
