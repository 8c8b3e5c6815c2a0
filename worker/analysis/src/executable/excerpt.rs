//! A program's excerpt: a small ELF file with the sections that name its parts, of which rows read the same as of the program.
//!
//! Where files can be read at any place, some kilobytes of a program of 100 MB are enough. Only the plain form is excerpted: whatever
//! is unusual about the section table, or needs other bytes of the file, is left to be read whole.

use super::{Executable, elf, slice};
use crate::{
    bytes::Order::{self, Little},
    gobuild,
};

/// Reads exactly so many bytes at an offset; `None` where that cannot be done.
pub(crate) type ReadAt<'r> = dyn FnMut(usize, usize) -> Option<Vec<u8>> + 'r;

/// Bytes of the longest header.
const HEAD: usize = 64;
/// The sections that rows read by their names: `gobuild`'s two, and the one of `ecosystem/rust.rs`.
const SECTIONS: [&str; 3] = [".go.buildinfo", "__go_buildinfo", ".dep-v0"];
/// Bytes of the sections' names.
const MAX_NAMES: usize = 4 << 20;
/// Bytes of one of the sections; larger ones are read with the file.
const MAX_SECTION: usize = 8 << 20;

/// The excerpt of a file of `size` bytes: empty where it is no program. `None` where the whole file is needed, and where it
/// cannot be read.
pub(crate) fn excerpt(size: u64, read: &mut ReadAt<'_>) -> Option<Vec<u8>> {
    let size = usize::try_from(size).ok()?;
    let head = read(0, HEAD.min(size))?;
    if !may_be_program(&head) {
        return Some(Vec::new());
    }
    let program = elf::open(&head)?;
    let table = compact(&program, size, read)?;
    let compact = Executable { bytes: &table, ..program };
    if !compact.names_sections() {
        return None;
    }
    let mut kept = Vec::new();
    for name in SECTIONS {
        let Some(part) = elf::sections(&compact)?.find(|part| part.name == name.as_bytes()) else { continue };
        if part.length > MAX_SECTION || part.offset.checked_add(part.length)? > size {
            return None;
        }
        let content = read(part.offset, part.length)?;
        if name.contains("buildinfo") && !gobuild::stands_alone(&compact, &content) {
            return None;
        }
        kept.push((name, content));
    }
    written(&program, &kept)
}

/// What every format that is known begins with.
fn may_be_program(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF")
        || head.starts_with(b"MZ")
        || matches!(Little.u32(head, 0), Some(0xfeed_face | 0xfeed_facf))
}

/// Where fields are in the header and in an entry of the section table, by class (System V ABI, chapter 4).
struct Fields {
    header: usize,
    table: usize,
    entry_size: usize,
    entry: usize,
    offset: usize,
    length: usize,
}

const fn fields(pointer: usize) -> Fields {
    match pointer {
        8 => Fields { header: 64, table: 40, entry_size: 58, entry: 64, offset: 24, length: 32 },
        _ => Fields { header: 52, table: 32, entry_size: 46, entry: 40, offset: 16, length: 20 },
    }
}

/// The header, the section table and the names, one after the other; all other offsets are those of the file.
fn compact(program: &Executable<'_>, size: usize, read: &mut ReadAt<'_>) -> Option<Vec<u8>> {
    let Executable { bytes: head, order, pointer, .. } = *program;
    let fields = fields(pointer);
    let number = |at: usize| order.u16(head, at).map(usize::from);
    let (table, entry) = (program.offset(fields.table)?, number(fields.entry_size)?);
    let (count, names) = (number(fields.entry_size + 2)?, number(fields.entry_size + 4)?);
    let length = count.checked_mul(entry)?;
    // Tables that overlap, are cut off or count in another way are for whoever sees the whole file.
    if entry != fields.entry || names >= count || table.checked_add(length)? > size {
        return None;
    }
    let mut compact = slice(head, 0, fields.header)?.to_vec();
    compact.extend(read(table, length)?);
    put(&mut compact, order, pointer, fields.table, fields.header)?;
    let at = fields.header + names * entry;
    let place = Executable { bytes: &compact, ..*program };
    let (offset, length) = (place.offset(at + fields.offset)?, place.offset(at + fields.length)?);
    if length > MAX_NAMES || offset.checked_add(length)? > size {
        return None;
    }
    let end = compact.len();
    compact.extend(read(offset, length)?);
    put(&mut compact, order, pointer, at + fields.offset, end)?;
    Some(compact)
}

/// A file of the same class and byte order with these sections, and the one of their names.
fn written(program: &Executable<'_>, sections: &[(&str, Vec<u8>)]) -> Option<Vec<u8>> {
    let Executable { bytes: head, order, pointer, .. } = *program;
    let fields = fields(pointer);
    let mut file = slice(head, 0, fields.header)?.to_vec();
    let count = sections.len() + 1;
    put(&mut file, order, pointer, fields.table, fields.header)?;
    put(&mut file, order, 2, fields.entry_size + 2, count)?;
    put(&mut file, order, 2, fields.entry_size + 4, 0)?;
    file.resize(fields.header + count * fields.entry, 0);
    // The first name is the empty one.
    let mut names = vec![0];
    for (index, (name, content)) in sections.iter().enumerate() {
        let at = fields.header + (index + 1) * fields.entry;
        put(&mut file, order, 4, at, names.len())?;
        let end = file.len();
        put(&mut file, order, pointer, at + fields.offset, end)?;
        put(&mut file, order, pointer, at + fields.length, content.len())?;
        file.extend_from_slice(content);
        names.extend_from_slice(name.as_bytes());
        names.push(0);
    }
    let end = file.len();
    put(&mut file, order, pointer, fields.header + fields.offset, end)?;
    put(&mut file, order, pointer, fields.header + fields.length, names.len())?;
    file.extend_from_slice(&names);
    Some(file)
}

/// Writes a number of `width` bytes.
fn put(bytes: &mut [u8], order: Order, width: usize, at: usize, number: usize) -> Option<()> {
    let number = u64::try_from(number).ok()?;
    let field = bytes.get_mut(at..at.checked_add(width)?)?;
    let (little, big) = (number.to_le_bytes(), number.to_be_bytes());
    field.copy_from_slice(match order {
        Order::Little => little.get(..width)?,
        Order::Big => big.get(little.len().checked_sub(width)?..)?,
    });
    Some(())
}

#[cfg(test)]
mod tests;
