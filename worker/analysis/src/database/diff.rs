//! What changed between two databases: the keys whose packages must be assessed again.

use std::cmp::Ordering;

use super::{Database, DatabaseError, Entries, Rule};

/// One (ecosystem, package) whose advisories differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// `Debian:12`, `npm`.
    pub ecosystem: String,
    /// Name of the package.
    pub package: String,
}

/// The keys whose advisories differ between two databases, in order: added, removed, or with another content. A
/// changed rating, score or threat of a flaw counts as well, for a report shows it.
///
/// # Errors
/// When one of the databases is damaged.
pub fn diff(old: &Database<'_>, new: &Database<'_>) -> Result<Vec<Change>, DatabaseError> {
    let (mut left, mut right) = (0, 0);
    let mut changes = Vec::new();
    let mut change = |ecosystem: &str, package: &str| {
        changes.push(Change { ecosystem: ecosystem.to_owned(), package: package.to_owned() });
    };
    while left < old.key_count() || right < new.key_count() {
        let before = if left < old.key_count() { Some(old.key(left)?) } else { None };
        let after = if right < new.key_count() { Some(new.key(right)?) } else { None };
        match (before, after) {
            (Some((ecosystem, package, _)), None) => {
                change(ecosystem, package);
                left += 1;
            }
            (None, Some((ecosystem, package, _))) => {
                change(ecosystem, package);
                right += 1;
            }
            (Some(before), Some(after)) => match (before.0, before.1).cmp(&(after.0, after.1)) {
                Ordering::Less => {
                    change(before.0, before.1);
                    left += 1;
                }
                Ordering::Greater => {
                    change(after.0, after.1);
                    right += 1;
                }
                Ordering::Equal => {
                    if facts(old, before.2)? != facts(new, after.2)? {
                        change(before.0, before.1);
                    }
                    left += 1;
                    right += 1;
                }
            },
            (None, None) => break,
        }
    }
    Ok(changes)
}

/// Everything that a report could show of a key, without the numbers that only mean something within one file.
fn facts(database: &Database<'_>, entries: Entries<'_>) -> Result<Vec<String>, DatabaseError> {
    let mut facts = Vec::new();
    for entry in entries {
        let entry = entry?;
        let advisory = database.advisory(entry.advisory)?;
        let rule = match &entry.rule {
            Rule::Before(fixed) => format!("<{fixed}"),
            Rule::Ranges { ranges, versions, .. } => format!("{ranges:?} {versions:?}"),
        };
        let mut flaws = Vec::new();
        for flaw in &advisory.flaws {
            flaws.push(format!("{:?}", database.flaw(*flaw)?));
        }
        let own = (entry.state, entry.rating, entry.score, entry.modular, entry.stream, entry.arch);
        let shown = (advisory.id, advisory.rating, advisory.score, advisory.title, &advisory.aliases);
        facts.push(format!("{rule} {own:?} {shown:?} {flaws:?}"));
    }
    facts.sort_unstable();
    Ok(facts)
}
