//! What a notification says, whatever registry it comes from.

/// One event of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// Something was pushed that may be an image.
    Push(Push),
    /// Nothing to scan, and why: `action`, `blob`, `signature`, `attestation`, `artifact`, `failed`.
    Ignored(&'static str),
}

/// A manifest that was pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Push {
    /// Names the event, so that it counts once; may be empty.
    pub(super) id: String,
    pub(super) host: String,
    pub(super) repository: String,
    /// May be empty where there is a digest.
    pub(super) tag: String,
    /// May be empty where there is a tag.
    pub(super) digest: String,
}

impl Push {
    /// What was pushed, by its digest where that is known: a tag may have moved on.
    pub(super) fn reference(&self, host: &str) -> String {
        let Self { repository, tag, digest, .. } = self;
        match (tag.is_empty(), digest.is_empty()) {
            (_, true) => format!("{host}/{repository}:{tag}"),
            (true, false) => format!("{host}/{repository}@{digest}"),
            (false, false) => format!("{host}/{repository}:{tag}@{digest}"),
        }
    }

    /// The event, or why it is none: what tools attach to images has tags of a form of its own.
    pub(super) fn event(self) -> Event {
        if self.host.is_empty()
            || self.repository.is_empty()
            || (self.tag.is_empty() && self.digest.is_empty())
        {
            return Event::Ignored("incomplete");
        }
        match attachment(&self.tag) {
            Some(kind) => Event::Ignored(kind),
            None => Event::Push(self),
        }
    }
}

/// What a tag `sha256-<hex>[.sig|.att|.sbom]` holds (cosign's naming, and the fallback of OCI's referrers without a suffix).
fn attachment(tag: &str) -> Option<&'static str> {
    let rest = tag.strip_prefix("sha256-")?;
    let (hex, suffix) = rest.split_at_checked(64)?;
    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match suffix {
        ".sig" => Some("signature"),
        ".att" => Some("attestation"),
        "" | ".sbom" => Some("artifact"),
        _ => None,
    }
}

/// Why a manifest of that media type, with a configuration of that one, is no image; both may be unknown.
pub(super) fn no_image(media_type: &str, config: &str) -> Option<&'static str> {
    // `…manifest.v2+json`, `…manifest.list.v2+json`, `…image.manifest.v1+json`, `…image.index.v1+json`.
    if !media_type.is_empty() && !media_type.contains(".manifest.") && !media_type.contains(".index.") {
        return Some("blob");
    }
    match config {
        ""
        | "application/vnd.docker.container.image.v1+json"
        | "application/vnd.oci.image.config.v1+json" => None,
        _ if config.contains("cosign") && config.contains("sig") => Some("signature"),
        _ if config.contains("in-toto") || config.contains("sigstore.bundle") => Some("attestation"),
        _ => Some("artifact"),
    }
}
