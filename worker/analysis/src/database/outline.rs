//! What a database says, as hashes: for each key under which *assess* may ask, a hash over everything that an answer can bring
//! into a report. Two databases whose outlines agree on all keys that an assessment asked give the same assessment, whatever
//! else differs between them: *assess* is a function of its image and of these answers, and of nothing else.
//!
//! A key is 32 bits long. Two keys that share their bits share their hash, so that a change of either shows as a change of
//! both: that costs an assessment now and then and hides nothing.

use sha2::{Digest as _, Sha256};

use super::{Database, DatabaseError, Entries, Rule, layout, lifecycle, osv::EventKind};

/// Raised when the meaning of a key or of a hash changes: outlines of different revisions cannot be compared.
pub const REVISION: u32 = 1;

/// Domains that no package's key has: an ecosystem's name has no control characters.
const ECOSYSTEM: &str = "\u{1}ecosystem";
const RELEASE: &str = "\u{1}release ";

/// Hash of a key.
pub type Key = u32;

/// What a database says under its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Keys in ascending order, each once, and what is said under them. What a database lacks is not there.
    pub entries: Vec<(Key, u64)>,
}

impl Outline {
    /// Outlines a database, in time linear in its size.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn of(database: &Database<'_>) -> Result<Self, DatabaseError> {
        let facts = Facts::of(database)?;
        let mut entries = Vec::with_capacity(database.key_count());
        for index in 0..database.key_count() {
            let (ecosystem, package, said) = database.key(index)?;
            entries.push((fold(layout::hash(ecosystem, package)), facts.package(said)?));
        }
        for row in &database.ecosystems {
            entries.push((ecosystem(row.name), ecosystem_facts(row.scheme, row.arches)));
        }
        for row in releases(database)? {
            entries.push((release(row.distribution, row.release), row.facts));
        }
        Ok(Self { entries: joined(entries) })
    }
}

/// Keys in order; what stands under one of them several times becomes one hash.
fn joined(mut entries: Vec<(Key, u64)>) -> Vec<(Key, u64)> {
    entries.sort_unstable();
    entries.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = Hasher::default().number(kept.1).number(next.1).finish();
        }
        same
    });
    entries
}

/// Key of a package as its ecosystem spells it, from the hash of the index.
pub(crate) fn package(hash: u64) -> Key {
    fold(hash)
}

/// Key of what a database says of an ecosystem as a whole: whether it knows it, for which architectures, in which order of
/// versions.
pub(crate) fn ecosystem(name: &str) -> Key {
    fold(layout::hash(ECOSYSTEM, name))
}

/// Key of the end of a release of a distribution.
pub(crate) fn release(distribution: &str, release: &str) -> Key {
    fold(layout::hash(&format!("{RELEASE}{distribution}"), release))
}

/// The half of the index's hash that is mixed best, with the other half folded in.
fn fold(hash: u64) -> Key {
    let low = u32::try_from(hash & 0xffff_ffff).unwrap_or(u32::MAX);
    layout::tag(hash) ^ low.rotate_left(16)
}

/// First eight bytes of SHA-256 over texts and numbers, each of which says where it ends.
#[derive(Default)]
struct Hasher(Vec<u8>);

impl Hasher {
    fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    fn size(self, size: usize) -> Self {
        self.number(u64::try_from(size).unwrap_or(u64::MAX))
    }

    fn text(self, text: &str) -> Self {
        let mut hasher = self.size(text.len());
        hasher.0.extend_from_slice(text.as_bytes());
        hasher
    }

    fn finish(self) -> u64 {
        Sha256::digest(&self.0).iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
    }
}

fn ecosystem_facts(scheme: &str, arches: &str) -> u64 {
    Hasher::default().text(scheme).text(arches).finish()
}

/// One row of the table of ends of life.
pub(super) struct Release<'a> {
    pub(super) distribution: &'a str,
    pub(super) release: &'a str,
    pub(super) facts: u64,
}

/// The table of ends of life, with whether each has passed on the day of which the database speaks.
pub(super) fn releases<'a>(database: &Database<'a>) -> Result<Vec<Release<'a>>, DatabaseError> {
    let day = database.as_of();
    let mut found = Vec::new();
    for row in lifecycle::rows(database.lifecycles) {
        let (distribution, release, row) = row?;
        let hasher = Hasher::default().text(row.end).text(row.extended).text(row.source);
        let facts = hasher.number(u64::from(row.has_ended(&day))).finish();
        found.push(Release { distribution, release, facts });
    }
    Ok(found)
}

