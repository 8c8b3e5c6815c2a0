//! Catalogs and tags, page by page (distribution specification, "content discovery").

use reqwest::{Method, Response, header};
use serde::Deserialize;
use strata_proto::reference::{is_repository, is_tag};

use super::{
    Registry,
    answer::Asked,
    bulk, host,
    host::Host,
    link,
    send::{Request, send},
};
use crate::{error::JobError, ports::Page};

/// Names that one page of ours carries, however many the registry sends.
const MAX_NAMES: usize = 1_000;
/// Characters of a malformed name that are passed on.
const MAX_BAD_NAME: usize = 200;

#[derive(Deserialize)]
struct Names {
    // A registry's own word for an empty list is sometimes null.
    repositories: Option<Vec<String>>,
    tags: Option<Vec<String>>,
}

/// Where a page starts: a path that the registry gave or a name after which to go on, and a name on that page after
/// which to go on within it.
struct Cursor<'a> {
    start: &'a str,
    within: Option<&'a str>,
}

impl<'a> Cursor<'a> {
    fn parse(text: &'a str) -> Self {
        match text.strip_prefix('+').and_then(|rest| rest.split_once('|')) {
            Some((within, start)) => Self { start, within: Some(within) },
            None => Self { start: text, within: None },
        }
    }
}

/// One page of a catalog (`repository` is empty) or of a repository's tags.
///
/// # Errors
/// `catalog-refused` where the registry gives no catalog; else as for any request.
pub(super) async fn list(
    registry: &Registry,
    host: &Host,
    repository: &str,
    cursor: &str,
) -> Result<Page, JobError> {
    let what = if repository.is_empty() {
        format!("the catalog of {}", host.name)
    } else {
        format!("the tags of {}/{repository}", host.name)
    };
    if !repository.is_empty()
        && (cursor.is_empty() || cursor.starts_with(bulk::MARK))
        && let Some(page) = bulk::list(registry, host, repository, cursor, &what).await?
    {
        return Ok(page);
    }
    // A bulk listing that broke off: from the start, and what comes twice counts once.
    let cursor = Cursor::parse(if cursor.starts_with(bulk::MARK) { "" } else { cursor });
    let size = registry.config.page_size;
    let path = path(repository, &cursor, size);
    let (response, asked) = ask(registry, host, repository, &path, &what).await?;
    let next = next(registry, host, &response, &path, &what).await?;
    let body = asked.body(response, registry.config.page_bytes, registry.config.request_timeout).await?;
    let malformed = |reason: String| JobError::never("malformed", format!("failed to read {what}: {reason}"));
    let names: Names = serde_json::from_slice(&body)
        .map_err(|error| malformed(format!("the answer is not the JSON of a list: {error}")))?;
    let (names, valid): (_, fn(&str) -> bool) = match repository {
        "" => (names.repositories, is_repository),
        _ => (names.tags, is_tag),
    };
    let names = names.unwrap_or_default().into_iter();
    let names: Vec<String> = names.map(|name| if valid(&name) { name } else { quote(&name) }).collect();
    paginate(names, next, &cursor, size).map_err(|()| malformed("its pages go round in a circle".to_owned()))
}

fn path(repository: &str, cursor: &Cursor<'_>, size: usize) -> String {
    let path = match repository {
        "" => "/v2/_catalog".to_owned(),
        repository => format!("/v2/{repository}/tags/list"),
    };
    match cursor.start {
        "" => format!("{path}?n={size}"),
        start if start.starts_with('/') => start.to_owned(),
        name => format!("{path}?n={size}&last={}", encode(name)),
    }
}

/// Asks for a page; a catalog that is not given has an error of its own.
async fn ask<'a>(
    registry: &Registry,
    host: &'a Host,
    repository: &str,
    path: &str,
    what: &'a str,
) -> Result<(Response, Asked<'a>), JobError> {
    let is_catalog = repository.is_empty();
    let scope = match repository {
        "" => "registry:catalog:*".to_owned(),
        repository => format!("repository:{repository}:pull"),
    };
    let request = Request {
        method: Method::GET,
        path,
        accept: "application/json",
        from: 0,
        end: None,
        scope: &scope,
        what,
        download: false,
    };
    let answered = match send(registry, host, &request).await {
        Err(error) if is_catalog && error.code == "unauthorized" => {
            return Err(refused(host, &error.message));
        }
        answered => answered?,
    };
    let asked = Asked { what, host: &host.name, login: answered.login };
    let response = answered.response;
    match response.status().as_u16() {
        200 => Ok((response, asked)),
        401 | 403 if is_catalog => Err(refused(host, &asked.unauthorized("").message)),
        404 | 405 if is_catalog => {
            let status = response.status();
            Err(refused(host, &format!("failed to read {what}: {} answered {status}", host.name)))
        }
        _ => Err(asked.refusal(response).await),
    }
}

/// Asks for what a bulk listing reads; `scope` is empty for an API that takes logins rather than tokens.
pub(super) async fn get<'a>(
    registry: &Registry,
    host: &'a Host,
    path: &str,
    scope: &str,
    what: &'a str,
) -> Result<(Response, Asked<'a>), JobError> {
    let accept = "application/json";
    let request =
        Request { method: Method::GET, path, accept, from: 0, end: None, scope, what, download: false };
    let answered = send(registry, host, &request).await?;
    let asked = Asked { what, host: &host.name, login: answered.login };
    match answered.response.status().as_u16() {
        200 => Ok((answered.response, asked)),
        _ => Err(asked.refusal(answered.response).await),
    }
}

