//! What affects one package: the entries of one key.

use super::{
    DatabaseError, Score, layout,
    osv::EventKind,
    read::{Cursor, Table, damaged},
};
use crate::assess::{FixState, Severity};

/// One advisory's word on one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Number of the advisory.
    pub advisory: usize,
    /// Which versions it affects.
    pub rule: Rule<'a>,
    /// A version that is not affected, nor is any after it; empty when there is none.
    pub bound: &'a str,
    /// What its source says of a fix, where there is none. Never `Fixed`.
    pub state: FixState,
    /// The source's rating for this package only.
    pub rating: Option<Severity>,
    /// The score for this package only.
    pub score: Score,
    /// Whether it speaks of packages of an rpm module.
    pub modular: bool,
    /// Module and stream, `nodejs:14`; empty when it names none.
    pub stream: &'a str,
    /// Architectures that it speaks of, separated by spaces; empty for all.
    pub arch: &'a str,
}

/// Which versions are affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule<'a> {
    /// Every version before this one.
    Before(&'a str),
    /// The listed versions, and those that the events of a range enclose.
    Ranges {
        /// Events of each range.
        ranges: Vec<Vec<(EventKind, &'a str)>>,
        /// Whether the events are in the order of their versions, by the ecosystem's scheme; else in the record's.
        sorted: bool,
        /// Versions listed one by one.
        versions: Vec<&'a str>,
    },
}

/// The entries of one key, in the file's order: first those with a bound, greatest bound first, then all others.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    strings: Table<'a>,
    scheme: &'a str,
    is_sorted: bool,
    groups: Cursor<'a>,
    others: Cursor<'a>,
    /// Entries left in the group, the bound that they share, and the last advisory.
    left: usize,
    bound: &'a str,
    previous: usize,
}

impl<'a> Entries<'a> {
    /// Reads what follows a key's name.
    pub(super) fn new(
        strings: Table<'a>,
        scheme: &'a str,
        mut cursor: Cursor<'a>,
    ) -> Result<Self, DatabaseError> {
        let is_sorted = cursor.byte()? & 1 == 1;
        let length = cursor.index()?;
        let groups = Cursor::new(cursor.bytes(length)?);
        Ok(Self { strings, scheme, is_sorted, groups, others: cursor, left: 0, bound: "", previous: 0 })
    }

    /// Name of the order by which the file's compiler compared versions; empty when it knew none.
    #[must_use]
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// Whether the bounds descend. Whoever compares by the same order may stop at the first that the version has
    /// reached: see [`Self::skip_bounded`].
    #[must_use]
    pub fn bounds_descend(&self) -> bool {
        self.is_sorted
    }

    /// Leaves out the rest of the entries with a bound.
    pub fn skip_bounded(&mut self) {
        self.groups = Cursor::new(&[]);
        self.left = 0;
    }

    fn string(&self, cursor: &mut Cursor<'a>) -> Result<&'a str, DatabaseError> {
        self.strings.text(cursor.index()?)
    }

    fn grouped(&mut self) -> Result<Entry<'a>, DatabaseError> {
        let mut cursor = self.groups;
        if self.left == 0 {
            self.bound = self.string(&mut cursor)?;
            self.left = cursor.index()?;
            self.previous = 0;
        }
        let entry = self.read(&mut cursor, self.bound)?;
        self.previous = entry.advisory;
        self.left = self.left.checked_sub(1).ok_or_else(|| damaged("an empty group"))?;
        self.groups = cursor;
        Ok(entry)
    }

    fn other(&mut self) -> Result<Entry<'a>, DatabaseError> {
        let mut cursor = self.others;
        self.previous = 0;
        let entry = self.read(&mut cursor, "")?;
        self.others = cursor;
        Ok(entry)
    }

    fn read(&self, cursor: &mut Cursor<'a>, bound: &'a str) -> Result<Entry<'a>, DatabaseError> {
        let step = cursor.index()?;
        let advisory = self.previous.checked_add(step).ok_or_else(|| damaged("a number is too large"))?;
        let bits = cursor.varint()?;
        let rating = if bits & layout::RATING == 0 { None } else { Some(severity(cursor.byte()?)?) };
        let score = if bits & layout::SCORE == 0 {
            Score::default()
        } else {
            Score { version: cursor.byte()?, tenths: cursor.byte()? }
        };
        let stream = if bits & layout::STREAM == 0 { "" } else { self.string(cursor)? };
        let arch = if bits & layout::ARCH == 0 { "" } else { self.string(cursor)? };
        let rule = if bits & layout::RANGES == 0 {
            Rule::Before(bound)
        } else {
            self.ranges(cursor, bits & layout::UNSORTED == 0)?
        };
        let modular = bits & layout::MODULAR != 0;
        Ok(Entry {
            advisory,
            rule,
            bound,
            state: state(bits & layout::STATE)?,
            rating,
            score,
            modular,
            stream,
            arch,
        })
    }

    fn ranges(&self, cursor: &mut Cursor<'a>, sorted: bool) -> Result<Rule<'a>, DatabaseError> {
        let mut ranges = Vec::new();
        for _ in 0..cursor.index()? {
            let mut events = Vec::new();
            for _ in 0..cursor.index()? {
                let word = cursor.index()?;
                events.push((kind(word & 3), self.strings.text(word >> 2)?));
            }
            ranges.push(events);
        }
        let mut versions = Vec::new();
        for _ in 0..cursor.index()? {
            versions.push(self.string(cursor)?);
        }
        Ok(Rule::Ranges { ranges, sorted, versions })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, DatabaseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = if !self.groups.is_empty() {
            self.grouped()
        } else if !self.others.is_empty() {
            self.other()
        } else {
            return None;
        };
        if entry.is_err() {
            // What follows a broken record cannot be read either.
            self.skip_bounded();
            self.others = Cursor::new(&[]);
        }
        Some(entry)
    }
}

/// The kind of event that the low bits of a number stand for.
pub(super) fn kind(bits: usize) -> EventKind {
    match bits {
        0 => EventKind::Introduced,
        1 => EventKind::Fixed,
        2 => EventKind::LastAffected,
        _ => EventKind::Limit,
    }
}

/// The severity of a byte of the file.
pub(super) fn severity(byte: u8) -> Result<Severity, DatabaseError> {
    Ok(match byte {
        0 => Severity::Unknown,
        1 => Severity::Negligible,
        2 => Severity::Low,
        3 => Severity::Medium,
        4 => Severity::High,
        5 => Severity::Critical,
        _ => return Err(damaged("a severity that does not exist")),
    })
}

fn state(bits: u64) -> Result<FixState, DatabaseError> {
    Ok(match bits {
        0 => FixState::NotFixed,
        1 => FixState::WillNotFix,
        2 => FixState::Deferred,
        3 => FixState::UnderInvestigation,
        4 => FixState::EndOfLife,
        _ => return Err(damaged("a state that does not exist")),
    })
}
