//! Pages of several repositories, of which some fail, take long or are large.

use std::time::Duration;

use async_trait::async_trait;
use strata_proto::v1::{Retry, SourceOptions};

use super::*;
use crate::ports::{Blob, Page, Resolution};

/// Repositories whose names say what becomes of them.
struct Named;

#[async_trait]
impl Images for Named {
    async fn list(
        &self,
        _: &str,
        repository: &str,
        cursor: &str,
        _: &SourceOptions,
    ) -> Result<Page, JobError> {
        assert_eq!(cursor, "", "the first page");
        let names = match repository {
            "bad" => return Err(JobError::never("unauthorized", "failed to list bad")),
            "hung" => std::future::pending().await,
            "slow" => {
                tokio::time::sleep(PATIENCE * 2).await;
                vec!["1".to_owned()]
            }
            "large" => vec!["x".repeat(ROOM - 100)],
            _ => vec!["1".to_owned(), "2".to_owned()],
        };
        Ok(Page { names, next: (repository == "long").then(|| "2".to_owned()), ..Page::default() })
    }

    async fn digest(&self, _: &str, _: &SourceOptions) -> Result<Option<String>, JobError> {
        Ok(None)
    }

    async fn resolve(&self, _: &str, _: &str, _: &SourceOptions) -> Result<Resolution, JobError> {
        Err(JobError::never("not-found", "no images here"))
    }

    async fn blob(&self, _: &str, _: &str, _: &SourceOptions) -> Result<Blob, JobError> {
        Err(JobError::never("not-found", "no layers here"))
    }
}

fn job(repositories: &[&str]) -> ListJob {
    let (first, more) = repositories.split_first().unwrap();
    ListJob {
        host: "r".to_owned(),
        repository: (*first).to_owned(),
        more: more.iter().map(|&name| name.to_owned()).collect(),
        ..ListJob::default()
    }
}

fn said(listed: &Listed) -> Vec<String> {
    let said = listed.more.iter().map(|one| match one.result.as_ref().unwrap() {
        Answer::Page(page) => format!("{} {} {}", one.repository, page.names.len(), page.next_cursor),
        Answer::Failure(failure) => {
            assert_eq!(failure.retry(), Retry::Never);
            format!("{} {}", one.repository, failure.code)
        }
    });
    let mut said: Vec<String> = said.collect();
    said.sort();
    said
}

#[tokio::test(start_paused = true)]
async fn one_bad_repository_fails_alone_and_a_slow_one_holds_nobody_up() {
    for (repositories, want) in [
        (&["a", "bad", "long"][..], &["a 2 ", "bad unauthorized", "long 2 2"][..]),
        (&["bad", "a"], &["a 2 ", "bad unauthorized"]),
        (&["hung", "a", "slow", "b"], &["a 2 ", "b 2 "]),
        // Somebody has to be the first.
        (&["slow", "hung"], &["slow 1 "]),
    ] {
        let listed = list(&Named, &Turn::default(), &job(repositories)).await.unwrap();
        assert_eq!(said(&listed), want, "{repositories:?}");
        assert!(listed.names.is_empty() && listed.next_cursor.is_empty(), "all is under its name");
    }
    let many: Vec<String> = (0..100).map(|number| format!("repository{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(list(&Named, &Turn::default(), &job(&many)).await.unwrap().more.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_an_answer_is_left_out() {
    let listed = list(&Named, &Turn::default(), &job(&["large", "large", "large"])).await.unwrap();
    assert_eq!(said(&listed), ["large 1 "]);
}

#[tokio::test(start_paused = true)]
async fn a_repository_by_itself_is_answered_by_itself_however_slow() {
    let page = list(&Named, &Turn::default(), &job(&["slow"])).await.unwrap();
    assert_eq!((page.names.len(), page.more.len()), (1, 0));
    let error = list(&Named, &Turn::default(), &job(&["bad"])).await.unwrap_err();
    assert_eq!((error.code, error.later), ("unauthorized", false));
    assert!(
        tokio::time::timeout(Duration::from_hours(1), list(&Named, &Turn::default(), &job(&["hung"])))
            .await
            .is_err()
    );
}
