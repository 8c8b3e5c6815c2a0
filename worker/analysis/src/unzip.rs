//! Zip archives over a byte slice, bounded: what jars, wheels and eggs are.
//!
//! The central directory is walked in place, so opening an archive allocates nothing however many entries it claims;
//! stored entries are borrowed, so a jar within a jar is not copied. All archives that one file leads to share one
//! [`Budget`]. Source: PKWARE's APPNOTE.

use std::{borrow::Cow, io::Read as _};

use crate::{
    bytes::{Order::Little, slice},
    limits::Limits,
};

const DIRECTORY_END: &[u8] = b"PK\x05\x06";
const DIRECTORY_END_LENGTH: usize = 22;
const LOCATOR_LENGTH: usize = 20;
const ENTRY_LENGTH: usize = 46;
const LOCAL_LENGTH: usize = 30;
/// Bytes that each unpacked entry counts beside its content.
const ENTRY_COST: u64 = 4 << 10;

/// Why an archive or an entry could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ZipError {
    /// It does not follow the format.
    #[error("the archive is malformed: {0}")]
    Malformed(&'static str),
    /// It needs a password or a method that is not supported.
    #[error("the archive is not readable: {0}")]
    Unsupported(&'static str),
    /// A bound was met.
    #[error("the archive exceeds a limit: {0}")]
    Limit(&'static str),
}

impl ZipError {
    /// The problem's code.
    pub(crate) fn code(self) -> &'static str {
        if matches!(self, Self::Limit(_)) { "limit" } else { "malformed" }
    }
}

/// What is left of the bounds on one file and everything that is packed in it.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Entries that may still be looked at.
    entries: u64,
    /// Archives that may still be opened.
    archives: u64,
    /// Bytes that may still be taken out of archives.
    bytes: u64,
    /// Bytes of unpacked archives that may still be in memory at once.
    held: u64,
    /// Bytes of one entry.
    entry_bytes: u64,
}

impl Budget {
    /// Entries of a file and all archives in it: a large server has some hundred thousand.
    const ENTRIES: u64 = 1_000_000;
    /// Archives in a file.
    const ARCHIVES: u64 = 10_000;
    /// Bytes that one file may unpack to, for each byte of `Limits::file_bytes`.
    const UNPACKED: u64 = 10;
    /// Bytes that one file may unpack to, for each byte that it has itself: of an archive in an archive only texts and
    /// further archives are unpacked, which do not pack that well.
    const RATIO: u64 = 100;
    /// Bytes that any file may unpack to.
    const FREE: u64 = 4 << 20;

    /// The bounds for one file of so many bytes.
    pub(crate) fn new(limits: &Limits, length: usize) -> Self {
        let own = u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(Self::RATIO);
        Self {
            entries: Self::ENTRIES,
            archives: Self::ARCHIVES,
            bytes: limits.file_bytes.saturating_mul(Self::UNPACKED).min(own.saturating_add(Self::FREE)),
            held: limits.budget_bytes,
            entry_bytes: limits.file_bytes,
        }
    }

    /// Counts bytes of an unpacked archive that stay in memory while it is read; [`Self::release`] gives the room back.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), ZipError> {
        take(&mut self.held, u64::try_from(bytes).unwrap_or(u64::MAX), "unpacked bytes in memory")
    }

    /// Undoes [`Self::hold`].
    pub(crate) fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

fn take(left: &mut u64, amount: u64, what: &'static str) -> Result<(), ZipError> {
    *left = left.checked_sub(amount).ok_or(ZipError::Limit(what))?;
    Ok(())
}

/// An archive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Archive<'a> {
    bytes: &'a [u8],
    directory: &'a [u8],
    count: u64,
    /// What precedes the archive, such as a script that starts it: offsets in the directory leave it out.
    shift: usize,
}

