//! Compiles advisories into a database. The order in which they come does not matter: the same set gives the same
//! bytes.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;

use super::{
    Score,
    compact::{self, Advisory, Interner, Prepared, Symbol},
    ecosystems, encode,
    identity::{Aliases, Names},
    lifecycle::Lifecycles,
    part::Part,
    score::Threats,
};
use crate::assess::Severity;

/// Names of malformed records that are kept; beyond it they are only counted.
const SAMPLES: usize = 1_000;

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// Its facts are in, or it adds nothing to those that are.
    Kept,
    /// A part of it could not be read; the rest is in.
    Partly {
        /// What could not be read.
        reason: String,
    },
    /// The very same record came before.
    Duplicate,
    /// It could not be read at all.
    Rejected {
        /// Why.
        reason: String,
    },
}

/// What a build has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Records given to the builder.
    pub read: u64,
    /// Records that came again, byte for byte.
    pub duplicates: u64,
    /// Records, or parts of records, that could not be read.
    pub malformed: u64,
    /// The same by file or directory: the name up to the last `/`.
    pub malformed_by_source: BTreeMap<String, u64>,
    /// Their names and the reasons, in order; at most 1,000.
    pub malformed_names: Vec<(String, String)>,
    /// Advisories in the file.
    pub kept: u64,
    /// Distinct flaws that the advisories in the file are about.
    pub flaws: u64,
    /// How often an advisory names a flaw that another one names too: its aliases are merged with the other's.
    pub merged: u64,
    /// Advisories that their source has withdrawn.
    pub withdrawn: u64,
    /// Advisories that only speak of commits, or of no version at all.
    pub without_versions: u64,
    /// Advisories that announce no flaw: bug fixes and enhancements.
    pub harmless: u64,
    /// GIT ranges that were ignored.
    pub git_ranges: u64,
    /// Affected packages without a version.
    pub unversioned: u64,
    /// Ecosystems whose versions Strata cannot order, with the number of affected packages.
    pub unordered: BTreeMap<String, u64>,
}

/// A finished database.
#[derive(Debug, Clone)]
pub struct Built {
    /// The file.
    pub bytes: Vec<u8>,
    /// What the build has seen.
    pub statistics: Statistics,
}

/// Why a database cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// An offset of the format has 32 bits.
    #[error("the database's {0} exceed 4 GiB")]
    TooLarge(&'static str),
}

/// Takes records one at a time or in batches, and keeps only what the file will hold.
#[derive(Debug, Default)]
pub struct Builder {
    pub(super) texts: Interner,
    advisories: HashMap<Symbol, Vec<Advisory<Symbol>>>,
    seen: HashSet<(Symbol, u128)>,
    threats: Threats,
    lifecycles: Lifecycles,
    statistics: Statistics,
}

