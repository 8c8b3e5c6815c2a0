//! Harbor: the artifacts of a repository (Harbor API v2.0, `listArtifacts`). Pages are by number; sorted by the artifact's
//! number, which never changes, so that what is pushed meanwhile comes at the end. Where something was deleted meanwhile the
//! total shrinks, and the listing starts again: nothing is lost, and a tag that comes twice counts once.

use futures::{FutureExt as _, future::BoxFuture};
use reqwest::header::HeaderName;
use serde::Deserialize;

use super::{Ask, Entry, Found};
use crate::{
    error::JobError,
    source::registry::{answer, page::get},
};

/// Artifacts of a page: the most that Harbor gives.
const SIZE: u64 = 100;

/// What Harbor's challenge calls itself.
pub(super) fn is_kind(_: &str, service: &str) -> bool {
    service == "harbor-registry"
}

#[derive(Deserialize)]
struct Artifact {
    #[serde(default)]
    digest: String,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

pub(super) fn page<'a>(ask: &'a Ask<'a>) -> BoxFuture<'a, Result<Found, JobError>> {
    async move {
        let (number, before) = position(ask.cursor);
        let Some((project, name)) = ask.repository.split_once('/') else {
            return Err(JobError::never(
                "not-found",
                format!("failed to read {}: it belongs to no project", ask.what),
            ));
        };
        // Harbor unescapes twice.
        let name = name.replace('/', "%252F");
        let path = format!(
            "/api/v2.0/projects/{project}/repositories/{name}/artifacts?page={number}&page_size={SIZE}&with_tag=true&sort=id"
        );
        let (response, asked) = get(ask.registry, ask.host, &path, "", ask.what).await?;
        let total = answer::text(&response, &HeaderName::from_static("x-total-count"));
        let total: Option<u64> = total.and_then(|total| total.parse().ok());
        let body = asked.body(response, super::MAX_BYTES, ask.registry.config.request_timeout).await?;
        let artifacts: Vec<Artifact> = serde_json::from_slice(&body).map_err(|error| {
            JobError::never("malformed", format!("failed to read {}: it is no list of artifacts: {error}", ask.what))
        })?;
        let count = u64::try_from(artifacts.len()).unwrap_or(u64::MAX);
        let next = following(number, before, total, count).map(|(number, total)| format!("{number} {total}"));
        let entries = artifacts.into_iter().flat_map(|artifact| {
            let tags = artifact.tags.unwrap_or_default().into_iter();
            tags.map(move |tag| Entry { tag: tag.name, digest: artifact.digest.clone() })
        });
        Ok(Found { entries: entries.collect(), next })
    }
    .boxed()
}

/// The number of a page, and the total that the page before told.
fn position(cursor: &str) -> (u64, u64) {
    let (number, total) = cursor.split_once(' ').unwrap_or(("1", "0"));
    (number.parse().unwrap_or(1), total.parse().unwrap_or(0))
}

/// The page after this one, and the total that goes with it.
fn following(number: u64, before: u64, total: Option<u64>, count: u64) -> Option<(u64, u64)> {
    let Some(total) = total else {
        // Without a total, a full page may have one after it.
        return (count >= SIZE).then_some((number.saturating_add(1), 0));
    };
    if total < before {
        return Some((1, total));
    }
    (count > 0 && number.saturating_mul(SIZE) < total).then_some((number.saturating_add(1), total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_after_pages() {
        for (number, before, total, count, want) in [
            (1, 0, Some(250), 100, Some((2, 250))),
            (2, 250, Some(250), 100, Some((3, 250))),
            (3, 250, Some(250), 50, None),
            (3, 250, Some(260), 60, None),
            // Deleted meanwhile: what was on the third page may be on the second now.
            (3, 250, Some(240), 40, Some((1, 240))),
            (1, 0, Some(0), 0, None),
            (9, 250, Some(250), 0, None),
            (1, 0, None, 100, Some((2, 0))),
            (2, 0, None, 7, None),
        ] {
            assert_eq!(following(number, before, total, count), want, "{number} {before} {total:?} {count}");
        }
        assert_eq!(position(""), (1, 0));
        assert_eq!(position("3 250"), (3, 250));
    }
}
