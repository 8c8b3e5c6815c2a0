//! Bytes, records and the string table of the file.

use std::{cmp::Reverse, collections::HashMap};

use super::{Kept, packages};
use crate::database::{
    Score,
    build::{BuildError, Known},
    compact::{Interner, Symbol},
};

/// Bytes of a section.
#[derive(Debug, Default)]
pub(in crate::database) struct Out {
    pub(in crate::database) bytes: Vec<u8>,
}

impl Out {
    pub(in crate::database) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(in crate::database) fn varint(&mut self, mut value: u64) {
        loop {
            let low = u8::try_from(value & 0x7f).unwrap_or(0);
            value >>= 7;
            if value == 0 {
                return self.byte(low);
            }
            self.byte(low | 0x80);
        }
    }

    pub(in crate::database) fn index(&mut self, value: usize) {
        self.varint(u64::try_from(value).unwrap_or(u64::MAX));
    }

    pub(in crate::database) fn text(&mut self, text: &str) {
        self.index(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(in crate::database) fn score(&mut self, score: Score) {
        self.byte(score.version);
        if score.is_known() {
            self.byte(score.tenths);
        }
    }
}

/// Records of varying length and the end of each.
#[derive(Debug, Default)]
pub(in crate::database) struct Records {
    pub(in crate::database) ends: Vec<u8>,
    pub(in crate::database) records: Out,
}

impl Records {
    pub(in crate::database) fn close(&mut self, what: &'static str) -> Result<(), BuildError> {
        let end = u32::try_from(self.records.bytes.len()).map_err(|_| BuildError::TooLarge(what))?;
        self.ends.extend_from_slice(&end.to_le_bytes());
        Ok(())
    }
}

/// The string table: the empty string, then the most used first, which keeps references short.
pub(super) struct Strings {
    numbers: HashMap<Symbol, usize>,
    pub(super) records: Records,
}

impl Strings {
    pub(super) fn new(
        texts: &Interner,
        advisories: &[Kept],
        flaws: &[Symbol],
        known: &HashMap<Symbol, Known>,
    ) -> Result<Self, BuildError> {
        let mut uses: HashMap<Symbol, u64> = HashMap::new();
        let mut count = |symbol: Symbol| *uses.entry(symbol).or_default() += 1;
        for (advisory, _) in advisories {
            advisory.aliases.iter().copied().chain([advisory.title]).for_each(&mut count);
        }
        for (_, package) in packages(advisories) {
            let events = package.ranges.iter().flat_map(|range| range.iter().map(|(_, version)| *version));
            events
                .chain(package.versions.iter().copied())
                .chain([package.stream, package.bound, package.arch])
                .for_each(&mut count);
        }
        flaws.iter().filter_map(|flaw| known.get(flaw)?.title).for_each(&mut count);
        let mut list: Vec<(Symbol, u64)> =
            uses.into_iter().filter(|(each, _)| !texts.get(*each).is_empty()).collect();
        list.sort_unstable_by_key(|(symbol, uses)| (Reverse(*uses), texts.get(*symbol)));
        let mut strings = Self { numbers: HashMap::new(), records: Records::default() };
        strings.records.close("strings")?;
        for (symbol, _) in list {
            strings.records.records.bytes.extend_from_slice(texts.get(symbol).as_bytes());
            strings.numbers.insert(symbol, strings.numbers.len() + 1);
            strings.records.close("strings")?;
        }
        Ok(strings)
    }

    pub(super) fn number(&self, symbol: Symbol) -> usize {
        self.numbers.get(&symbol).copied().unwrap_or(0)
    }
}