/// One entry as the central directory lists it.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Name as it stands, invalid UTF-8 replaced.
    pub(crate) name: Cow<'a, str>,
    packed: usize,
    size: u64,
    method: u16,
    encrypted: bool,
    offset: usize,
}

impl<'a> Archive<'a> {
    /// Finds the central directory.
    pub(crate) fn open(bytes: &'a [u8], budget: &mut Budget) -> Result<Self, ZipError> {
        take(&mut budget.archives, 1, "archives within archives")?;
        let end = directory_end(bytes).ok_or(ZipError::Malformed("it has no central directory"))?;
        let sizes = sizes(bytes, end).ok_or(ZipError::Malformed("its central directory has no place"))?;
        let start = sizes.end.checked_sub(sizes.length);
        let directory = start.and_then(|start| slice(bytes, start, sizes.length));
        let shift = start.and_then(|start| start.checked_sub(sizes.offset));
        match (directory, shift) {
            (Some(directory), Some(shift)) => Ok(Self { bytes, directory, count: sizes.count, shift }),
            _ => Err(ZipError::Malformed("its central directory is outside of it")),
        }
    }

    /// The entries, in the order of the directory; ends after the first malformed one.
    pub(crate) fn entries<'b>(
        &self,
        budget: &'b mut Budget,
    ) -> impl Iterator<Item = Result<Entry<'a>, ZipError>> + use<'a, 'b> {
        let mut rest = self.directory;
        let mut left = self.count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let next = take(&mut budget.entries, 1, "entries").and_then(|()| {
                let (entry, after) = entry(rest).ok_or(ZipError::Malformed("an entry of its directory"))?;
                rest = after;
                Ok(entry)
            });
            if next.is_err() {
                left = 0;
            }
            Some(next)
        })
    }

    /// The entry's content, at most `most` bytes of it.
    pub(crate) fn head(
        &self,
        entry: &Entry<'_>,
        most: u64,
        budget: &mut Budget,
    ) -> Result<Cow<'a, [u8]>, ZipError> {
        if entry.encrypted {
            return Err(ZipError::Unsupported("an entry is encrypted"));
        }
        // Even an entry without content costs something to unpack.
        take(&mut budget.bytes, ENTRY_COST, "unpacked bytes")?;
        let packed = self.packed(entry).ok_or(ZipError::Malformed("an entry is outside of it"))?;
        let most = most.min(budget.entry_bytes).min(budget.bytes);
        match entry.method {
            0 => {
                let wanted = usize::try_from(most).unwrap_or(usize::MAX).min(packed.len());
                take(&mut budget.bytes, u64::try_from(wanted).unwrap_or(u64::MAX), "unpacked bytes")?;
                packed
                    .get(..wanted)
                    .map(Cow::Borrowed)
                    .ok_or(ZipError::Malformed("an entry is outside of it"))
            }
            8 => {
                let mut content = Vec::new();
                let read = flate2::read::DeflateDecoder::new(packed).take(most).read_to_end(&mut content);
                take(&mut budget.bytes, u64::try_from(content.len()).unwrap_or(u64::MAX), "unpacked bytes")?;
                read.map_err(|_| ZipError::Malformed("an entry does not unpack"))?;
                Ok(Cow::Owned(content))
            }
            _ => Err(ZipError::Unsupported("an entry is packed by an unknown method")),
        }
    }

    /// The entry's whole content.
    pub(crate) fn whole(&self, entry: &Entry<'_>, budget: &mut Budget) -> Result<Cow<'a, [u8]>, ZipError> {
        if entry.size > budget.entry_bytes || entry.size > budget.bytes {
            return Err(ZipError::Limit("unpacked bytes"));
        }
        // One byte more than declared tells whether the declaration lies.
        let content = self.head(entry, entry.size.saturating_add(1), budget)?;
        if u64::try_from(content.len()) == Ok(entry.size) {
            Ok(content)
        } else {
            Err(ZipError::Malformed("an entry has another size than its directory says"))
        }
    }

    fn packed(&self, entry: &Entry<'_>) -> Option<&'a [u8]> {
        let local = self.shift.checked_add(entry.offset)?;
        if !self.bytes.get(local..)?.starts_with(b"PK\x03\x04") {
            return None;
        }
        let name = usize::from(Little.u16(self.bytes, local.checked_add(26)?)?);
        let extra = usize::from(Little.u16(self.bytes, local.checked_add(28)?)?);
        slice(self.bytes, local.checked_add(LOCAL_LENGTH + name + extra)?, entry.packed)
    }
}

/// Where the record that ends the directory starts. A comment of at most 64 KiB may follow it.
fn directory_end(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(DIRECTORY_END_LENGTH)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|&at| {
        bytes.get(at) == Some(&b'P')
            && bytes.get(at..).is_some_and(|rest| rest.starts_with(DIRECTORY_END))
            && Little.u16(bytes, at + 20).is_some_and(|comment| at + 22 + usize::from(comment) <= bytes.len())
    })
}

