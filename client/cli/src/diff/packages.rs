//! Packages of two images: which came, went, and changed their version. Told apart by ecosystem and name; a path is none of a
//! package's identity.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use serde::Serialize;
use strata_analysis::ecosystem;
use strata_proto::v1::Report;

/// Packages by what became of them, each list in order of ecosystem and name.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Packages {
    /// Packages, or versions of one, that only the second image has.
    pub added: Vec<Version>,
    /// Packages, or versions of one, that only the first image has.
    pub removed: Vec<Version>,
    /// A version in place of an older one.
    pub upgraded: Vec<Changed>,
    /// A version in place of a newer one.
    pub downgraded: Vec<Changed>,
    /// A version in place of one that its ecosystem's order cannot compare it with.
    pub changed: Vec<Changed>,
}

/// A package in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Its ecosystem.
    pub ecosystem: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A package in another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its ecosystem.
    pub ecosystem: String,
    /// Its name.
    pub name: String,
    /// Its version in the first image.
    pub before: String,
    /// Its version in the second one.
    pub after: String,
}

type Key<'r> = (&'r str, &'r str);

impl Packages {
    /// Compares the packages of two reports. Where an image has several versions of a package, those that only one of the
    /// images has are paired in their order.
    #[must_use]
    pub fn new(before: &Report, after: &Report) -> Self {
        let (old, new) = (versions(before), versions(after));
        let none = BTreeSet::new();
        let mut packages = Self::default();
        let keys: BTreeSet<&Key<'_>> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let (old, new) = (old.get(key).unwrap_or(&none), new.get(key).unwrap_or(&none));
            packages.package(key, old, new);
        }
        packages
    }

    fn package(&mut self, key: &Key<'_>, old: &BTreeSet<&str>, new: &BTreeSet<&str>) {
        let gone = in_order(key.0, old.difference(new).copied().collect());
        let come = in_order(key.0, new.difference(old).copied().collect());
        let pairs = gone.len().min(come.len());
        for (before, after) in gone.iter().zip(&come) {
            let changed = Changed {
                ecosystem: key.0.to_owned(),
                name: key.1.to_owned(),
                before: (*before).to_owned(),
                after: (*after).to_owned(),
            };
            match compare(key.0, before, after) {
                Some(Ordering::Less) => self.upgraded.push(changed),
                Some(Ordering::Greater) => self.downgraded.push(changed),
                Some(Ordering::Equal) | None => self.changed.push(changed),
            }
        }
        let version = |version: &&str| Version {
            ecosystem: key.0.to_owned(),
            name: key.1.to_owned(),
            version: (*version).to_owned(),
        };
        self.added.extend(come.iter().skip(pairs).map(version));
        self.removed.extend(gone.iter().skip(pairs).map(version));
    }

    /// Whether both images have the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn versions(report: &Report) -> BTreeMap<Key<'_>, BTreeSet<&str>> {
    let mut versions: BTreeMap<Key<'_>, BTreeSet<&str>> = BTreeMap::new();
    for package in &report.packages {
        let key = (package.ecosystem.as_str(), package.name.as_str());
        versions.entry(key).or_default().insert(&package.version);
    }
    versions
}

fn compare(ecosystem: &str, left: &str, right: &str) -> Option<Ordering> {
    ecosystem::by_name(ecosystem).and_then(|row| (row.order.compare)(left, right))
}

/// By the ecosystem's order where it knows all of them, else by their letters.
fn in_order<'r>(ecosystem: &str, mut versions: Vec<&'r str>) -> Vec<&'r str> {
    if versions.iter().all(|version| compare(ecosystem, version, version).is_some()) {
        versions.sort_by(|left, right| compare(ecosystem, left, right).unwrap_or(Ordering::Equal));
    }
    versions
}
