//! From a registry to references: pages of the catalog, pages of each repository's tags, filters.

mod several;

use std::collections::BTreeSet;

use strata_proto::{
    digest::Digest,
    reference,
    subject::key_of,
    v1::{Failure, Lane, ListJob, Listed, RegistryTarget, event::Kind, job::Verb},
};

use super::{
    Plan, ScanNumber, glob, later,
    resolve::words,
    scan::{self, Running},
    work::{Key, Task},
};

/// Listing jobs of one scan at a time, however many workers there are.
const MOST: usize = 64;
/// Repositories of one job, however few there are: a worker lists so many at once.
const TOGETHER: usize = 8;

/// A page to be listed.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    /// Empty: the catalog.
    pub(super) repository: Box<str>,
    pub(super) cursor: Box<str>,
    /// Pages before this one.
    pub(super) pages: u32,
    /// Where one of the pages before ends: pages that come there again go round in a circle.
    pub(super) mark: Option<Digest>,
    /// Whether it is not to be one of several of a job: it was, and got no answer.
    pub(super) alone: bool,
}

impl Listing {
    pub(super) fn first(repository: &str) -> Self {
        Self { repository: repository.into(), cursor: "".into(), pages: 0, mark: None, alone: false }
    }

    /// Whether a job may have further ones beside it.
    fn is_sociable(&self) -> bool {
        !self.alone && self.pages == 0 && !self.repository.is_empty()
    }

    fn target(&self, host: &str) -> String {
        if self.repository.is_empty() { host.to_owned() } else { format!("{host}/{}", self.repository) }
    }
}

impl Plan {
    /// Makes a scan's next listing job, if it may have another.
    pub(super) fn make_listing(&mut self, number: ScanNumber) {
        // A quarter of the window: pages of few tags must not be what a sweep waits for, nor keep images from being resolved.
        let window = self.crew.window(self.config.window) / 4;
        let listings = window.clamp(self.config.listings, self.config.listings.max(MOST));
        let slots = self.crew.slots(self.config.window);
        let Some(scan) = self.scans.get_mut(&number) else { return };
        if scan.listings_open >= listings || scan.queued.len() >= self.config.queued_references {
            return;
        }
        // So many that every slot gets its share: a sweep's end is done by all workers.
        let most = self.config.list_batch.max(1);
        let most = match scan.lane {
            Lane::Sweep => (scan.listings.len() / slots).clamp(TOGETHER.min(most), most),
            Lane::Interactive | Lane::Unspecified => 1,
        };
        let Some(first) = scan.listings.pop_front() else { return };
        let mut together = vec![first];
        while together.len() < most
            && together.iter().chain(scan.listings.front()).all(Listing::is_sociable)
            && let Some(next) = scan.listings.pop_front()
        {
            together.push(next);
        }
        self.list(number, together, 0);
    }

    /// Makes a job of these.
    fn list(&mut self, number: ScanNumber, listings: Vec<Listing>, round: u32) -> Option<Key> {
        let scan = self.scans.get_mut(&number)?;
        let (first, more) = listings.split_first()?;
        let host = scan.host().to_owned();
        let key = if more.is_empty() {
            key_of(&["list", &scan.id, &host, &first.repository, &first.cursor])
        } else {
            let round = round.to_string();
            let mut parts = vec!["lists", &*scan.id, &host, &round];
            parts.extend(listings.iter().map(|listing| &*listing.repository));
            key_of(&parts)
        };
        let verb = Verb::List(ListJob {
            host,
            repository: first.repository.to_string(),
            cursor: first.cursor.to_string(),
            options: Some(scan.options()),
            more: more.iter().map(|listing| listing.repository.to_string()).collect(),
        });
        scan.listings_open += 1;
        let made = self.make(number, key, verb, Task::List { listings: listings.clone(), round });
        if made.is_none() {
            // The same page is under way: a registry whose pages go in a circle.
            self.close_listing(number);
            for listing in &listings {
                let failure =
                    later("malformed", format!("the pages of {} repeat", self.target(number, listing)));
                self.list_failed(number, listing, &failure);
            }
        }
        made
    }

    /// A listing that is tried again keeps its whole sweep waiting: whoever watches it should know why.
    pub(super) fn note_trouble(&mut self, key: &Key, failure: &Failure) {
        let Some(work) = self.works.get(key).filter(|work| matches!(work.task, Task::List { .. })) else {
            return;
        };
        let Some(scan) = self.scans.get_mut(&work.scan) else { return };
        scan.trouble = format!("tried again: {}", words(failure));
    }

    /// A listing job has ended.
    pub(super) fn close_listing(&mut self, number: ScanNumber) {
        self.touched.insert(number);
        if let Some(scan) = self.scans.get_mut(&number) {
            scan.listings_open = scan.listings_open.saturating_sub(1);
        }
    }

    fn target(&self, number: ScanNumber, listing: &Listing) -> String {
        self.scans.get(&number).map(|scan| listing.target(scan.host())).unwrap_or_default()
    }

    pub(super) fn listed(&mut self, key: &Key, listed: Listed) {
        let Some(work) = self.settle(key) else { return };
        let Task::List { listings, round } = work.task else { return };
        self.close_listing(work.scan);
        if let Some(scan) = self.scans.get_mut(&work.scan) {
            scan.trouble.clear();
        }
        match <[Listing; 1]>::try_from(listings) {
            Ok([listing]) => self.page(work.scan, listing, listed),
            Err(listings) => self.pages(key, (work.scan, work.budget), (listings, round), listed),
        }
    }

