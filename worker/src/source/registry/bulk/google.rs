//! Google's registries: their list of tags also tells the manifests that have them, all in one answer
//! (google/go-containerregistry, `pkg/v1/google`).

use std::collections::BTreeMap;

use futures::{FutureExt as _, future::BoxFuture};
use serde::Deserialize;

use super::{Ask, Entry, Found};
use crate::{
    error::JobError,
    source::{
        auth::google,
        registry::page::{get, next},
    },
};

pub(super) fn is_kind(host: &str, _: &str) -> bool {
    google::is_registry(host)
}

#[derive(Deserialize)]
struct Answer {
    tags: Option<Vec<String>>,
    manifest: BTreeMap<String, Manifest>,
}

#[derive(Deserialize)]
struct Manifest {
    tag: Option<Vec<String>>,
}

pub(super) fn page<'a>(ask: &'a Ask<'a>) -> BoxFuture<'a, Result<Found, JobError>> {
    async move {
        let path = match ask.cursor {
            "" => format!("/v2/{}/tags/list", ask.repository),
            path => path.to_owned(),
        };
        let scope = format!("repository:{}:pull", ask.repository);
        let (response, asked) = get(ask.registry, ask.host, &path, &scope, ask.what).await?;
        let next = next(ask.registry, ask.host, &response, &path, ask.what).await?;
        let body = asked.body(response, super::MAX_BYTES, ask.registry.config.request_timeout).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            JobError::never(
                "malformed",
                format!("failed to read {}: it does not tell manifests: {error}", ask.what),
            )
        })?;
        let mut digests: BTreeMap<String, String> = BTreeMap::new();
        for (digest, manifest) in answer.manifest {
            digests.extend(manifest.tag.unwrap_or_default().into_iter().map(|tag| (tag, digest.clone())));
        }
        // A tag whose manifest is not told is still a tag.
        for tag in answer.tags.unwrap_or_default() {
            digests.entry(tag).or_default();
        }
        let entries = digests.into_iter().map(|(tag, digest)| Entry { tag, digest });
        Ok(Found { entries: entries.collect(), next })
    }
    .boxed()
}
