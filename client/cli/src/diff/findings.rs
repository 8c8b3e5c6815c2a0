//! Findings of two reports, and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use strata_proto::v1::{Finding, Report, SeverityCounts};

use super::by_severity;
pub use crate::since::Found;

/// Findings by what became of them, the worst first.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// How many of each, by severity.
    pub summary: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Only in the second image.
    pub introduced: Vec<Found>,
    /// Only in the first.
    pub fixed: Vec<Found>,
    /// In both, as the second has them.
    pub unchanged: Vec<Found>,
}

impl Findings {
    /// Compares the findings of two reports that nothing suppresses.
    #[must_use]
    pub fn new(before: &Report, after: &Report) -> Self {
        let (old, new) = (by_package(before), by_package(after));
        let mut found = Self::default();
        let none = Vec::new();
        let packages: BTreeSet<&Key<'_>> = old.keys().chain(new.keys()).collect();
        for package in packages {
            let (old, new) = (old.get(package).unwrap_or(&none), new.get(package).unwrap_or(&none));
            let (old_names, new_names) = (Names::of(old), Names::of(new));
            for one in new {
                let list =
                    if old_names.have(one.finding) { &mut found.unchanged } else { &mut found.introduced };
                list.push(one.told());
            }
            let gone = old.iter().filter(|one| !new_names.have(one.finding));
            found.fixed.extend(gone.map(One::told));
        }
        for list in [&mut found.introduced, &mut found.fixed, &mut found.unchanged] {
            sort(list);
        }
        for (word, list) in
            [("introduced", &found.introduced), ("fixed", &found.fixed), ("unchanged", &found.unchanged)]
        {
            found.summary.insert(word, by_severity(&counts(list)));
        }
        found
    }
}

/// The findings of a report that nothing suppresses, each package and flaw once.
pub(super) fn all(report: &Report) -> Vec<Found> {
    by_package(report).values().flatten().map(One::told).collect()
}

/// How many of each severity.
pub(super) fn counts(found: &[Found]) -> SeverityCounts {
    let mut counts = SeverityCounts::default();
    found.iter().for_each(|found| counts.add(found.severity));
    counts
}

fn sort(found: &mut [Found]) {
    found.sort_by(|a, b| (b.severity as i32).cmp(&(a.severity as i32)).then_with(|| a.cmp(b)));
}

/// Ecosystem and name.
type Key<'r> = (&'r str, &'r str);

struct One<'r> {
    finding: &'r Finding,
    key: Key<'r>,
    version: &'r str,
}

impl One<'_> {
    fn told(&self) -> Found {
        Found {
            id: self.finding.id.clone(),
            package: self.key.1.to_owned(),
            ecosystem: self.key.0.to_owned(),
            version: self.version.to_owned(),
            fixed_version: self.finding.fixed_version.clone(),
            severity: self.finding.severity(),
        }
    }
}

fn by_package(report: &Report) -> BTreeMap<Key<'_>, Vec<One<'_>>> {
    let mut packages: BTreeMap<Key<'_>, BTreeMap<&str, One<'_>>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.suppressed.is_empty()) {
        let place = usize::try_from(finding.package).ok();
        let Some(package) = place.and_then(|place| report.packages.get(place)) else { continue };
        let key = (package.ecosystem.as_str(), package.name.as_str());
        let one = One { finding, key, version: &package.version };
        let known = packages.entry(key).or_default().entry(&finding.id);
        // A package at several places is as bad as its worst.
        known
            .and_modify(|known| {
                if finding.severity > known.finding.severity {
                    *known = One { finding, key, version: &package.version };
                }
            })
            .or_insert(one);
    }
    packages.into_iter().map(|(key, found)| (key, found.into_values().collect())).collect()
}

/// Identifiers of a package's findings, and those with all other names.
struct Names<'r> {
    ids: BTreeSet<&'r str>,
    all: BTreeSet<&'r str>,
}

impl<'r> Names<'r> {
    fn of(found: &[One<'r>]) -> Self {
        let ids: BTreeSet<&str> = found.iter().map(|one| one.finding.id.as_str()).collect();
        let others = found.iter().flat_map(|one| &one.finding.aliases).map(String::as_str);
        Self { all: others.chain(ids.iter().copied()).collect(), ids }
    }

    /// Whether a flaw is among these: under its identifier, or because one side knows the other's identifier as another
    /// name (a flaw that has got its CVE meanwhile).
    fn have(&self, finding: &Finding) -> bool {
        self.all.contains(finding.id.as_str())
            || finding.aliases.iter().any(|alias| self.ids.contains(alias.as_str()))
    }
}
