//! Paths of the distribution API. Repositories have slashes in their names, so paths are read from their end.

use strata_proto::{digest::Digest, reference};

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Ping,
    Token,
    Catalog,
    Tags(&'a str),
    Manifest(&'a str, &'a str),
    Blob(&'a str, Digest),
    /// A repository's name that is none.
    BadName,
    /// A digest that is none.
    BadDigest,
    Unknown,
}

/// Reads a decoded path.
pub(crate) fn route(path: &str) -> Route<'_> {
    match path {
        "/v2" | "/v2/" => return Route::Ping,
        "/v2/_catalog" => return Route::Catalog,
        "/token" => return Route::Token,
        _ => {}
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return Route::Unknown };
    let Some((front, last)) = rest.rsplit_once('/') else { return Route::Unknown };
    let Some((name, kind)) = front.rsplit_once('/') else { return Route::Unknown };
    if !matches!((kind, last), ("tags", "list") | ("manifests" | "blobs", _)) {
        return Route::Unknown;
    }
    if !reference::is_repository(name) {
        return Route::BadName;
    }
    match kind {
        "tags" => Route::Tags(name),
        "manifests" if last.contains(':') && last.parse::<Digest>().is_err() => Route::BadDigest,
        "manifests" => Route::Manifest(name, last),
        _ => last.parse().map_or(Route::BadDigest, |digest| Route::Blob(name, digest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let digest = Digest::of(b"");
        let blob = format!("/v2/a/b/blobs/{digest}");
        for (path, want) in [
            ("/v2/", Route::Ping),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/a/b/tags/list", Route::Tags("a/b")),
            ("/v2/tags/tags/list", Route::Tags("tags")),
            ("/v2/a/manifests/latest", Route::Manifest("a", "latest")),
            ("/v2/manifests/manifests/blobs", Route::Manifest("manifests", "blobs")),
            (&blob, Route::Blob("a/b", digest)),
            ("/v2/a/blobs/sha256:12", Route::BadDigest),
            ("/v2/a/manifests/sha256:12", Route::BadDigest),
            ("/v2/A/tags/list", Route::BadName),
            ("/v2/a/tags", Route::Unknown),
            ("/v1/", Route::Unknown),
            ("/v2/a/referrers/x", Route::Unknown),
        ] {
            assert_eq!(route(path), want, "{path}");
        }
    }
}
