//! Bulk listings: where a registry's own API tells the digests of a repository's tags page by page, an unchanged repository
//! costs one request for each page, and none for each tag. One file and one row of [`PROVIDERS`] for each kind.
//!
//! A bulk listing is an economy: where it is refused, the tags are listed as everywhere.

use futures::future::BoxFuture;
use strata_proto::{digest::Digest, reference::is_tag};

use super::{Registry, host::Host, page};
use crate::{error::JobError, ports::Page};

mod azure;
mod ecr;
mod google;
mod harbor;

/// Names that one page of ours carries: with their digests they still fit a message.
const MAX_NAMES: usize = 4_000;
/// Bytes of one of the registry's pages.
const MAX_BYTES: usize = 64 << 20;

/// One kind of registry.
pub(super) struct Provider {
    /// Name in settings and messages.
    pub(super) name: &'static str,
    /// Whether a registry is of this kind, by its name and the service that its challenge names.
    is_kind: fn(&str, &str) -> bool,
    /// Reads one page.
    page: for<'a> fn(&'a Ask<'a>) -> BoxFuture<'a, Result<Found, JobError>>,
}

/// Every kind that is known.
pub(super) const PROVIDERS: [Provider; 4] = [
    Provider { name: "harbor", is_kind: harbor::is_kind, page: harbor::page },
    Provider { name: "ecr", is_kind: ecr::is_kind, page: ecr::page },
    Provider { name: "google", is_kind: google::is_kind, page: google::page },
    Provider { name: "acr", is_kind: azure::is_kind, page: azure::page },
];

/// What is asked for.
pub(super) struct Ask<'a> {
    registry: &'a Registry,
    host: &'a Host,
    repository: &'a str,
    /// Where to go on, as the page before said; empty at first.
    cursor: &'a str,
    /// For messages.
    what: &'a str,
}

/// One page of a registry's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    entries: Vec<Entry>,
    next: Option<String>,
}

/// A tag and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    tag: String,
    /// As the registry writes it.
    digest: String,
}

/// Whether a kind can be set for a registry: one of the table, or `plain` for none.
pub(super) fn is_known(kind: &str) -> bool {
    kind == "plain" || PROVIDERS.iter().any(|provider| provider.name == kind)
}

/// The kind of a registry: by the settings, else by its name and challenge.
async fn provider(
    registry: &Registry,
    host: &Host,
    what: &str,
) -> Result<Option<&'static Provider>, JobError> {
    let set = registry.config.kinds.iter().find(|(name, _)| *name == host.name);
    if let Some((_, kind)) = set {
        return Ok(PROVIDERS.iter().find(|provider| provider.name == kind));
    }
    host.endpoint(registry, what).await?;
    let service = host.service();
    Ok(PROVIDERS.iter().find(|provider| (provider.is_kind)(&host.name, &service)))
}

/// One page of a repository's tags with their digests; `None` where the registry has no such listing, or does not give it.
///
/// # Errors
/// What may pass. What is refused for good is a reason to list plainly.
pub(super) async fn list(
    registry: &Registry,
    host: &Host,
    repository: &str,
    cursor: &str,
    what: &str,
) -> Result<Option<Page>, JobError> {
    if host.is_plain() {
        return Ok(None);
    }
    let Some(provider) = provider(registry, host, what).await? else { return Ok(None) };
    let (start, skip) = split(cursor);
    let ask = Ask { registry, host, repository, cursor: start, what };
    match (provider.page)(&ask).await {
        Ok(found) => Ok(Some(cut(found, start, skip))),
        Err(error) if error.later => Err(error),
        Err(error) => {
            tracing::info!(
                host = host.name,
                repository,
                kind = provider.name,
                code = error.code,
                "listed plainly: {}",
                error.message
            );
            if matches!(error.code, "unauthorized" | "refused") {
                host.list_plainly();
            }
            Ok(None)
        }
    }
}

/// Marks a cursor of a bulk listing: no name and no path begins like it.
pub(super) const MARK: char = '@';

/// A cursor's start of a page, and how many of its entries were given before.
fn split(cursor: &str) -> (&str, usize) {
    let text = cursor.strip_prefix(MARK).unwrap_or_default();
    let (skip, start) = text.split_once(' ').unwrap_or(("0", ""));
    (start, skip.parse().unwrap_or(0))
}

/// One page of ours from one of the registry's.
fn cut(found: Found, start: &str, skip: usize) -> Page {
    let count = found.entries.len();
    let mut page = Page::default();
    for entry in found.entries.into_iter().skip(skip).take(MAX_NAMES) {
        let good = is_tag(&entry.tag);
        // A digest of another algorithm says nothing to us: the tag is asked for as everywhere.
        let digest = entry.digest.parse::<Digest>().map(|digest| digest.to_string());
        page.digests.push(digest.ok().filter(|_| good).unwrap_or_default());
        page.names.push(if good { entry.tag } else { page::quote(&entry.tag) });
    }
    let given = skip.saturating_add(MAX_NAMES);
    page.next = match found.next {
        _ if given < count => Some(format!("{MARK}{given} {start}")),
        Some(next) => Some(format!("{MARK}0 {next}")),
        None => None,
    };
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_and_go_on_where_they_were() {
        let digest = Digest::of(b"x").to_string();
        let entries: Vec<Entry> =
            (0..9_500).map(|number| Entry { tag: format!("t{number}"), digest: digest.clone() }).collect();
        let (mut cursor, mut seen) = (String::new(), Vec::new());
        loop {
            let (start, skip) = split(&cursor);
            assert_eq!(start, "");
            let page = cut(Found { entries: entries.clone(), next: None }, start, skip);
            assert_eq!(page.names.len(), page.digests.len());
            seen.extend(page.names);
            match page.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
        assert_eq!(seen.len(), entries.len());
        let next = cut(Found { entries: Vec::new(), next: Some("a b c".to_owned()) }, "", 0).next.unwrap();
        assert_eq!(split(&next), ("a b c", 0));
    }

    #[test]
    fn what_is_malformed_is_told_apart() {
        let entry = |tag: &str, digest: &str| Entry { tag: tag.to_owned(), digest: digest.to_owned() };
        let digest = Digest::of(b"x").to_string();
        let entries = vec![entry("good", &digest), entry("bad tag", &digest), entry("odd", "sha512:00")];
        let page = cut(Found { entries, next: None }, "", 0);
        assert_eq!(page.names, ["good", "\"bad tag\"", "odd"]);
        assert_eq!(page.digests, [digest.as_str(), "", ""]);
    }
}
