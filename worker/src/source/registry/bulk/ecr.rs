//! Amazon ECR: `DescribeImages` (Amazon ECR API reference), a thousand images to a page, keyed by a token.

use futures::{FutureExt as _, future::BoxFuture};
use serde::{Deserialize, Serialize};

use super::{Ask, Entry, Found};
use crate::{
    error::JobError,
    source::auth::aws::{self, Call},
};

/// Images of a page: the most that the API gives.
const SIZE: u32 = 1_000;

pub(super) fn is_kind(host: &str, _: &str) -> bool {
    aws::registry(host).is_some()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    registry_id: &'a str,
    repository_name: &'a str,
    filter: Filter,
    max_results: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    next_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    tag_status: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    image_details: Vec<Image>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Image {
    image_digest: String,
    image_tags: Option<Vec<String>>,
}

pub(super) fn page<'a>(ask: &'a Ask<'a>) -> BoxFuture<'a, Result<Found, JobError>> {
    async move {
        let refused =
            |reason: &str| JobError::never("unauthorized", format!("failed to read {}: {reason}", ask.what));
        let registry =
            aws::registry(&ask.host.name).ok_or_else(|| refused("its host is none of Amazon's"))?;
        let cloud = &ask.registry.config.credentials.aws;
        let keys = cloud.keys(&registry).await?.ok_or_else(|| refused("nothing proves who asks"))?;
        let question = Question {
            registry_id: &registry.account,
            repository_name: ask.repository,
            filter: Filter { tag_status: "TAGGED" },
            max_results: SIZE,
            next_token: ask.cursor,
        };
        let body = serde_json::to_string(&question).map_err(|error| refused(&error.to_string()))?;
        let permit = ask.host.gate.enter(false, &ask.host.name, ask.what).await?;
        let call = Call { action: "DescribeImages", body: &body, what: ask.what };
        let answer = cloud.call(&registry, &keys, &call).await;
        permit.finish(answer.as_ref().err());
        let answer: Answer = serde_json::from_slice(&answer?).map_err(|error| {
            JobError::never(
                "malformed",
                format!("failed to read {}: it is no list of images: {error}", ask.what),
            )
        })?;
        let entries = answer.image_details.into_iter().flat_map(|image| {
            let tags = image.image_tags.unwrap_or_default().into_iter();
            tags.map(move |tag| Entry { tag, digest: image.image_digest.clone() })
        });
        Ok(Found { entries: entries.collect(), next: answer.next_token.filter(|token| !token.is_empty()) })
    }
    .boxed()
}
