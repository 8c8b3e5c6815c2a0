//! Media types of manifests, configurations and layers, and what in a registry is not an image (OCI image
//! specification 1.1, Docker image manifest v2 schema 2, the conventions of Cosign, in-toto and Helm).

use std::sync::LazyLock;

use strata_proto::digest::Digest;

/// Manifests of one image.
pub const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/// Lists of manifests.
pub const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const SCHEMA1: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
const LAYERS: [&str; 7] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    // What some builders write for an uncompressed layer.
    "application/vnd.docker.image.rootfs.diff.tar+gzip",
];
const FOREIGN: [&str; 5] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];
/// Beginnings of media types (of an artifact, a configuration or a layer) that say what a manifest is instead of an image.
const OTHERS: [(&str, &str); 9] = [
    ("application/vnd.dev.cosign.simplesigning.", "signature"),
    ("application/vnd.cncf.notary.", "signature"),
    ("application/vnd.dev.cosign.artifact.sig.", "signature"),
    ("application/vnd.dev.sigstore.bundle", "attestation"),
    ("application/vnd.dsse.envelope.", "attestation"),
    ("application/vnd.in-toto", "attestation"),
    ("application/vnd.dev.cosign.artifact.att.", "attestation"),
    ("application/vnd.cncf.helm.", "helm-chart"),
    ("application/vnd.docker.plugin.", "artifact"),
];

/// What a media type says that a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// One image, or one artifact in the form of an image.
    Manifest,
    /// A list of manifests.
    Index,
    /// Docker's first manifest format, which names no configuration and is long deprecated.
    Schema1,
    /// Nothing of these.
    Unknown,
}

/// What a media type says that a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// A tar, perhaps compressed.
    Tar,
    /// A tar that its distributor keeps elsewhere.
    Foreign,
    /// Content of an artifact.
    Other(&'static str),
    /// Nothing that this build can read.
    Unknown,
}

/// The value of an `Accept` header for manifests.
#[must_use]
pub fn accept() -> &'static str {
    static ACCEPT: LazyLock<String> = LazyLock::new(|| [MANIFESTS, INDEXES].concat().join(", "));
    &ACCEPT
}

/// What a manifest's media type says that it is. Parameters (`; charset=utf-8`) are ignored.
#[must_use]
pub fn document(media_type: &str) -> DocumentKind {
    let media_type = essence(media_type);
    if MANIFESTS.contains(&media_type) {
        DocumentKind::Manifest
    } else if INDEXES.contains(&media_type) {
        DocumentKind::Index
    } else if SCHEMA1.contains(&media_type) {
        DocumentKind::Schema1
    } else {
        DocumentKind::Unknown
    }
}

/// What a layer's media type says that it is.
#[must_use]
pub fn layer(media_type: &str) -> LayerKind {
    let media_type = essence(media_type);
    if LAYERS.contains(&media_type) {
        LayerKind::Tar
    } else if FOREIGN.contains(&media_type) {
        LayerKind::Foreign
    } else {
        other(media_type).map_or(LayerKind::Unknown, LayerKind::Other)
    }
}

/// Whether a media type is that of an image's configuration.
#[must_use]
pub fn is_config(media_type: &str) -> bool {
    CONFIGS.contains(&essence(media_type))
}

/// What a media type says that a manifest is instead of an image.
#[must_use]
pub fn other(media_type: &str) -> Option<&'static str> {
    OTHERS.iter().find(|(start, _)| media_type.starts_with(start)).map(|(_, code)| *code)
}

/// Whether a tag has the form that tools give to signatures, attestations and lists of referrers
/// (`sha256-<64 hexadecimal digits>`, then perhaps `.sig`, `.att`, `.sbom`). What stands under it decides what it is.
#[must_use]
pub fn is_attachment_tag(tag: &str) -> bool {
    let name = tag.split_once('.').map_or(tag, |(name, _)| name);
    name.strip_prefix("sha256-").is_some_and(|hex| format!("sha256:{hex}").parse::<Digest>().is_ok())
}

fn essence(media_type: &str) -> &str {
    media_type.split_once(';').map_or(media_type, |(start, _)| start).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_say_what_things_are() {
        assert_eq!(document("application/vnd.oci.image.index.v1+json; charset=utf-8"), DocumentKind::Index);
        assert_eq!(document(MANIFESTS[1]), DocumentKind::Manifest);
        assert_eq!(
            document("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            DocumentKind::Schema1
        );
        assert_eq!(document("application/json"), DocumentKind::Unknown);
        assert_eq!(layer("application/vnd.oci.image.layer.v1.tar+zstd"), LayerKind::Tar);
        assert_eq!(layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), LayerKind::Foreign);
        assert_eq!(layer("application/vnd.in-toto+json"), LayerKind::Other("attestation"));
        assert_eq!(layer("application/vnd.oci.image.layer.v1.tar+encrypted"), LayerKind::Unknown);
        assert_eq!(other("application/vnd.cncf.helm.config.v1+json"), Some("helm-chart"));
    }

    #[test]
    fn tags_of_attachments() {
        let hex = "ab".repeat(32);
        for tag in [format!("sha256-{hex}"), format!("sha256-{hex}.sig"), format!("sha256-{hex}.att")] {
            assert!(is_attachment_tag(&tag), "{tag}");
        }
        for tag in ["latest", "sha256-abc", "sha256-.sig", "v1.sig"] {
            assert!(!is_attachment_tag(tag), "{tag}");
        }
    }
}