/// The directory's place: where it ends, its length, its offset as it is written, its entries.
struct Sizes {
    end: usize,
    length: usize,
    offset: usize,
    count: u64,
}

fn sizes(bytes: &[u8], end: usize) -> Option<Sizes> {
    let locator = end.checked_sub(LOCATOR_LENGTH);
    if let Some(locator) = locator
        && bytes.get(locator..)?.starts_with(b"PK\x06\x07")
    {
        // The record stands just before the locator unless it has extensions: those are not written in practice.
        let record = locator.checked_sub(56)?;
        if !bytes.get(record..)?.starts_with(b"PK\x06\x06") {
            return None;
        }
        let number = |at: usize| Little.u64(bytes, record.checked_add(at)?);
        return Some(Sizes {
            end: record,
            count: number(32)?,
            length: usize::try_from(number(40)?).ok()?,
            offset: usize::try_from(number(48)?).ok()?,
        });
    }
    Some(Sizes {
        end,
        count: u64::from(Little.u16(bytes, end.checked_add(10)?)?),
        length: Little.size(bytes, end.checked_add(12)?)?,
        offset: Little.size(bytes, end.checked_add(16)?)?,
    })
}

fn entry(directory: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    if !directory.starts_with(b"PK\x01\x02") {
        return None;
    }
    let length = |at| Little.u16(directory, at).map(usize::from);
    let name = slice(directory, ENTRY_LENGTH, length(28)?)?;
    let extra = slice(directory, ENTRY_LENGTH + name.len(), length(30)?)?;
    let rest = directory.get(ENTRY_LENGTH + name.len() + extra.len() + length(32)?..)?;
    let wide = wide(extra);
    let mut wide = wide.chunks_exact(8);
    let mut number = |at| {
        let short = Little.u32(directory, at)?;
        if short == u32::MAX { Little.u64(wide.next()?, 0) } else { Some(u64::from(short)) }
    };
    // The wide numbers stand in this order, and only where the short one is all ones.
    let size = number(24)?;
    let packed = usize::try_from(number(20)?).ok()?;
    let offset = usize::try_from(number(42)?).ok()?;
    let encrypted = Little.u16(directory, 8)? & 1 != 0;
    let method = Little.u16(directory, 10)?;
    Some((Entry { name: String::from_utf8_lossy(name), packed, size, method, encrypted, offset }, rest))
}

/// The extra field with the numbers of 64 bits; empty where there is none.
fn wide(mut extra: &[u8]) -> &[u8] {
    while let (Some(kind), Some(length)) = (Little.u16(extra, 0), Little.u16(extra, 2)) {
        let Some(field) = slice(extra, 4, usize::from(length)) else { break };
        if kind == 1 {
            return field;
        }
        extra = extra.get(4 + field.len()..).unwrap_or_default();
    }
    &[]
}