impl Builder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one record in OSV's JSON. `source` names it in the statistics: `PyPI/PYSEC-2024-1.json`.
    pub fn add(&mut self, source: &str, json: &[u8]) -> Added {
        self.take(source, compact::prepare(json))
    }

    /// Takes many records at once and reads them on all cores. The answers are in the order of the records.
    pub fn add_batch(&mut self, records: &[(&str, &[u8])]) -> Vec<Added> {
        let prepared: Vec<_> = records.par_iter().map(|(_, json)| compact::prepare(json)).collect();
        let sources = records.iter().map(|(source, _)| *source);
        sources.zip(prepared).map(|(source, prepared)| self.take(source, prepared)).collect()
    }

    /// Takes a file that has been read.
    pub fn add_part(&mut self, part: Part) {
        for (name, prepared) in part.records {
            self.take(&name, prepared);
        }
    }

    /// Takes dates of distributions' ends of life. Where two tables speak of one release, the one that was added later counts.
    pub fn add_lifecycles(&mut self, lifecycles: Lifecycles) {
        self.lifecycles.merge(lifecycles);
    }

    /// Takes probabilities and exploited flaws, which findings will carry.
    pub fn add_threats(&mut self, threats: Threats) {
        self.threats.merge(threats);
    }

    fn take(&mut self, source: &str, prepared: Result<Prepared, String>) -> Added {
        self.statistics.read += 1;
        let Prepared { advisory, defects } = match prepared {
            Ok(prepared) => prepared,
            Err(reason) => {
                self.malformed(source, &reason);
                return Added::Rejected { reason };
            }
        };
        let advisory = advisory.intern(&mut self.texts);
        if !self.seen.insert((advisory.id, advisory.content)) {
            self.statistics.duplicates += 1;
            return Added::Duplicate;
        }
        self.advisories.entry(advisory.id).or_default().push(advisory);
        if defects.is_empty() {
            return Added::Kept;
        }
        let reason = defects.join(", ");
        self.malformed(source, &reason);
        Added::Partly { reason }
    }

    fn malformed(&mut self, source: &str, reason: &str) {
        self.statistics.malformed += 1;
        let whole = source.rsplit_once('/').map_or(source, |(place, _)| place).to_owned();
        *self.statistics.malformed_by_source.entry(whole).or_default() += 1;
        let names = &mut self.statistics.malformed_names;
        // Kept in order with a bound, so that which names are kept does not depend on the order of the records.
        let name = (source.to_owned(), reason.to_owned());
        let at = names.partition_point(|known| *known < name);
        names.insert(at, name);
        names.truncate(SAMPLES);
    }

    /// Writes the database.
    ///
    /// # Errors
    /// When a part of it exceeds what the format can hold.
    pub fn finish(mut self) -> Result<Built, BuildError> {
        let mut ids: Vec<Symbol> = self.advisories.keys().copied().collect();
        ids.sort_unstable_by(|a, b| compact::by_id(&self.texts, *a, *b));
        let mut advisories = Vec::with_capacity(ids.len());
        for id in ids {
            advisories
                .extend(self.advisories.remove(&id).and_then(|copies| compact::merge(copies, &self.texts)));
        }
        self.count(&advisories);
        advisories.retain(|advisory| !advisory.withdrawn && !advisory.harmless);
        let flaws = self.flaws(&advisories);
        let kept: Vec<(Advisory<Symbol>, Vec<Symbol>)> = advisories
            .into_iter()
            .zip(flaws.of_advisory)
            .filter(|(each, _)| !each.packages.is_empty())
            .collect();
        self.statistics.kept = kept.len().try_into().unwrap_or(u64::MAX);
        let named: usize = kept.iter().map(|(_, flaws)| flaws.len()).sum();
        let distinct: HashSet<Symbol> = kept.iter().flat_map(|(_, flaws)| flaws.iter().copied()).collect();
        self.statistics.flaws = distinct.len().try_into().unwrap_or(u64::MAX);
        self.statistics.merged = (named - distinct.len()).try_into().unwrap_or(u64::MAX);
        let bytes = encode::encode(&self.texts, &kept, &flaws.known, &self.threats, &self.lifecycles)?;
        Ok(Built { bytes, statistics: self.statistics })
    }

    fn count(&mut self, advisories: &[Advisory<Symbol>]) {
        let statistics = &mut self.statistics;
        for advisory in advisories {
            statistics.git_ranges += advisory.git_ranges;
            statistics.unversioned += advisory.unversioned;
            if advisory.withdrawn {
                statistics.withdrawn += 1;
            } else if advisory.harmless {
                statistics.harmless += 1;
            } else if advisory.packages.is_empty() {
                statistics.without_versions += 1;
            } else {
                for package in &advisory.packages {
                    let ecosystem = self.texts.get(package.ecosystem);
                    if ecosystems::scheme(ecosystem).is_none() {
                        *statistics.unordered.entry(ecosystem.to_owned()).or_default() += 1;
                    }
                }
            }
        }
    }

    /// Decides which flaws each advisory is about, and what all of them together know about a flaw.
    fn flaws(&mut self, advisories: &[Advisory<Symbol>]) -> Flaws {
        let texts = &self.texts;
        let names = |advisory: &Advisory<Symbol>| Names {
            cves: advisory.cves.iter().map(|id| texts.get(*id).to_owned()).collect(),
            aliases: advisory.aliases.iter().map(|id| texts.get(*id).to_owned()).collect(),
            answers: advisory.answers.iter().map(|id| texts.get(*id).to_owned()).collect(),
        };
        let mut aliases = Aliases::default();
        for advisory in advisories {
            aliases.learn(texts.get(advisory.id), &names(advisory));
        }
        let named: Vec<Vec<String>> = advisories
            .iter()
            .map(|advisory| aliases.flaws(texts.get(advisory.id), &names(advisory)))
            .collect();
        let mut flaws = Flaws::default();
        for (advisory, named) in advisories.iter().zip(named) {
            let symbols: Vec<Symbol> = named.iter().map(|id| self.texts.add(id)).collect();
            // An advisory that answers several flaws rates all of them together: that says nothing of one.
            if let [flaw] = symbols.as_slice() {
                flaws.known.entry(*flaw).or_default().learn(advisory, &self.texts);
            }
            flaws.of_advisory.push(symbols);
        }
        flaws
    }
}

#[derive(Debug, Default)]
struct Flaws {
    /// In the order of the advisories.
    of_advisory: Vec<Vec<Symbol>>,
    known: HashMap<Symbol, Known>,
}

/// What the advisories of one flaw know about it, for those that do not tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) rating: Severity,
    pub(super) score: Score,
    pub(super) title: Option<Symbol>,
}

impl Known {
    /// The best score and the worst rating; the first title in the order of identifiers. Advisories come in order.
    fn learn(&mut self, advisory: &Advisory<Symbol>, texts: &Interner) {
        let packages = advisory.packages.iter();
        let score = packages.map(|package| package.score).chain([advisory.score]).max().unwrap_or_default();
        self.score = self.score.max(score);
        self.rating = self.rating.max(advisory.rating.unwrap_or_default());
        if self.title.is_none() && !texts.get(advisory.title).is_empty() {
            self.title = Some(advisory.title);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