    fn page(&mut self, number: ScanNumber, listing: Listing, page: Listed) {
        let Some(scan) = self.scans.get_mut(&number) else { return };
        let malformed = if listing.repository.is_empty() {
            scan.add_repositories(&page.names)
        } else {
            self.add_tags(number, &listing.repository, &page)
        };
        let target = self.target(number, &listing);
        if malformed > 0 {
            let message = format!("{malformed} names that {target} listed are malformed");
            self.fail_listing(number, target.clone(), "malformed", &message);
        }
        if page.next_cursor.is_empty() {
            return;
        }
        let Some(scan) = self.scans.get_mut(&number) else { return };
        let place = Digest::of(page.next_cursor.as_bytes());
        if listing.mark == Some(place) || page.next_cursor == *listing.cursor {
            let message = format!("the pages of {target} go round in a circle");
            self.fail_listing(number, target, "malformed", &message);
            return;
        }
        let limit = if listing.pages >= self.config.pages {
            Some(format!("{target} has more than {} pages", self.config.pages))
        } else if scan.enumerated() >= self.config.references {
            Some(format!("{target} goes on after {} references", self.config.references))
        } else {
            None
        };
        if let Some(message) = limit {
            self.fail_listing(number, target, "limit", &message);
            return;
        }
        let pages = listing.pages + 1;
        let next = Listing {
            // The mark moves on at powers of two (Brent's way): a circle of any length is noticed before it is gone
            // round thrice.
            mark: if pages.is_power_of_two() { Some(place) } else { listing.mark },
            repository: listing.repository,
            cursor: page.next_cursor.into(),
            pages,
            alone: listing.alone,
        };
        // A repository is listed to its end before the next one; the catalog's next page comes after what this one gave.
        if next.repository.is_empty() {
            scan.listings.push_back(next);
        } else {
            scan.listings.push_front(next);
        }
    }

    /// Enumerates tags. Returns how many are no tags.
    fn add_tags(&mut self, number: ScanNumber, repository: &str, page: &Listed) -> usize {
        let Some(scan) = self.scans.get_mut(&number) else { return 0 };
        let target = scan.request.registry.clone().unwrap_or_default();
        let mut malformed = 0;
        let mut filtered = Vec::new();
        for (place, tag) in page.names.iter().enumerate() {
            if !reference::is_tag(tag) {
                malformed += 1;
                continue;
            }
            let text = format!("{}/{repository}:{tag}", target.host);
            if !scan.enumerate(&text) {
                continue;
            }
            if wanted(&target, repository, tag) {
                let told = page.digests.get(place).and_then(|digest| digest.parse().ok());
                scan.queued.push_back((text.into(), told));
            } else {
                filtered.push(text);
            }
        }
        if !filtered.is_empty() {
            self.skip(number, filtered, "filtered");
        }
        malformed
    }

    pub(super) fn list_failed(&mut self, number: ScanNumber, listing: &Listing, failure: &Failure) {
        let target = self.target(number, listing);
        self.fail_listing(number, target, &failure.code, &failure.message);
    }

    /// A target's listing counts as failed once, also when it fails again after a restart.
    fn fail_listing(&mut self, number: ScanNumber, target: String, code: &str, message: &str) {
        self.touched.insert(number);
        let Some(scan) = self.scans.get_mut(&number) else { return };
        if scan.note_listing_failed(&target, code) {
            let (code, message) = (code.to_owned(), message.to_owned());
            self.emit(number, Kind::ListingFailed(strata_proto::v1::ListingFailed { target, code, message }));
        }
    }
}

impl Running {
    /// Queues the listings of a scan's start.
    pub(super) fn start_listings(&mut self) {
        let Some(target) = self.request.registry.clone() else { return };
        if target.repositories.is_empty() {
            self.listings.push_back(Listing::first(""));
            return;
        }
        let named: BTreeSet<&String> = target.repositories.iter().collect();
        self.listings.extend(named.into_iter().map(|repository| Listing::first(repository)));
    }

    /// Queues the tag listings of a catalog page. Returns how many names are no repositories.
    fn add_repositories(&mut self, names: &[String]) -> usize {
        let target = self.request.registry.clone().unwrap_or_default();
        let mut malformed = 0;
        for name in names {
            if !reference::is_repository(name) {
                malformed += 1;
            // The space keeps a repository apart from every reference.
            } else if below(&target, name) && self.seen.insert(scan::name(format!(" {name}").as_bytes())) {
                self.listings.push_back(Listing::first(name));
            }
        }
        malformed
    }
}

fn below(target: &RegistryTarget, repository: &str) -> bool {
    let rest = repository.strip_prefix(&target.prefix);
    rest.is_some_and(|rest| {
        !target.whole || rest.is_empty() || rest.starts_with('/') || target.prefix.ends_with('/')
    })
}

fn wanted(target: &RegistryTarget, repository: &str, tag: &str) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| glob::matches(pattern, repository, tag));
    (target.include.is_empty() || any(&target.include)) && !any(&target.exclude)
}
