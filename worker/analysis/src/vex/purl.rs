//! Package URLs as statements use them: a pattern that leaves out what may be anything.

use std::collections::BTreeMap;

struct Parts {
    kind: String,
    /// Namespace and name, decoded.
    path: String,
    version: Option<String>,
    qualifiers: BTreeMap<String, String>,
    subpath: Option<String>,
}

fn parts(purl: &str) -> Option<Parts> {
    let rest = purl.strip_prefix("pkg:")?.trim_start_matches('/');
    let (rest, subpath) = split_last(rest, '#');
    let (rest, qualifiers) = split_last(rest, '?');
    let (path, version) = match rest.rsplit_once('@') {
        // The scope of an npm package whose author did not encode it.
        Some((_, version)) if version.contains('/') => (rest, None),
        Some((path, version)) => (path, Some(decoded(version))),
        None => (rest, None),
    };
    let (kind, path) = path.split_once('/')?;
    let kind = kind.to_ascii_lowercase();
    let mut path = decoded(path.trim_matches('/'));
    // Types whose names have no case.
    if matches!(kind.as_str(), "pypi" | "github" | "bitbucket" | "oci" | "deb" | "apk" | "composer") {
        path.make_ascii_lowercase();
    }
    if kind == "pypi" {
        path = path.replace('_', "-");
    }
    let qualifiers = qualifiers.unwrap_or_default().split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (!value.is_empty()).then(|| (key.to_ascii_lowercase(), decoded(value)))
    });
    let qualifiers = qualifiers.collect();
    (!path.is_empty()).then(|| Parts { kind, path, version, qualifiers, subpath: subpath.map(decoded) })
}

fn split_last(text: &str, separator: char) -> (&str, Option<&str>) {
    text.rsplit_once(separator).map_or((text, None), |(start, end)| (start, Some(end)))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a package URL is among those that a statement's one names; `versioned` asks that it names a version.
pub(super) fn matches(said: &str, purl: &str, versioned: bool) -> bool {
    let (Some(said), Some(purl)) = (parts(said), parts(purl)) else { return false };
    let version = match &said.version {
        Some(_) => said.version == purl.version,
        None => !versioned,
    };
    version
        && said.kind == purl.kind
        && said.path == purl.path
        && (said.subpath.is_none() || said.subpath == purl.subpath)
        && said.qualifiers.iter().all(|(key, value)| purl.qualifiers.get(key) == Some(value))
}

/// The digest that is the version of an image's package URL, hexadecimal.
pub(super) fn digest(purl: &str) -> Option<String> {
    let parts = parts(purl)?;
    let digest = parts.version.filter(|_| matches!(parts.kind.as_str(), "oci" | "docker"))?;
    digest.strip_prefix("sha256:").map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::{digest, matches};

    #[test]
    fn what_is_left_out_may_be_anything() {
        let installed = "pkg:deb/debian/openssl@3.0.11-1~deb12u2?arch=amd64&distro=debian-12";
        for (said, purl, expected) in [
            ("pkg:deb/debian/openssl", installed, true),
            ("pkg:deb/debian/openssl@3.0.11-1~deb12u2", installed, true),
            ("pkg:deb/debian/openssl@3.0.11-1%7Edeb12u2?arch=amd64", installed, true),
            ("pkg:DEB/Debian/openssl", installed, true),
            ("pkg:deb/debian/openssl@3.0.11-1", installed, false),
            ("pkg:deb/debian/openssl?arch=arm64", installed, false),
            ("pkg:deb/debian/openssl?vcs=x", installed, false),
            ("pkg:deb/ubuntu/openssl", installed, false),
            ("pkg:deb/openssl", installed, false),
            ("pkg:npm/@angular/core", "pkg:npm/%40angular/core@1.0.0", true),
            ("pkg:npm/%40angular/core@1.0.0", "pkg:npm/%40angular/core@1.0.0", true),
            ("pkg:pypi/Zope_Interface", "pkg:pypi/zope-interface@1", true),
            ("pkg:golang/a/b#sub", "pkg:golang/a/b@1", false),
            ("openssl", installed, false),
            ("pkg:deb", installed, false),
            ("", "", false),
        ] {
            assert_eq!(matches(said, purl, false), expected, "{said} {purl}");
        }
        assert!(!matches("pkg:deb/debian/openssl", installed, true));
    }

    #[test]
    fn digests_of_images() {
        assert_eq!(digest("pkg:oci/app@sha256%3AAB?repository_url=r").as_deref(), Some("ab"));
        assert_eq!(digest("pkg:oci/app"), None);
        assert_eq!(digest("pkg:npm/app@sha256:ab"), None);
    }
}
