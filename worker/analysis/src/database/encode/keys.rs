//! The index: what affects each (ecosystem, package), and the hash table that finds it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use super::{
    Kept,
    out::{Out, Records, Strings},
    packages, severity,
};
use crate::{
    assess::FixState,
    database::{
        build::BuildError,
        compact::{Interner, Package, Symbol},
        ecosystems, layout,
        osv::EventKind,
    },
    version::Scheme,
};

/// The keys in order, and their hashes.
pub(super) struct Keys {
    pub(super) records: Records,
    hashes: Vec<u64>,
}

/// One advisory's word on a key.
type Word<'a> = (usize, &'a Package<Symbol>);

/// Words that end at the same version.
struct Group<'a> {
    bound: Symbol,
    words: Vec<Word<'a>>,
}

pub(super) fn encode(
    texts: &Interner,
    advisories: &[Kept],
    ecosystem_numbers: &HashMap<Symbol, usize>,
    strings: &Strings,
) -> Result<Keys, BuildError> {
    let mut all: Vec<Word<'_>> = packages(advisories).collect();
    let key = |package: &Package<Symbol>| (texts.get(package.ecosystem), texts.get(package.name));
    // Stable: the words of one key stay in the order of their advisories and of the record.
    all.sort_by(|(_, a), (_, b)| {
        let same = a.ecosystem == b.ecosystem && a.name == b.name;
        if same { Ordering::Equal } else { key(a).cmp(&key(b)) }
    });
    let mut keys = Keys { records: Records::default(), hashes: Vec::new() };
    for words in all.chunk_by(|(_, a), (_, b)| a.ecosystem == b.ecosystem && a.name == b.name) {
        let Some((_, first)) = words.first() else { continue };
        let (ecosystem, name) = key(first);
        keys.hashes.push(layout::hash(ecosystem, name));
        let out = &mut keys.records.records;
        out.index(ecosystem_numbers.get(&first.ecosystem).copied().unwrap_or(usize::MAX));
        out.text(name);
        encode_words(texts, words, ecosystems::scheme(ecosystem), strings, out);
        keys.records.close("keys")?;
    }
    Ok(keys)
}

fn encode_words(
    texts: &Interner,
    words: &[Word<'_>],
    scheme: Option<&Scheme>,
    strings: &Strings,
    out: &mut Out,
) {
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    let mut others: Vec<Word<'_>> = Vec::new();
    for word in words {
        let bound = word.1.bound;
        if texts.get(bound).is_empty() {
            others.push(*word);
            continue;
        }
        let group = groups.entry(texts.get(bound)).or_insert_with(|| Group { bound, words: Vec::new() });
        group.words.push(*word);
    }
    let (groups, sorted) = order(groups.into_values().collect(), texts, scheme);
    let mut body = Out::default();
    for group in &groups {
        body.index(strings.number(group.bound));
        body.index(group.words.len());
        let mut previous = 0;
        for (advisory, package) in &group.words {
            encode_word(advisory.saturating_sub(previous), package, texts, strings, &mut body);
            previous = *advisory;
        }
    }
    out.byte(u8::from(sorted));
    out.index(body.bytes.len());
    out.bytes.extend_from_slice(&body.bytes);
    for (advisory, package) in others {
        encode_word(advisory, package, texts, strings, out);
    }
}

/// Whether the word is "every version before its bound" and nothing else.
fn is_before(package: &Package<Symbol>, texts: &Interner) -> bool {
    let [range] = &*package.ranges else { return false };
    let [(EventKind::Introduced, start), (EventKind::Fixed, fixed)] = &**range else { return false };
    texts.get(*start) == "0" && *fixed == package.bound && package.versions.is_empty()
}

/// Greatest bound first, and whether that is so: without an order, or with one that contradicts itself, it is not.
fn order<'a>(groups: Vec<Group<'a>>, texts: &Interner, scheme: Option<&Scheme>) -> (Vec<Group<'a>>, bool) {
    let Some(scheme) = scheme else { return (groups, false) };
    let compare = |a: &Group<'_>, b: &Group<'_>| (scheme.compare)(texts.get(a.bound), texts.get(b.bound));
    let mut sorted: Vec<Group<'a>> = Vec::with_capacity(groups.len());
    for group in groups {
        // Not `sort_by`: that may panic where an order contradicts itself.
        let at = sorted.partition_point(|other| compare(other, &group) != Some(Ordering::Less));
        sorted.insert(at, group);
    }
    let right = |pair: &[Group<'_>]| match pair {
        [a, b] => matches!(compare(a, b), Some(Ordering::Greater | Ordering::Equal)),
        _ => true,
    };
    let is_sorted = sorted.windows(2).all(right);
    (sorted, is_sorted)
}

fn encode_word(
    advisory: usize,
    package: &Package<Symbol>,
    texts: &Interner,
    strings: &Strings,
    out: &mut Out,
) {
    let ranged = !is_before(package, texts);
    let (stream, arch) = (strings.number(package.stream), strings.number(package.arch));
    let mut word = match package.state {
        FixState::Fixed(_) | FixState::NotFixed => 0,
        FixState::WillNotFix => 1,
        FixState::Deferred => 2,
        FixState::UnderInvestigation => 3,
        FixState::EndOfLife => 4,
    };
    for (bit, is_set) in [
        (layout::RATING, package.rating.is_some()),
        (layout::SCORE, package.score.is_known()),
        (layout::STREAM, stream != 0),
        (layout::MODULAR, package.modular),
        (layout::RANGES, ranged),
        (layout::ARCH, arch != 0),
        (layout::UNSORTED, ranged && !package.sorted),
    ] {
        word |= if is_set { bit } else { 0 };
    }
    out.index(advisory);
    out.varint(word);
    if let Some(rating) = package.rating {
        out.byte(severity(rating));
    }
    if package.score.is_known() {
        out.byte(package.score.version);
        out.byte(package.score.tenths);
    }
    if stream != 0 {
        out.index(stream);
    }
    if arch != 0 {
        out.index(arch);
    }
    if ranged {
        out.index(package.ranges.len());
        for range in &package.ranges {
            out.index(range.len());
            range.iter().for_each(|(kind, version)| out.index(strings.number(*version) << 2 | bits(*kind)));
        }
        out.index(package.versions.len());
        package.versions.iter().for_each(|version| out.index(strings.number(*version)));
    }
}

fn bits(kind: EventKind) -> usize {
    match kind {
        EventKind::Introduced => 0,
        EventKind::Fixed => 1,
        EventKind::LastAffected => 2,
        EventKind::Limit => 3,
    }
}

impl Keys {
    /// The hash table: at most two of three slots are taken, and the keys are put in in order.
    pub(super) fn slots(&self) -> Result<Vec<u8>, BuildError> {
        let count = (self.hashes.len() * 3 / 2 + 1).next_power_of_two();
        let mask = u64::try_from(count - 1).unwrap_or(u64::MAX);
        let mut slots = vec![(0_u32, 0_u32); count];
        for (hash, number) in self.hashes.iter().zip(1_u32..) {
            let mut at = usize::try_from(hash & mask).unwrap_or(0);
            while slots.get(at).is_some_and(|slot| slot.0 != 0) {
                at = (at + 1) & (count - 1);
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = (number, layout::tag(*hash));
            }
        }
        if u32::try_from(self.hashes.len()).is_err() {
            return Err(BuildError::TooLarge("keys"));
        }
        Ok(slots.into_iter().flat_map(|(number, tag)| [number, tag]).flat_map(u32::to_le_bytes).collect())
    }
}
