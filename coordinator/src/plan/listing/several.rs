//! Several repositories of one job: each has an answer of its own, or is asked for again.

use std::collections::BTreeMap;

use strata_proto::v1::{Failure, Listed, listed_repository::Result as Answer};

use super::Listing;
use crate::plan::{
    Plan, ScanNumber,
    retry::{Budget, Class, Verdict},
    tidy,
    work::{Key, Task},
};

impl Plan {
    /// What came of several repositories. Those that failed go on apart from the others; those without an answer (it was too
    /// slow or too large, or the worker is one that lists the first of a job only) by themselves.
    pub(super) fn pages(
        &mut self,
        key: &Key,
        (number, before): (ScanNumber, Budget),
        (listings, round): (Vec<Listing>, u32),
        listed: Listed,
    ) {
        let Some(lane) = self.scans.get(&number).map(|scan| scan.lane) else { return };
        let attempts = self.config.attempts_of(lane);
        let mut answers = answers(&listings, listed);
        let mut again: BTreeMap<Class, (Budget, u64, Vec<Listing>)> = BTreeMap::new();
        for listing in listings {
            let failure = match answers.remove(&*listing.repository) {
                Some(Answer::Page(page)) => {
                    self.page(number, listing, page);
                    continue;
                }
                Some(Answer::Failure(failure)) => tidy(failure),
                None => {
                    self.list_alone(number, listing);
                    continue;
                }
            };
            let mut budget = before;
            match budget.spend(&failure, key, attempts, &self.config) {
                Verdict::GiveUp => self.list_failed(number, &listing, &failure),
                Verdict::Again(pause) => {
                    let (worst, longest, group) = again.entry(Class::of(&failure)).or_default();
                    *worst = worst.worse(budget);
                    *longest = pause.max(*longest);
                    group.push(listing);
                }
            }
        }
        for (budget, pause, group) in again.into_values() {
            if let Some(key) = self.list(number, group, round + 1) {
                self.postpone(&key, budget, pause);
            }
        }
    }

    /// A job of several repositories failed as a whole: whose fault it was shows when each is listed by itself. False where it was
    /// a job of one, and where nothing was tried.
    pub(in crate::plan) fn list_apart(&mut self, key: &Key, failure: &Failure) -> bool {
        let Some(work) = self.works.get(key) else { return false };
        let Task::List { listings, .. } = &work.task else { return false };
        if listings.len() < 2 || Class::of(failure) == Class::Turn {
            return false;
        }
        let (listings, number, mut budget) = (listings.clone(), work.scan, work.budget);
        let attempts = self.config.attempts_of(work.job.lane());
        let verdict = budget.spend(failure, key, attempts, &self.config);
        self.settle(key);
        self.close_listing(number);
        for listing in listings {
            let listing = Listing { alone: true, ..listing };
            match verdict {
                Verdict::GiveUp => self.list_alone(number, listing),
                Verdict::Again(pause) => {
                    if let Some(key) = self.list(number, vec![listing], 0) {
                        self.postpone(&key, budget, pause);
                    }
                }
            }
        }
        true
    }

    fn list_alone(&mut self, number: ScanNumber, listing: Listing) {
        if let Some(scan) = self.scans.get_mut(&number) {
            scan.listings.push_front(Listing { alone: true, ..listing });
        }
    }
}

/// By repository. A worker of an earlier version tells of the first one only, and does not name it.
fn answers(listings: &[Listing], listed: Listed) -> BTreeMap<String, Answer> {
    if listed.more.is_empty() {
        let first = listings.first().map(|first| first.repository.to_string());
        return first.map(|first| (first, Answer::Page(listed))).into_iter().collect();
    }
    listed.more.into_iter().filter_map(|one| Some((one.repository, one.result?))).collect()
}
