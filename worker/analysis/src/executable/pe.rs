//! PE: Windows executables.

use super::{Executable, Kind, Part, name, slice};
use crate::bytes::Order::Little;

const SECTION: usize = 40;

pub(super) fn open(bytes: &[u8]) -> Option<Executable<'_>> {
    if !bytes.starts_with(b"MZ") {
        return None;
    }
    let header = Little.size(bytes, 60)?;
    if slice(bytes, header, 4)? != b"PE\0\0" {
        return None;
    }
    let count = usize::from(Little.u16(bytes, header.checked_add(6)?)?);
    let length = usize::from(Little.u16(bytes, header.checked_add(20)?)?);
    let optional = header.checked_add(24)?;
    let pointer = match Little.u16(bytes, optional)? {
        0x10b => 4,
        0x20b => 8,
        _ => return None,
    };
    let sections = optional.checked_add(length)?;
    Some(Executable { bytes, order: Little, pointer, kind: Kind::Pe { optional, sections, count } })
}

/// The address at which the image is loaded.
pub(super) fn base(file: &Executable<'_>, optional: usize) -> Option<u64> {
    file.word(optional.checked_add(if file.pointer == 8 { 24 } else { 28 })?)
}

/// The sections; their addresses are relative to the base.
pub(super) fn sections<'a>(
    file: &Executable<'a>,
    table: usize,
    count: usize,
) -> impl Iterator<Item = Part<'a>> + use<'a> {
    let bytes = file.bytes;
    (0..count).filter_map(move |index| {
        let raw = slice(bytes, table.checked_add(index.checked_mul(SECTION)?)?, SECTION)?;
        // What the section takes in memory may be less than the file's share, which is padded.
        let length = match Little.size(raw, 8)? {
            0 => Little.size(raw, 16)?,
            virtual_size => virtual_size.min(Little.size(raw, 16)?),
        };
        Some(Part {
            name: name(raw.get(..8)?),
            offset: Little.size(raw, 20)?,
            length,
            address: u64::from(Little.u32(raw, 12)?),
        })
    })
}
