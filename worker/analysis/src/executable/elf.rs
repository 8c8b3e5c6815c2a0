//! ELF of both classes and byte orders.

use super::{Executable, Kind, Part, name, slice};
use crate::bytes::Order;

/// Bytes of a section's name that are compared.
const NAME_BYTES: usize = 32;

pub(super) fn open(bytes: &[u8]) -> Option<Executable<'_>> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let pointer = match bytes.get(4)? {
        1 => 4,
        2 => 8,
        _ => return None,
    };
    let order = match bytes.get(5)? {
        1 => Order::Little,
        2 => Order::Big,
        _ => return None,
    };
    Some(Executable { bytes, order, pointer, kind: Kind::Elf })
}

/// The sections with their names.
pub(super) fn sections<'a>(file: &Executable<'a>) -> Option<impl Iterator<Item = Part<'a>> + use<'a>> {
    let file = *file;
    let wide = file.pointer == 8;
    let table = file.offset(if wide { 40 } else { 32 })?;
    let header = if wide { 58 } else { 46 };
    let size = usize::from(file.order.u16(file.bytes, header)?);
    let count = usize::from(file.order.u16(file.bytes, header + 2)?);
    let names = usize::from(file.order.u16(file.bytes, header + 4)?);
    let place = move |index: usize| {
        let at = table.checked_add(index.checked_mul(size)?)?;
        let offset = file.offset(at.checked_add(if wide { 24 } else { 16 })?)?;
        let length = file.offset(at.checked_add(if wide { 32 } else { 20 })?)?;
        let address = file.word(at.checked_add(if wide { 16 } else { 12 })?)?;
        Some(Part { name: &[], offset, length, address })
    };
    let names = place(names).and_then(|part| slice(file.bytes, part.offset, part.length))?;
    Some((0..count).filter_map(move |index| {
        let part = place(index)?;
        let at = table.checked_add(index.checked_mul(size)?)?;
        // A name ends with NUL; only so much of it is looked at as tells it from the names that are asked for.
        let start = names.get(file.order.size(file.bytes, at)?..)?;
        Some(Part { name: name(start.get(..NAME_BYTES).unwrap_or(start)), ..part })
    }))
}

/// The loaded segments.
pub(super) fn segments<'a>(file: &Executable<'a>) -> Option<impl Iterator<Item = Part<'a>> + use<'a>> {
    const LOAD: u32 = 1;
    let file = *file;
    let wide = file.pointer == 8;
    let table = file.offset(if wide { 32 } else { 28 })?;
    let header = if wide { 54 } else { 42 };
    let size = usize::from(file.order.u16(file.bytes, header)?);
    let count = usize::from(file.order.u16(file.bytes, header + 2)?);
    Some((0..count).filter_map(move |index| {
        let at = table.checked_add(index.checked_mul(size)?)?;
        if file.order.u32(file.bytes, at)? != LOAD {
            return None;
        }
        let field = |wide_at: usize, narrow_at: usize| at.checked_add(if wide { wide_at } else { narrow_at });
        Some(Part {
            name: &[],
            offset: file.offset(field(8, 4)?)?,
            address: file.word(field(16, 8)?)?,
            length: file.offset(field(32, 16)?)?,
        })
    }))
}
