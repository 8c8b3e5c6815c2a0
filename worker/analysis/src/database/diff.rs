//! What changed between two databases: the keys whose packages must be assessed again. The hashes are those of outlines, so
//! that whoever compares outlines finds the same.

use std::cmp::Ordering;

use super::{
    Database, DatabaseError, layout,
    outline::{self, Facts, Key, Release},
};

/// One key under which two databases say different things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// `Debian:12`, `npm`; a distribution (`debian`) where the end of one of its releases changed.
    pub ecosystem: String,
    /// What of it changed.
    pub what: Changed,
    /// The key in outlines.
    pub key: Key,
}

/// What changed of an ecosystem or a distribution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    /// The advisories of this package.
    Package(String),
    /// Whether the database knows the ecosystem, and for which architectures.
    Whole,
    /// When this release ends, or whether it has.
    Release(String),
}

/// The keys whose facts differ between two databases, in order: packages, ecosystems, releases. A changed rating, score,
/// threat or date of modification counts as well, for a report shows it.
///
/// # Errors
/// When one of the databases is damaged.
pub fn diff(old: &Database<'_>, new: &Database<'_>) -> Result<Vec<Change>, DatabaseError> {
    let mut changes = packages(old, new)?;
    let wholes = merge(outline::ecosystems(old).collect(), outline::ecosystems(new).collect());
    changes.extend(wholes.into_iter().map(|name| Change {
        ecosystem: name.to_owned(),
        what: Changed::Whole,
        key: outline::ecosystem(name),
    }));
    let rows = |database| -> Result<Vec<_>, DatabaseError> {
        let rows = outline::releases(database)?.into_iter();
        Ok(rows.map(|Release { distribution, release, facts }| ((distribution, release), facts)).collect())
    };
    changes.extend(merge(rows(old)?, rows(new)?).into_iter().map(|(distribution, release)| Change {
        ecosystem: distribution.to_owned(),
        what: Changed::Release(release.to_owned()),
        key: outline::release(distribution, release),
    }));
    Ok(changes)
}

/// The names whose facts differ, of two lists in any order.
fn merge<N: Ord + Copy>(mut old: Vec<(N, u64)>, mut new: Vec<(N, u64)>) -> Vec<N> {
    old.sort_unstable();
    new.sort_unstable();
    let differs = |all: &[(N, u64)], one: &(N, u64)| all.binary_search(one).is_err();
    let mut changed: Vec<N> = old.iter().filter(|one| differs(&new, one)).map(|one| one.0).collect();
    changed.extend(new.iter().filter(|one| differs(&old, one)).map(|one| one.0));
    changed.sort_unstable();
    changed.dedup();
    changed
}

fn packages(old: &Database<'_>, new: &Database<'_>) -> Result<Vec<Change>, DatabaseError> {
    let (before, after) = (Facts::of(old)?, Facts::of(new)?);
    let (mut left, mut right) = (0, 0);
    let mut changes = Vec::new();
    loop {
        let old_key = if left < old.key_count() { Some(old.key(left)?) } else { None };
        let new_key = if right < new.key_count() { Some(new.key(right)?) } else { None };
        let order = match (&old_key, &new_key) {
            (None, None) => return Ok(changes),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => (old.0, old.1).cmp(&(new.0, new.1)),
        };
        left += usize::from(order.is_le());
        right += usize::from(order.is_ge());
        let name = old_key.as_ref().filter(|_| order.is_le()).or(new_key.as_ref());
        let name = name.map(|(ecosystem, package, _)| (*ecosystem, *package));
        if let (Ordering::Equal, Some((_, _, old)), Some((_, _, new))) = (order, old_key, new_key)
            && before.package(old)? == after.package(new)?
        {
            continue;
        }
        changes.extend(name.map(|(ecosystem, package)| Change {
            ecosystem: ecosystem.to_owned(),
            what: Changed::Package(package.to_owned()),
            key: outline::package(layout::hash(ecosystem, package)),
        }));
    }
}
