//! The advisory database: one immutable, content-addressed file, read in place from a byte slice.
//! `layout` is the format, `osv` one advisory as OSV's JSON has it, `source` the sources and their readers, `part` a file that was
//! read, `build` compiles the file, `score` reads EPSS and the catalogue of known exploited vulnerabilities, `lifecycle` when
//! distributions end, `outline` what two databases are compared by.

mod advisory;
pub mod build;
mod compact;
mod diff;
mod ecosystems;
mod encode;
mod entry;
mod identity;
mod layout;
pub mod lifecycle;
pub mod osv;
pub mod outline;
mod part;
pub(crate) mod ranges;
mod rating;
mod read;
pub mod score;
pub mod source;
mod time;

use std::borrow::Cow;

use layout::{Frame, Section};
use read::{Cursor, Table, damaged};

use crate::{assess::is_for_machine, model::Distribution};

#[cfg(test)]
pub(crate) use ecosystems::names as ecosystem_names;

pub use advisory::{Advisory, Flaw};
pub use build::{Added, Builder, Built, Statistics};
pub use diff::{Change, Changed, diff};
pub use entry::{Entries, Entry, Rule};
pub use lifecycle::Lifecycle;
pub use part::Part;
pub use rating::Score;

/// Why bytes are not a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Not a database at all, or another program's.
    #[error("this is not a Strata advisory database")]
    NotADatabase,
    /// Written by a newer or older Strata.
    #[error("the database has format {found}, this strata reads format {supported}")]
    Format {
        /// Format number in the file.
        found: u32,
        /// Format number that this build reads.
        supported: u32,
    },
    /// Truncated or changed after it was written.
    #[error("the database is damaged: {0}")]
    Damaged(String),
}

/// What a database holds for one OSV ecosystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcosystemStatus {
    /// Name in OSV's export: `Debian:12`, `npm`.
    pub name: String,
    /// Advisories that name it.
    pub advisories: u64,
    /// Newest modification, RFC 3339; empty when its source tells none.
    pub modified: String,
    /// Names of the sources of its advisories, separated by commas.
    pub source: String,
}

/// Numbers of the whole database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct About {
    modified: u64,
    /// 999 of 1,000 advisories were modified at it or before.
    as_of: u64,
    epss: u64,
    exploited: u64,
}

#[derive(Debug, Clone)]
struct EcosystemRow<'a> {
    name: &'a str,
    scheme: &'a str,
    advisories: u64,
    modified: u64,
    source: &'a str,
    arches: &'a str,
}

/// A database over mapped bytes.
#[derive(Debug, Clone)]
pub struct Database<'a> {
    bytes: &'a [u8],
    digest: [u8; 32],
    about: About,
    ecosystems: Vec<EcosystemRow<'a>>,
    strings: Table<'a>,
    advisories: Table<'a>,
    flaws: Table<'a>,
    keys: Table<'a>,
    slots: &'a [u8],
    lifecycles: &'a [u8],
}

impl<'a> Database<'a> {
    /// Checks the header and the index; constant time in the number of advisories. Whoever fetched the file from
    /// elsewhere calls [`Self::verify`] once.
    ///
    /// # Errors
    /// When the bytes are not a whole database of this format.
    pub fn open(bytes: &'a [u8]) -> Result<Self, DatabaseError> {
        let frame = layout::open(bytes)?;
        let table = |ends, records| Table::new(frame.section(ends), frame.section(records));
        let slots = frame.section(Section::Slots);
        if !(slots.len() / 8).is_power_of_two() || !slots.len().is_multiple_of(8) {
            return Err(damaged("its index has an impossible size"));
        }
        Ok(Self {
            bytes,
            digest: frame.digest,
            about: about(&frame)?,
            ecosystems: ecosystem_rows(&frame)?,
            strings: table(Section::StringEnds, Section::Strings),
            advisories: table(Section::AdvisoryEnds, Section::Advisories),
            flaws: table(Section::FlawEnds, Section::Flaws),
            keys: table(Section::KeyEnds, Section::Keys),
            slots,
            lifecycles: frame.section(Section::Lifecycles),
        })
    }

    /// Reads the whole file and compares its digest with the one in its header.
    ///
    /// # Errors
    /// When a byte was changed after the file was written.
    pub fn verify(&self) -> Result<(), DatabaseError> {
        if layout::digest(self.bytes) == self.digest {
            return Ok(());
        }
        Err(damaged("its content does not match its digest"))
    }

    /// `sha256:` digest over the whole content, as written in the header.
    #[must_use]
    pub fn digest(&self) -> String {
        let hex: String = self.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    }

    /// Newest modification of all advisories, RFC 3339; empty when no advisory tells.
    #[must_use]
    pub fn modified(&self) -> String {
        time::format(self.about.modified)
    }

    /// The moment of which the database speaks, RFC 3339: 999 of 1,000 advisories were modified at it or before. The newest
    /// ones may tell a time to come, by a slip of their source. Empty when no advisory tells.
    #[must_use]
    pub fn as_of(&self) -> String {
        time::format(self.about.as_of)
    }

    /// Advisories in the file.
    #[must_use]
    pub fn advisory_count(&self) -> usize {
        self.advisories.len()
    }

    /// (ecosystem, package) keys in the file.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Flaws with an EPSS probability, and flaws that are known to be exploited.
    #[must_use]
    pub fn threat_counts(&self) -> (u64, u64) {
        (self.about.epss, self.about.exploited)
    }

