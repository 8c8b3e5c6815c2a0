//! Which archive of a Maven repository has which content: the SHA-1 of a jar → group, artifact, version.
//!
//! Some jars say nothing of where they come from: their properties were stripped, their manifest names nobody. Their
//! content can be looked up, where someone who mirrors a repository lists it. The list is compiled into one file that is
//! used in place. All numbers are little-endian:
//!
//! ```text
//! magic "STRATAJX"  format u32  reserved u32  digest [32]  entries u64  text u64
//! entries × (SHA-1 [20], end of the text u64)   in the order of their SHA-1
//! text: `group:artifact:version`, one after the other
//! ```
//!
//! The digest is SHA-256 over the whole file with its own bytes as zeros. It names the index in reports, and proves all
//! of it when the file is opened: a wrong identity would be worse than none.
//!
//! An inventory is a function of a layer's bytes alone, so the index is asked only when an image's layers are squashed.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{
    bytes::{Order, slice},
    model::Package,
};

const MAGIC: &[u8; 8] = b"STRATAJX";
/// Raised when the meaning of a byte changes.
const FORMAT: u32 = 1;
const HEADER: usize = 64;
const DIGEST: std::ops::Range<usize> = 16..48;
const HASH: usize = 20;
const ENTRY: usize = HASH + 8;
/// Bytes of a line: coordinates are far shorter.
const LINE_BYTES: usize = 1_024;
/// Property of an archive that names itself badly or not at all: the SHA-1 of its content, in hexadecimal digits.
pub(crate) const SHA1: &str = "sha1";

/// Why bytes are no index, or a list makes none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JavaIndexError {
    /// The file does not start as one.
    #[error("it is not an index of Java archives")]
    NotAnIndex,
    /// It is of a format that this build does not read.
    #[error("its format is {0}, and this build reads {FORMAT}")]
    Format(u32),
    /// It is not whole, or was changed.
    #[error("it is damaged: its content does not have its digest")]
    Damaged,
    /// A line of the list is none.
    #[error("line {line} of the list is not `SHA-1 group:artifact:version`")]
    Line {
        /// Number of the line, from 1.
        line: usize,
    },
    /// Two lines name different archives for one content.
    #[error("line {line} of the list contradicts an earlier one with the same SHA-1")]
    Contradiction {
        /// Number of the line, from 1.
        line: usize,
    },
}

/// A view of an index: look-ups are a binary search.
#[derive(Debug, Clone, Copy)]
pub struct JavaIndex<'a> {
    entries: &'a [u8],
    text: &'a [u8],
    digest: &'a [u8],
}

impl<'a> JavaIndex<'a> {
    /// Checks the whole file against its digest.
    ///
    /// # Errors
    /// When it is no index, of another format, or damaged.
    pub fn open(bytes: &'a [u8]) -> Result<Self, JavaIndexError> {
        if !bytes.starts_with(MAGIC) {
            return Err(JavaIndexError::NotAnIndex);
        }
        let index = Self::frame(bytes).ok_or(JavaIndexError::Damaged)?;
        match Order::Little.u32(bytes, MAGIC.len()) {
            Some(FORMAT) => {}
            Some(other) => return Err(JavaIndexError::Format(other)),
            None => return Err(JavaIndexError::Damaged),
        }
        if digest(bytes).as_slice() == index.digest { Ok(index) } else { Err(JavaIndexError::Damaged) }
    }

    /// As [`open`](Self::open), of a file that was opened before and has not changed since: only its frame is checked.
    ///
    /// # Errors
    /// When it is no index.
    pub fn reopen(bytes: &'a [u8]) -> Result<Self, JavaIndexError> {
        let index = bytes.starts_with(MAGIC).then(|| Self::frame(bytes)).flatten();
        index.ok_or(JavaIndexError::NotAnIndex)
    }

    fn frame(bytes: &'a [u8]) -> Option<Self> {
        let size = |at| usize::try_from(Order::Little.u64(bytes, at)?).ok();
        let length = size(48)?.checked_mul(ENTRY)?;
        let entries = slice(bytes, HEADER, length)?;
        let text = bytes.get(HEADER.checked_add(length)?..)?;
        (text.len() == size(56)?).then_some(Self { entries, text, digest: bytes.get(DIGEST)? })
    }

