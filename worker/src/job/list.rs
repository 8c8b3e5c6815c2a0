//! *list*: one page of a registry's catalog or of one repository's tags, or the first page of each of several repositories.

use std::{iter, pin::pin, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use prost::Message as _;
use strata_proto::v1::{ListJob, Listed, ListedRepository, listed_repository::Result as Answer};

use crate::{error::JobError, ports::Images, precedence::Turn};

/// Repositories that are listed at once. The registry's gate may let fewer through.
const CONCURRENCY: usize = 8;
/// How long those that are listed wait for the others of their job. These are asked for again, each by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of pages in one answer: well below the limit of a message.
const ROOM: usize = 256 << 10;

/// Reads one page. A malformed name comes through in quotes: whoever uses it next fails and names it. What fails for one
/// repository of several stands in its place of the answer and fails no other.
///
/// # Errors
/// When the only page cannot be read; `catalog-refused` where a registry does not list its repositories.
pub async fn list(images: &dyn Images, turn: &Turn, job: &ListJob) -> Result<Listed, JobError> {
    if job.more.is_empty() {
        return page(images, job, &job.repository, &job.cursor).await;
    }
    Ok(Listed { more: several(images, turn, job).await, ..Listed::default() })
}

async fn page(
    images: &dyn Images,
    job: &ListJob,
    repository: &str,
    cursor: &str,
) -> Result<Listed, JobError> {
    let options = job.options.unwrap_or_default();
    let page = images.list(&job.host, repository, cursor, &options).await?;
    let next_cursor = page.next.unwrap_or_default();
    Ok(Listed { names: page.names, digests: page.digests, next_cursor, ..Listed::default() })
}

/// At least one of them. What takes long, and what there is no room for, is left out.
async fn several(images: &dyn Images, turn: &Turn, job: &ListJob) -> Vec<ListedRepository> {
    // Boxed one by one: the compiler cannot prove of a closure over borrowed names that its futures may change threads.
    let questions: Vec<BoxFuture<'_, ListedRepository>> = iter::once(&job.repository)
        .chain(&job.more)
        .map(|repository| one(images, turn.another(), job, repository).boxed())
        .collect();
    let mut pages = stream::iter(questions).buffer_unordered(CONCURRENCY);
    let mut patience = pin!(tokio::time::sleep(PATIENCE));
    let (mut listed, mut bytes) = (Vec::new(), 0_usize);
    loop {
        let next = tokio::select! {
            biased;
            next = pages.next() => next,
            () = &mut patience, if !listed.is_empty() => None,
        };
        let Some(next) = next else { return listed };
        bytes = bytes.saturating_add(next.encoded_len());
        if bytes > ROOM && !listed.is_empty() {
            return listed;
        }
        listed.push(next);
    }
}

async fn one(images: &dyn Images, turn: Turn, job: &ListJob, repository: &str) -> ListedRepository {
    turn.pause().await;
    let result = match page(images, job, repository, "").await {
        Ok(page) => Answer::Page(page),
        Err(error) => Answer::Failure(error.to_failure()),
    };
    ListedRepository { repository: repository.to_owned(), result: Some(result) }
}

#[cfg(test)]
mod tests;
