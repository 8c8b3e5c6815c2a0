//! Mach-O of one architecture, both classes, little-endian.

use super::{Executable, Kind, Part, name, slice};
use crate::bytes::Order::Little;

const SEGMENT: u32 = 0x01;
const SEGMENT_64: u32 = 0x19;

pub(super) fn open(bytes: &[u8]) -> Option<Executable<'_>> {
    let (pointer, commands) = match Little.u32(bytes, 0)? {
        0xfeed_face => (4, 28),
        0xfeed_facf => (8, 32),
        _ => return None,
    };
    let count = Little.size(bytes, 16)?;
    Some(Executable { bytes, order: Little, pointer, kind: Kind::MachO { commands, count } })
}

/// The first section that is wanted.
pub(super) fn find<'a>(
    file: &Executable<'a>,
    commands: usize,
    count: usize,
    wanted: &dyn Fn(&Part<'a>) -> bool,
) -> Option<Part<'a>> {
    let mut at = commands;
    for _ in 0..count {
        let kind = Little.u32(file.bytes, at)?;
        let length = Little.size(file.bytes, at.checked_add(4)?)?;
        let command = slice(file.bytes, at, length)?;
        if matches!(kind, SEGMENT | SEGMENT_64)
            && let Some(part) = sections(command, kind == SEGMENT_64).find(wanted)
        {
            return Some(part);
        }
        // Each command advances, so the loop ends with the file whatever the count says.
        at = at.checked_add(length.max(8))?;
    }
    None
}

fn sections(command: &[u8], wide: bool) -> impl Iterator<Item = Part<'_>> {
    let (header, size) = if wide { (72, 80) } else { (56, 68) };
    let count = Little.size(command, header - 8).unwrap_or(0);
    command.get(header..).unwrap_or_default().chunks_exact(size).take(count).filter_map(move |raw| {
        let (address, length, offset) = if wide {
            (Little.u64(raw, 32)?, usize::try_from(Little.u64(raw, 40)?).ok()?, Little.size(raw, 48)?)
        } else {
            (u64::from(Little.u32(raw, 32)?), Little.size(raw, 36)?, Little.size(raw, 40)?)
        };
        Some(Part { name: name(raw.get(..16)?), offset, length, address })
    })
}
