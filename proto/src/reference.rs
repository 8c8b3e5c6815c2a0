//! References to images: `host[:port]/repository[:tag][@digest]` (OCI distribution specification), with the
//! short forms that people type (`alpine`, `team/app:1`), which mean Docker Hub.

use std::{fmt, str::FromStr};

use crate::digest::Digest;

/// Registry that short references mean.
pub const DEFAULT_REGISTRY: &str = "docker.io";
const MAX_LENGTH: usize = 1024;

/// A reference that has been checked for its form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Host and port.
    pub host: String,
    /// Repository below the host, never empty.
    pub repository: String,
    /// Tag; `latest` where the text names neither tag nor digest.
    pub tag: Option<String>,
    /// Digest of the manifest or index.
    pub digest: Option<Digest>,
}

/// A text that is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {reason}")]
pub struct BadReference {
    text: String,
    reason: &'static str,
}

impl Reference {
    /// What stands after the repository in a manifest request: the digest, else the tag.
    #[must_use]
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// Whether the host is on this machine, where plain HTTP is the rule.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Whether `host[:port]` names the loopback interface.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl FromStr for Reference {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let bad = |reason| BadReference { text: text.chars().take(200).collect(), reason };
        if text.len() > MAX_LENGTH {
            return Err(bad("it is longer than 1024 bytes"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse().map_err(|_| bad("what follows `@` is no sha256 digest"))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(bad("the tag has a character that tags cannot have"));
        }
        let (host, repository) = split_host(name);
        if !is_repository(&repository) {
            return Err(bad("a repository is lower-case words with . _ - and / between them"));
        }
        if !is_host(&host) {
            return Err(bad("the registry's host is malformed"));
        }
        let tag = match (tag, &digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self { host, repository, tag, digest })
    }
}

/// The first component is a host if it has a dot or a port, or is `localhost`.
fn split_host(name: &str) -> (String, String) {
    match name.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => {
            let repository = if host == DEFAULT_REGISTRY && !rest.contains('/') {
                format!("library/{rest}")
            } else {
                rest.to_owned()
            };
            (host.to_owned(), repository)
        }
        Some(_) => (DEFAULT_REGISTRY.to_owned(), name.to_owned()),
        None => (DEFAULT_REGISTRY.to_owned(), format!("library/{name}")),
    }
}

/// Whether a text can be a tag: at most 128 of `[A-Za-z0-9_.-]`, not starting with `.` or `-`.
#[must_use]
pub fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Whether a text can be a repository's name.
#[must_use]
pub fn is_repository(text: &str) -> bool {
    text.len() <= 512
        && text.split('/').all(|part| {
            !part.is_empty()
                && part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        })
}

/// Whether a text can be `host[:port]`.
#[must_use]
pub fn is_host(text: &str) -> bool {
    (1..=300).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']' | b'_'))
        && !text.starts_with([':', '.', '-'])
        && match text.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => port.parse::<u16>().is_ok(),
            _ => true,
        }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_forms() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (text, want) in [
            ("alpine", "docker.io/library/alpine:latest".to_owned()),
            ("team/app:1.2", "docker.io/team/app:1.2".to_owned()),
            ("docker.io/alpine:3", "docker.io/library/alpine:3".to_owned()),
            ("localhost/app", "localhost/app:latest".to_owned()),
            ("127.0.0.1:5000/a/b:t", "127.0.0.1:5000/a/b:t".to_owned()),
            ("[::1]:5000/a", "[::1]:5000/a:latest".to_owned()),
            (&format!("r.example/a@{digest}"), format!("r.example/a@{digest}")),
            (&format!("r.example/a:t@{digest}"), format!("r.example/a:t@{digest}")),
        ] {
            assert_eq!(text.parse::<Reference>().map(|r| r.to_string()), Ok(want), "{text}");
        }
    }

    #[test]
    fn malformed_references_are_refused() {
        for text in [
            "",
            "UPPER/case",
            "a//b",
            "a:b:c/d",
            "r.example/a:-t",
            "r.example/a@sha256:12",
            "r.example/",
            "a b",
            "-a",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn loopback() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "reg.localhost:1"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "example.com",
            "10.0.0.1:5000",
            "127.0.0.1.example.com",
            "localhost.example.com",
            "[2001:db8::1]:80",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
