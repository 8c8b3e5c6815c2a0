//! Two sweeps, reference by reference; two reports, finding by finding.

use std::collections::{BTreeMap, BTreeSet};

use strata_proto::v1::Report;

use super::Found;

/// How one sweep ended, by reference.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Ids of the reports.
    pub(super) reports: BTreeMap<String, String>,
    pub(super) failed: BTreeSet<String>,
    /// By the sweep's own filters.
    pub(super) left_out: BTreeSet<String>,
    /// `host` or `host/repository`.
    pub(super) unlisted: Vec<String>,
}

/// References by what became of their reports.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    /// Report before and now, where these differ.
    pub(super) pairs: BTreeMap<(Option<String>, String), Vec<String>>,
    /// By the last report.
    pub(super) gone: BTreeMap<String, Vec<String>>,
    pub(super) unknown: Vec<String>,
}

impl Side {
    /// Whether nobody knows if the reference exists.
    fn is_unknown(&self, reference: &str) -> bool {
        let below = |target: &String| {
            let rest = reference.strip_prefix(target.as_str());
            rest.is_some_and(|rest| rest.starts_with(['/', ':', '@']))
        };
        self.failed.contains(reference)
            || self.left_out.contains(reference)
            || self.unlisted.iter().any(below)
    }
}

pub(super) fn groups(before: &Side, after: &Side) -> Groups {
    let mut groups = Groups::default();
    for (reference, report) in &after.reports {
        let old = before.reports.get(reference);
        if old != Some(report) {
            groups.pairs.entry((old.cloned(), report.clone())).or_default().push(reference.clone());
        }
    }
    for (reference, report) in &before.reports {
        if after.reports.contains_key(reference) {
            continue;
        }
        if after.is_unknown(reference) {
            groups.unknown.push(reference.clone());
        } else {
            groups.gone.entry(report.clone()).or_default().push(reference.clone());
        }
    }
    groups
}

/// Findings that are new, and those that are fixed.
pub(super) fn differ(before: &Report, after: &Report) -> (Vec<Found>, Vec<Found>) {
    let (old, new) = (by_key(before), by_key(after));
    let without = |from: &BTreeMap<Key, Found>, other: &BTreeMap<Key, Found>| {
        let left = from.iter().filter(|(key, _)| !other.contains_key(*key));
        worst_first(left.map(|(_, found)| found.clone()).collect())
    };
    (without(&new, &old), without(&old, &new))
}

/// The findings of a report that nothing suppresses.
pub(super) fn findings(report: &Report) -> Vec<Found> {
    worst_first(by_key(report).into_values().collect())
}

fn worst_first(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|a, b| (b.severity as i32).cmp(&(a.severity as i32)).then_with(|| a.cmp(b)));
    found
}

/// Ecosystem, package, identifier.
type Key = (String, String, String);

fn by_key(report: &Report) -> BTreeMap<Key, Found> {
    let mut found = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.suppressed.is_empty()) {
        let index = usize::try_from(finding.package).unwrap_or(usize::MAX);
        let Some(package) = report.packages.get(index) else { continue };
        let key = (package.ecosystem.clone(), package.name.clone(), finding.id.clone());
        found.entry(key).or_insert_with(|| Found {
            id: finding.id.clone(),
            package: package.name.clone(),
            ecosystem: package.ecosystem.clone(),
            version: package.version.clone(),
            fixed_version: finding.fixed_version.clone(),
            severity: finding.severity(),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use strata_proto::v1::{Finding, Package, Severity};

    use super::*;

    fn side(reports: &[(&str, &str)], failed: &[&str], unlisted: &[&str]) -> Side {
        let text = |text: &&str| (*text).to_owned();
        Side {
            reports: reports
                .iter()
                .map(|(name, report)| ((*name).to_owned(), (*report).to_owned()))
                .collect(),
            failed: failed.iter().map(text).collect(),
            unlisted: unlisted.iter().map(text).collect(),
            ..Side::default()
        }
    }

    #[test]
    fn references_are_changed_new_gone_or_unknown() {
        let before = side(
            &[
                ("r/same:1", "a"),
                ("r/moved:1", "a"),
                ("r/moved:2", "a"),
                ("r/gone:1", "c"),
                ("r/failed:1", "c"),
                ("r/hidden:1", "c"),
                ("r/hiddenfarm:1", "d"),
                ("r/out:1", "d"),
            ],
            &["r/late:1"],
            &[],
        );
        let mut after = side(
            &[("r/same:1", "a"), ("r/moved:1", "b"), ("r/moved:2", "b"), ("r/late:1", "b")],
            &["r/failed:1"],
            &["r/hidden"],
        );
        after.left_out.insert("r/out:1".to_owned());
        let groups = groups(&before, &after);
        let pair = |old: Option<&str>, new: &str| (old.map(str::to_owned), new.to_owned());
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(
            groups.pairs,
            BTreeMap::from([
                (pair(Some("a"), "b"), names(&["r/moved:1", "r/moved:2"])),
                (pair(None, "b"), names(&["r/late:1"])),
            ])
        );
        let gone = [("c".to_owned(), names(&["r/gone:1"])), ("d".to_owned(), names(&["r/hiddenfarm:1"]))];
        assert_eq!(groups.gone, BTreeMap::from(gone));
        assert_eq!(groups.unknown, names(&["r/failed:1", "r/hidden:1", "r/out:1"]));
    }

    fn report(findings: &[(&str, &str, &str, Severity)]) -> Report {
        let mut report = Report::default();
        for (number, (package, version, id, severity)) in findings.iter().enumerate() {
            report.packages.push(Package {
                name: (*package).to_owned(),
                version: (*version).to_owned(),
                ecosystem: "npm".to_owned(),
                ..Package::default()
            });
            let mut finding = Finding { package: number as u32, id: (*id).to_owned(), ..Finding::default() };
            finding.set_severity(*severity);
            report.findings.push(finding);
        }
        report
    }

    #[test]
    fn a_finding_that_stays_through_another_version_is_neither_new_nor_fixed() {
        let before = report(&[
            ("a", "1", "CVE-1", Severity::High),
            ("a", "1", "CVE-2", Severity::Low),
            ("b", "1", "CVE-1", Severity::High),
        ]);
        let mut after = report(&[
            ("a", "2", "CVE-1", Severity::High),
            ("b", "2", "CVE-3", Severity::Low),
            ("b", "2", "CVE-4", Severity::Critical),
            ("b", "2", "CVE-5", Severity::Critical),
        ]);
        if let Some(last) = after.findings.last_mut() {
            last.suppressed = "not affected".to_owned();
        }
        let ids = |found: Vec<Found>| found.into_iter().map(|one| (one.package, one.id)).collect::<Vec<_>>();
        let (new, fixed) = differ(&before, &after);
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(ids(new), pairs(&[("b", "CVE-4"), ("b", "CVE-3")]), "the worst first");
        assert_eq!(ids(fixed), pairs(&[("b", "CVE-1"), ("a", "CVE-2")]));
        assert_eq!(differ(&before, &before), (Vec::new(), Vec::new()));
        assert_eq!(findings(&before).len(), 3);
    }
}