    /// What it holds, by ecosystem.
    #[must_use]
    pub fn status(&self) -> Vec<EcosystemStatus> {
        let status = |row: &EcosystemRow<'a>| EcosystemStatus {
            name: row.name.to_owned(),
            advisories: row.advisories,
            modified: time::format(row.modified),
            source: row.source.to_owned(),
        };
        self.ecosystems.iter().map(status).collect()
    }

    /// When a release of a distribution ends; `None` when the database does not say. `version` is the whole one: the
    /// longest release that it belongs to counts (`3.10` of `3.10.2`).
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn lifecycle(&self, distribution: &Distribution) -> Result<Option<Lifecycle<'a>>, DatabaseError> {
        lifecycle::find(self.lifecycles, distribution)
    }

    /// Whether it holds any advisory for the ecosystem: `Debian:12`, `npm`.
    #[must_use]
    pub fn has_ecosystem(&self, ecosystem: &str) -> bool {
        self.ecosystems.binary_search_by(|row| row.name.cmp(ecosystem)).is_ok()
    }

    /// Whether its advisories for the ecosystem speak of packages of an architecture. Some sources publish a list for each
    /// architecture: a database may hold only one of them.
    #[must_use]
    pub fn has_architecture(&self, ecosystem: &str, architecture: &str) -> bool {
        let row = self.ecosystems.binary_search_by(|row| row.name.cmp(ecosystem)).ok();
        let row = row.and_then(|at| self.ecosystems.get(at));
        row.is_some_and(|row| is_for_machine(architecture, row.arches))
    }

    /// What affects a package, whatever its version; `None` when nothing does.
    ///
    /// # Errors
    /// When the index leads out of the file.
    pub fn lookup(&self, ecosystem: &str, package: &str) -> Result<Option<Entries<'a>>, DatabaseError> {
        self.find(ecosystem, package).1
    }

    /// As [`Self::lookup`], with the hash by which the index was asked.
    pub(crate) fn find(
        &self,
        ecosystem: &str,
        package: &str,
    ) -> (u64, Result<Option<Entries<'a>>, DatabaseError>) {
        let package: Cow<'_, str> = ecosystems::package_key(ecosystem, package);
        let hash = layout::hash(ecosystem, &package);
        (hash, self.probe(hash, ecosystem, &package))
    }

    fn probe(&self, hash: u64, ecosystem: &str, package: &str) -> Result<Option<Entries<'a>>, DatabaseError> {
        let (slots, _) = self.slots.as_chunks::<8>();
        let Some(mask) = slots.len().checked_sub(1) else { return Ok(None) };
        // The low half chooses the slot, the high half is compared before the key is read.
        let start = usize::try_from(hash & 0xffff_ffff).unwrap_or(0);
        for step in 0..slots.len() {
            let Some([n0, n1, n2, n3, t0, t1, t2, t3]) = slots.get(start.wrapping_add(step) & mask).copied()
            else {
                return Err(damaged("its index is cut off"));
            };
            let Some(key) = u32::from_le_bytes([n0, n1, n2, n3]).checked_sub(1) else { return Ok(None) };
            if u32::from_le_bytes([t0, t1, t2, t3]) != layout::tag(hash) {
                continue;
            }
            let key = usize::try_from(key).map_err(|_| damaged("a number is too large"))?;
            let mut cursor = Cursor::new(self.keys.get(key)?);
            let row = self.ecosystem(&mut cursor)?;
            if cursor.bytes_of_text()? == package.as_bytes() && row.name == ecosystem {
                return Entries::new(self.strings, row.scheme, cursor).map(Some);
            }
        }
        Ok(None)
    }

    fn ecosystem(&self, cursor: &mut Cursor<'a>) -> Result<&EcosystemRow<'a>, DatabaseError> {
        let index = cursor.index()?;
        self.ecosystems.get(index).ok_or_else(|| damaged("an ecosystem that does not exist"))
    }

    /// The key of that number, in order: ecosystem, package and the entries.
    fn key(&self, index: usize) -> Result<(&'a str, &'a str, Entries<'a>), DatabaseError> {
        let mut cursor = Cursor::new(self.keys.get(index)?);
        let row = self.ecosystem(&mut cursor)?;
        let package = cursor.text()?;
        Ok((row.name, package, Entries::new(self.strings, row.scheme, cursor)?))
    }

    /// The advisory of that number.
    ///
    /// # Errors
    /// When the number leads nowhere, or the record is damaged.
    pub fn advisory(&self, index: usize) -> Result<Advisory<'a>, DatabaseError> {
        Advisory::read(self.strings, self.advisories.get(index)?)
    }

    /// The flaw of that number.
    ///
    /// # Errors
    /// When the number leads nowhere, or the record is damaged.
    pub fn flaw(&self, index: usize) -> Result<Flaw<'a>, DatabaseError> {
        Flaw::read(self.strings, self.flaws.get(index)?)
    }
}

fn about(frame: &Frame<'_>) -> Result<About, DatabaseError> {
    let mut cursor = Cursor::new(frame.section(Section::About));
    Ok(About {
        modified: cursor.varint()?,
        as_of: cursor.varint()?,
        epss: cursor.varint()?,
        exploited: cursor.varint()?,
    })
}

fn ecosystem_rows<'a>(frame: &Frame<'a>) -> Result<Vec<EcosystemRow<'a>>, DatabaseError> {
    let mut cursor = Cursor::new(frame.section(Section::Ecosystems));
    let mut rows: Vec<EcosystemRow<'a>> = Vec::new();
    while !cursor.is_empty() {
        let row = EcosystemRow {
            name: cursor.text()?,
            scheme: cursor.text()?,
            advisories: cursor.varint()?,
            modified: cursor.varint()?,
            source: cursor.text()?,
            arches: cursor.text()?,
        };
        if rows.last().is_some_and(|last| last.name >= row.name) {
            return Err(damaged("its ecosystems are not in order"));
        }
        rows.push(row);
    }
    Ok(rows)
}
