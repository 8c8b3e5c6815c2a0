//! Azure Container Registry: the tags of a repository with their digests (ACR data plane API, `/acr/v1/{name}/_tags`), keyed
//! by the last tag through `Link`.

use futures::{FutureExt as _, future::BoxFuture};
use serde::Deserialize;

use super::{Ask, Entry, Found};
use crate::{
    error::JobError,
    source::{
        auth::azure,
        registry::page::{get, next},
    },
};

/// Tags of a page.
const SIZE: usize = 500;

pub(super) fn is_kind(host: &str, _: &str) -> bool {
    azure::is_registry(host)
}

#[derive(Deserialize)]
struct Answer {
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    digest: String,
}

pub(super) fn page<'a>(ask: &'a Ask<'a>) -> BoxFuture<'a, Result<Found, JobError>> {
    async move {
        let path = match ask.cursor {
            "" => format!("/acr/v1/{}/_tags?n={SIZE}", ask.repository),
            path => path.to_owned(),
        };
        let scope = format!("repository:{}:metadata_read", ask.repository);
        let (response, asked) = get(ask.registry, ask.host, &path, &scope, ask.what).await?;
        let next = next(ask.registry, ask.host, &response, &path, ask.what).await?;
        let body = asked.body(response, super::MAX_BYTES, ask.registry.config.request_timeout).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| {
            JobError::never(
                "malformed",
                format!("failed to read {}: it is no list of tags: {error}", ask.what),
            )
        })?;
        let tags = answer.tags.unwrap_or_default().into_iter();
        Ok(Found { entries: tags.map(|tag| Entry { tag: tag.name, digest: tag.digest }).collect(), next })
    }
    .boxed()
}
