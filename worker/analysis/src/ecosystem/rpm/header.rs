//! One package's header as databases keep it: two counts, an index of 16-byte entries, a store of values.
//!
//! An entry is tag, type, offset in the store, number of values, each 4 bytes, most significant first. The region of an
//! installed package's header comes first; entries that were added at installation follow and win over it.
//! Source: rpm's `lib/header.c` and `include/rpm/rpmtag.h`, facts of the on-disk format.

use crate::bytes::{Order::Big, slice, terminated};

const ENTRY: usize = 16;
const TYPE_INT32: u32 = 4;
const TYPE_STRING: u32 = 6;
const TYPE_STRING_ARRAY: u32 = 8;
const TYPE_TRANSLATED: u32 = 9;

/// What a header says of its package. Borrowed from the header; text is whatever bytes stand there.
#[derive(Debug, Default)]
pub(super) struct Header<'a> {
    pub(super) name: &'a [u8],
    pub(super) version: &'a [u8],
    pub(super) release: &'a [u8],
    pub(super) epoch: Option<u32>,
    pub(super) architecture: &'a [u8],
    pub(super) source_rpm: &'a [u8],
    pub(super) vendor: &'a [u8],
    pub(super) modularity: &'a [u8],
    pub(super) files: Files<'a>,
}

/// The files of a package, as three arrays: base names, the number of each one's directory, directories.
#[derive(Debug, Default)]
pub(super) struct Files<'a> {
    names: Array<'a>,
    directories: Array<'a>,
    numbers: &'a [u8],
}

/// Strings that stand one after the other, each ended by NUL.
#[derive(Debug, Default, Clone, Copy)]
struct Array<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Array<'a> {
    fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.split(|&byte| byte == 0).take(self.count)
    }
}

impl<'a> Files<'a> {
    /// Directory and base name of every file. `None` stands for a file whose directory is missing.
    pub(super) fn iter(&self) -> impl Iterator<Item = Option<(&'a [u8], &'a [u8])>> {
        let directories: Vec<&[u8]> = self.directories.iter().collect();
        self.names.iter().zip(self.numbers.chunks_exact(4)).map(move |(name, number)| {
            let directory = directories.get(Big.size(number, 0)?)?;
            Some((*directory, name))
        })
    }
}

/// Reads a header. `None` when it is malformed or lacks a name or a version.
pub(super) fn read(blob: &[u8]) -> Option<Header<'_>> {
    let entries = Big.size(blob, 0)?;
    let length = Big.size(blob, 4)?;
    let index = slice(blob, 8, entries.checked_mul(ENTRY)?)?;
    let store = slice(blob, 8_usize.checked_add(index.len())?, length)?;
    let mut header = Header::default();
    for raw in index.chunks_exact(ENTRY) {
        let entry =
            Entry { store, kind: Big.u32(raw, 4)?, offset: Big.size(raw, 8)?, count: Big.size(raw, 12)? };
        match Big.u32(raw, 0)? {
            1000 => header.name = entry.string()?,
            1001 => header.version = entry.string()?,
            1002 => header.release = entry.string()?,
            1003 => header.epoch = Some(entry.number()?),
            1011 => header.vendor = entry.string()?,
            1022 => header.architecture = entry.string()?,
            1044 => header.source_rpm = entry.string()?,
            1116 => header.files.numbers = entry.numbers()?,
            1117 => header.files.names = entry.strings()?,
            1118 => header.files.directories = entry.strings()?,
            5096 => header.modularity = entry.string()?,
            _ => {}
        }
    }
    (!header.name.is_empty() && !header.version.is_empty()).then_some(header)
}

struct Entry<'a> {
    store: &'a [u8],
    kind: u32,
    offset: usize,
    count: usize,
}

impl<'a> Entry<'a> {
    fn string(&self) -> Option<&'a [u8]> {
        matches!(self.kind, TYPE_STRING | TYPE_STRING_ARRAY | TYPE_TRANSLATED)
            .then(|| terminated(self.store, self.offset))
            .flatten()
    }

    fn number(&self) -> Option<u32> {
        Big.u32(self.numbers()?, 0)
    }

    fn numbers(&self) -> Option<&'a [u8]> {
        (self.kind == TYPE_INT32)
            .then(|| slice(self.store, self.offset, self.count.checked_mul(4)?))
            .flatten()
    }

    /// A string takes at least its NUL, so the count is bounded by the store.
    fn strings(&self) -> Option<Array<'a>> {
        let bytes = self.store.get(self.offset..)?;
        let text = matches!(self.kind, TYPE_STRING_ARRAY | TYPE_TRANSLATED | TYPE_STRING);
        (text && self.count <= bytes.len()).then_some(Array { bytes, count: self.count })
    }
}