/// Where the next page is, by the answer's `Link`.
pub(super) async fn next(
    registry: &Registry,
    host: &Host,
    response: &Response,
    path: &str,
    what: &str,
) -> Result<Option<String>, JobError> {
    let mut links = response.headers().get_all(header::LINK).iter();
    let Some(target) = links.find_map(|value| value.to_str().ok().and_then(link::next)) else {
        return Ok(None);
    };
    let page = host::join(&host.endpoint(registry, what).await?.base, path);
    match link::same_host(&page, &target) {
        Some(path) => Ok(Some(path)),
        None => {
            let shown: String = target.chars().take(200).collect();
            let message = format!("failed to read {what}: its next page is on another host: {shown}");
            Err(JobError::never("malformed", message))
        }
    }
}

fn refused(host: &Host, reason: &str) -> JobError {
    JobError::never(
        "catalog-refused",
        format!(
            "{reason}; {} does not list its repositories: name repositories with --repository",
            host.name
        ),
    )
}

/// One page of ours from one of the registry's: at most [`MAX_NAMES`], so that it fits a message. `Err` is a circle.
fn paginate(names: Vec<String>, next: Option<String>, cursor: &Cursor<'_>, size: usize) -> Result<Page, ()> {
    let count = names.len();
    let last = names.last().cloned();
    let next = match next {
        Some(next) if next == cursor.start => return Err(()),
        Some(next) => Some(next),
        // A full page without a link: some registries page by name and do not say so. Asked again, one that does
        // not page at all repeats itself, and is done.
        None if count == size
            && !last.as_ref().is_some_and(|last| last == cursor.start || last.starts_with('"')) =>
        {
            last
        }
        None => None,
    };
    if !cursor.start.is_empty()
        && !cursor.start.starts_with('/')
        && names.iter().any(|name| name == cursor.start)
    {
        // The registry took no notice of where to go on: these names are known.
        return Ok(Page::default());
    }
    let skip =
        cursor.within.and_then(|within| names.iter().position(|name| name == within)).map_or(0, |at| at + 1);
    let mut names: Vec<String> = names.into_iter().skip(skip).collect();
    if names.len() <= MAX_NAMES {
        return Ok(Page { names, next, ..Page::default() });
    }
    names.truncate(MAX_NAMES);
    let within = names.last().map_or("", String::as_str);
    let next = Some(format!("+{within}|{}", cursor.start));
    Ok(Page { names, next, ..Page::default() })
}

/// A malformed name in a form that no reader takes for a valid one, so that whoever uses it fails and says so.
pub(super) fn quote(name: &str) -> String {
    let mut text = String::from("\"");
    text.extend(name.chars().take(MAX_BAD_NAME).flat_map(|c| match c {
        '|' => "\\u{7c}".chars().collect::<Vec<_>>(),
        c => c.escape_debug().collect(),
    }));
    text.push('"');
    text
}

/// A name as a query's value.
fn encode(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use strata_proto::reference::Reference;

    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|number| format!("n{number:05}")).collect()
    }

    fn page(names: Vec<String>, next: Option<&str>, cursor: &str, size: usize) -> Result<Page, ()> {
        paginate(names, next.map(str::to_owned), &Cursor::parse(cursor), size)
    }

    #[test]
    fn pages_follow_each_other() {
        let next = |page: Result<Page, ()>| page.map(|page| (page.names.len(), page.next));
        assert_eq!(next(page(names(0..3), None, "", 100)), Ok((3, None)));
        assert_eq!(next(page(names(0..3), Some("/p2"), "", 100)), Ok((3, Some("/p2".to_owned()))));
        assert_eq!(next(page(names(0..3), Some("/p2"), "/p2", 100)), Err(()));
        // Full, without a link.
        assert_eq!(next(page(names(0..100), None, "", 100)), Ok((100, Some("n00099".to_owned()))));
        assert_eq!(next(page(names(0..100), None, "n00099", 100)), Ok((0, None)));
        assert_eq!(next(page(Vec::new(), None, "n00099", 100)), Ok((0, None)));
    }

    #[test]
    fn a_registry_that_sends_everything_at_once_is_cut_into_pages() {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        for _ in 0..4 {
            let page = page(names(0..3_500), None, &cursor, 1_000).unwrap();
            assert!(page.names.len() <= MAX_NAMES);
            seen.extend(page.names);
            match page.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        assert_eq!(seen, names(0..3_500));
    }

    proptest! {
        #[test]
        fn a_malformed_name_stays_malformed(name in "[ -~é\n]{0,20}(@sha256:[0-9a-f]{64})?") {
            if !is_tag(&name) {
                let tag = format!("r.example/a:{}", quote(&name));
                prop_assert!(tag.parse::<Reference>().is_err(), "{tag}");
            }
            if !is_repository(&name) {
                prop_assert!(!is_repository(&quote(&name)));
                let reference = format!("r.example/{}:1", quote(&name));
                prop_assert!(reference.parse::<Reference>().is_err(), "{reference}");
            }
        }
    }
}