    /// Archives in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() / ENTRY
    }

    /// Whether it names no archive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// `sha256:` digest of the content.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// The coordinates of an archive whose content has this SHA-1, in hexadecimal digits: `group:artifact` and version.
    #[must_use]
    pub fn find(&self, sha1: &str) -> Option<(&'a str, &'a str)> {
        let wanted = hash(sha1)?;
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry(middle)?;
            match entry.get(..HASH)?.cmp(wanted.as_slice()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let start = middle.checked_sub(1).map_or(Some(0), |before| self.end(before))?;
                    let text = str::from_utf8(self.text.get(start..self.end(middle)?)?).ok()?;
                    return text.rsplit_once(':');
                }
            }
        }
        None
    }

    fn entry(&self, number: usize) -> Option<&'a [u8]> {
        slice(self.entries, number.checked_mul(ENTRY)?, ENTRY)
    }

    fn end(&self, number: usize) -> Option<usize> {
        usize::try_from(Order::Little.u64(self.entry(number)?, HASH)?).ok()
    }
}

/// Gives an archive that is in the index its coordinates from it, where all that was known of it was a guess from its
/// manifest or file name, or nothing. Its properties say so: `identified-by` is the index, `guessed` what stood there before.
pub(crate) fn identify(package: &mut Package, index: &JavaIndex<'_>) {
    // Only archives without properties of their own carry it.
    let found = package.properties.get(SHA1).and_then(|sha1| index.find(sha1));
    let Some((name, version)) = found else { return };
    let guessed = format!("{}:{}", package.name, package.version);
    if !package.version.is_empty() && guessed != format!("{name}:{version}") {
        package.properties.insert("guessed".to_owned(), guessed);
    }
    package.properties.insert("identified-by".to_owned(), format!("java-index {}", index.digest()));
    name.clone_into(&mut package.name);
    version.clone_into(&mut package.version);
}

/// Compiles a list into an index: lines of a SHA-1 in hexadecimal digits, white space, and `group:artifact:version`. Empty
/// lines and those that start with `#` are left out.
///
/// # Errors
/// When a line is none of that, or contradicts an earlier one: two archives with one content have one name, but a list may
/// be wrong. A line that says the same again is none.
pub fn build(list: &str) -> Result<Vec<u8>, JavaIndexError> {
    let mut entries: BTreeMap<[u8; HASH], &str> = BTreeMap::new();
    for (number, line) in list.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = number + 1;
        let (sha1, coordinates) = parsed(line).ok_or(JavaIndexError::Line { line: number })?;
        if entries.insert(sha1, coordinates).is_some_and(|before| before != coordinates) {
            return Err(JavaIndexError::Contradiction { line: number });
        }
    }
    let text: usize = entries.values().map(|text| text.len()).sum();
    let mut file = Vec::with_capacity(HEADER + entries.len() * ENTRY + text);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&FORMAT.to_le_bytes());
    file.extend_from_slice(&[0; 36]);
    for number in [entries.len(), text] {
        file.extend_from_slice(&wide(number).to_le_bytes());
    }
    let mut end = 0;
    for (sha1, text) in &entries {
        end += text.len();
        file.extend_from_slice(sha1);
        file.extend_from_slice(&wide(end).to_le_bytes());
    }
    entries.values().for_each(|text| file.extend_from_slice(text.as_bytes()));
    let digest = digest(&file);
    if let Some(place) = file.get_mut(DIGEST) {
        place.copy_from_slice(&digest);
    }
    Ok(file)
}

fn parsed(line: &str) -> Option<([u8; HASH], &str)> {
    let (sha1, coordinates) = line.split_once(char::is_whitespace)?;
    let coordinates = coordinates.trim_start();
    let mut parts = coordinates.split(':');
    let sound = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    let whole = coordinates.len() <= LINE_BYTES && parts.clone().count() == 3 && parts.all(sound);
    Some((hash(sha1).filter(|_| whole)?, coordinates))
}

fn hash(text: &str) -> Option<[u8; HASH]> {
    let mut hash = [0; HASH];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != HASH || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(hash)
}

/// SHA-256 over the file, the digest's own bytes as zeros.
fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(bytes.get(..DIGEST.start).unwrap_or_default());
    hasher.update([0; 32]);
    hasher.update(bytes.get(DIGEST.end..).unwrap_or_default());
    hasher.finalize().into()
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