/// What a database says of its ecosystems as wholes, in order.
pub(super) fn ecosystems<'d>(database: &'d Database<'_>) -> impl Iterator<Item = (&'d str, u64)> {
    database.ecosystems.iter().map(|row| (row.name, ecosystem_facts(row.scheme, row.arches)))
}

/// Hashes over all advisories of a database by number, each with the flaws that it is about.
pub(super) struct Facts {
    advisories: Vec<u64>,
}

impl Facts {
    pub(super) fn of(database: &Database<'_>) -> Result<Self, DatabaseError> {
        let mut flaws = Vec::with_capacity(database.flaws.len());
        for number in 0..database.flaws.len() {
            let flaw = database.flaw(number)?;
            let hasher = Hasher::default().text(flaw.id).text(flaw.title).number(byte(flaw.rating));
            let hasher = hasher.number(flaw.score.version.into()).number(flaw.score.tenths.into());
            let hasher = hasher.number(flaw.epss_millionths.into());
            let hasher = hasher.number(flaw.known_exploited.into()).number(flaw.ransomware.into());
            flaws.push(hasher.finish());
        }
        let mut advisories = Vec::with_capacity(database.advisory_count());
        for number in 0..database.advisory_count() {
            let advisory = database.advisory(number)?;
            let mut hasher = Hasher::default().text(advisory.id).text(advisory.title);
            hasher = hasher.number(advisory.modified).number(byte(advisory.rating));
            hasher = hasher.number(advisory.score.version.into()).number(advisory.score.tenths.into());
            hasher = hasher.size(advisory.flaws.len());
            for flaw in &advisory.flaws {
                let facts = flaws.get(*flaw).ok_or_else(|| super::damaged("a flaw that does not exist"))?;
                hasher = hasher.number(*facts);
            }
            hasher = hasher.size(advisory.aliases.len());
            for alias in &advisory.aliases {
                hasher = hasher.text(alias);
            }
            advisories.push(hasher.finish());
        }
        Ok(Self { advisories })
    }

    /// Everything that is said under one key, in its order.
    pub(super) fn package(&self, said: Entries<'_>) -> Result<u64, DatabaseError> {
        let mut hasher = Hasher::default().text(said.scheme()).number(said.bounds_descend().into());
        for entry in said {
            let entry = entry?;
            let advisory = self.advisories.get(entry.advisory);
            let advisory = advisory.ok_or_else(|| super::damaged("an advisory that does not exist"))?;
            hasher = hasher.number(*advisory).text(entry.bound).number(match entry.state {
                crate::assess::FixState::Fixed(_) | crate::assess::FixState::NotFixed => 0,
                crate::assess::FixState::WillNotFix => 1,
                crate::assess::FixState::Deferred => 2,
                crate::assess::FixState::UnderInvestigation => 3,
                crate::assess::FixState::EndOfLife => 4,
            });
            hasher = hasher.number(entry.rating.map_or(u64::MAX, byte));
            hasher = hasher.number(entry.score.version.into()).number(entry.score.tenths.into());
            hasher = hasher.number(entry.modular.into()).text(entry.stream).text(entry.arch);
            hasher = rule(hasher, &entry.rule);
        }
        Ok(hasher.finish())
    }
}

fn rule(hasher: Hasher, rule: &Rule<'_>) -> Hasher {
    let Rule::Ranges { ranges, sorted, versions } = rule else { return hasher.number(0) };
    let mut hasher = hasher.number(1).number((*sorted).into()).size(ranges.len());
    for events in ranges {
        hasher = hasher.size(events.len());
        for (kind, version) in events {
            hasher = hasher.text(version).number(match kind {
                EventKind::Introduced => 0,
                EventKind::Fixed => 1,
                EventKind::LastAffected => 2,
                EventKind::Limit => 3,
            });
        }
    }
    hasher = hasher.size(versions.len());
    for version in versions {
        hasher = hasher.text(version);
    }
    hasher
}

const fn byte(severity: crate::assess::Severity) -> u64 {
    severity as u64
}

#[cfg(test)]
mod tests;
