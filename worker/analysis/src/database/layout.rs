//! The format of the file. All numbers are little-endian; `varint` is LEB128 of at most 64 bits.
//!
//! ```text
//! magic "STRATADB"  format u32  sections u32  digest [32]  length u64  checksum u64
//! sections × (offset u64, length u64)
//! content of the sections, one after the other
//! ```
//!
//! The digest is SHA-256 over the whole file with the digest's and the checksum's own bytes as zeros: the name of the
//! content. The checksum is the first 8 bytes of SHA-256 over header and section table, so that opening a file
//! proves its frame without reading its content; `Database::verify` reads all of it.

use sha2::{Digest as _, Sha256};

use super::DatabaseError;

pub(super) const MAGIC: &[u8; 8] = b"STRATADB";
/// Raised when the meaning of a byte changes.
pub(super) const FORMAT: u32 = 2;
pub(super) const HEADER: usize = 64;
const DIGEST: std::ops::Range<usize> = 16..48;
const CHECKSUM: std::ops::Range<usize> = 56..64;

/// The sections, in the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    /// Newest modification, the one that 999 of 1,000 are not newer than, flaws with a probability, flaws that are
    /// exploited: varints.
    About,
    /// For each ecosystem, in order: name, scheme, number of advisories, newest modification, sources,
    /// architectures that its advisories name.
    Ecosystems,
    /// End of each string in `Strings`: u32.
    StringEnds,
    /// Versions, aliases and titles, the most used first.
    Strings,
    /// End of each record in `Advisories`: u32.
    AdvisoryEnds,
    /// Advisories by identifier.
    Advisories,
    /// End of each record in `Flaws`: u32.
    FlawEnds,
    /// What findings are named after: CVEs mostly, in order.
    Flaws,
    /// Open-addressed table over the keys, a power of two: the key's number plus one, or 0 for an empty slot, and the
    /// high half of the key's hash: u32 each.
    Slots,
    /// End of each record in `Keys`: u32.
    KeyEnds,
    /// (ecosystem, package) in order, and what affects it.
    Keys,
    /// For each release of a distribution, in order: `ID`, release, end of life, end of extended support, source.
    Lifecycles,
}

pub(super) const SECTIONS: [Section; 12] = [
    Section::About,
    Section::Ecosystems,
    Section::StringEnds,
    Section::Strings,
    Section::AdvisoryEnds,
    Section::Advisories,
    Section::FlawEnds,
    Section::Flaws,
    Section::Slots,
    Section::KeyEnds,
    Section::Keys,
    Section::Lifecycles,
];

/// Bits of an entry's qualifiers: the low three are the fix state.
pub(super) const STATE: u64 = 0b111;
/// A rating of this package only follows.
pub(super) const RATING: u64 = 1 << 3;
/// A score of this package only follows.
pub(super) const SCORE: u64 = 1 << 4;
/// A module stream follows.
pub(super) const STREAM: u64 = 1 << 5;
/// The entry speaks of modular packages.
pub(super) const MODULAR: u64 = 1 << 6;

/// Ranges and listed versions follow.
pub(super) const RANGES: u64 = 1 << 7;
/// The events of the ranges are not in the order of their versions.
pub(super) const UNSORTED: u64 = 1 << 8;
/// The architectures follow.
pub(super) const ARCH: u64 = 1 << 9;

/// Hash of a key: `ecosystem` and `package`, eight bytes at a time, each step a multiplication by an odd constant (that
/// of Fibonacci hashing) and a fold of the high half into the low one.
pub(super) fn hash(ecosystem: &str, package: &str) -> u64 {
    let step = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        product ^ (product >> 32)
    };
    let text = |hash: u64, text: &str| {
        let (words, rest) = text.as_bytes().as_chunks::<8>();
        let hash = words.iter().fold(hash, |hash, word| step(hash, u64::from_le_bytes(*word)));
        let rest = rest.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        // The length keeps `a` + `bc` and `ab` + `c` apart.
        step(step(hash, rest), wide(text.len()))
    };
    text(text(0, ecosystem), package)
}

/// The half of a hash that a slot keeps.
pub(super) fn tag(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or(u32::MAX)
}

/// Puts the frame around the content of the sections.
pub(super) fn frame(sections: &[Vec<u8>]) -> Vec<u8> {
    let table = sections.len() * 16;
    let length = HEADER + table + sections.iter().map(Vec::len).sum::<usize>();
    let mut file = Vec::with_capacity(length);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&FORMAT.to_le_bytes());
    file.extend_from_slice(&u32::try_from(sections.len()).unwrap_or(u32::MAX).to_le_bytes());
    file.extend_from_slice(&[0; 32]);
    file.extend_from_slice(&wide(length).to_le_bytes());
    file.extend_from_slice(&[0; 8]);
    let mut offset = HEADER + table;
    for section in sections {
        file.extend_from_slice(&wide(offset).to_le_bytes());
        file.extend_from_slice(&wide(section.len()).to_le_bytes());
        offset += section.len();
    }
    for section in sections {
        file.extend_from_slice(section);
    }
    let digest: [u8; 32] = Sha256::digest(&file).into();
    if let Some(place) = file.get_mut(DIGEST) {
        place.copy_from_slice(&digest);
    }
    let sum = checksum(file.get(..HEADER + table).unwrap_or_default());
    if let Some(place) = file.get_mut(CHECKSUM) {
        place.copy_from_slice(&sum);
    }
    file
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// First 8 bytes of SHA-256 over header and section table, with the checksum's own bytes left out.
fn checksum(head: &[u8]) -> [u8; 8] {
    let mut hasher = Sha256::new();
    hasher.update(head.get(..CHECKSUM.start).unwrap_or_default());
    hasher.update(head.get(CHECKSUM.end..).unwrap_or_default());
    let mut sum = [0; 8];
    for (place, byte) in sum.iter_mut().zip(hasher.finalize()) {
        *place = byte;
    }
    sum
}

/// A file whose frame is whole.
#[derive(Debug, Clone)]
pub(super) struct Frame<'a> {
    pub(super) digest: [u8; 32],
    sections: [&'a [u8]; SECTIONS.len()],
}

impl<'a> Frame<'a> {
    pub(super) fn section(&self, section: Section) -> &'a [u8] {
        self.sections.get(section as usize).copied().unwrap_or_default()
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Reads and checks the frame.
pub(super) fn open(bytes: &[u8]) -> Result<Frame<'_>, DatabaseError> {
    let cut = || DatabaseError::Damaged("the file is cut off".to_owned());
    if bytes.get(..MAGIC.len()) != Some(MAGIC) {
        return Err(DatabaseError::NotADatabase);
    }
    let format = u32_at(bytes, 8).ok_or_else(cut)?;
    if format != FORMAT {
        return Err(DatabaseError::Format { found: format, supported: FORMAT });
    }
    let head = bytes.get(..HEADER + SECTIONS.len() * 16).ok_or_else(cut)?;
    if u32_at(bytes, 12).and_then(|count| usize::try_from(count).ok()) != Some(SECTIONS.len())
        || head.get(CHECKSUM) != Some(checksum(head).as_slice())
    {
        return Err(DatabaseError::Damaged("its header does not match its checksum".to_owned()));
    }
    if u64_at(bytes, DIGEST.end) != Some(wide(bytes.len())) {
        return Err(cut());
    }
    let mut sections = [&[][..]; SECTIONS.len()];
    let mut expected = head.len();
    for (at, place) in sections.iter_mut().enumerate() {
        let entry = HEADER + at * 16;
        let read = |at| u64_at(bytes, at).and_then(|value| usize::try_from(value).ok());
        let (Some(offset), Some(length)) = (read(entry), read(entry + 8)) else { return Err(cut()) };
        if offset != expected {
            return Err(DatabaseError::Damaged("its sections do not follow each other".to_owned()));
        }
        expected = offset.checked_add(length).ok_or_else(cut)?;
        *place = bytes.get(offset..expected).ok_or_else(cut)?;
    }
    let digest = bytes.get(DIGEST).and_then(|digest| digest.try_into().ok()).ok_or_else(cut)?;
    Ok(Frame { digest, sections })
}

/// The digest of the whole file, computed anew.
pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(bytes.get(..DIGEST.start).unwrap_or_default());
    hasher.update([0; 32]);
    hasher.update(bytes.get(DIGEST.end..CHECKSUM.start).unwrap_or_default());
    hasher.update([0; 8]);
    hasher.update(bytes.get(CHECKSUM.end..).unwrap_or_default());
    hasher.finalize().into()
}
