//! One block: its code tables, the numbers that they give, and the way back from the sorted rotations.

use std::io::{self, BufRead};

use super::{bits::Bits, damaged};

/// Symbols that share a choice of table.
const GROUP: usize = 50;
/// The longest code.
const LENGTH: u32 = 20;

/// A Huffman code: for each length its first code, and the symbols in the order of their codes.
struct Table {
    /// First code of the length, and where its symbols begin, and how many.
    lengths: Vec<(u32, usize, usize)>,
    symbols: Vec<usize>,
}

impl Table {
    fn new(lengths: &[u32]) -> Self {
        let mut table = Self { lengths: Vec::new(), symbols: Vec::new() };
        let mut code = 0_u32;
        for length in 1..=LENGTH {
            let start = table.symbols.len();
            let here = lengths.iter().enumerate().filter(|(_, own)| **own == length).map(|(at, _)| at);
            table.symbols.extend(here);
            let count = table.symbols.len() - start;
            table.lengths.push((code, start, count));
            code = code.wrapping_add(u32::try_from(count).unwrap_or(u32::MAX)).wrapping_shl(1);
        }
        table
    }

    fn symbol<R: BufRead>(&self, bits: &mut Bits<R>) -> io::Result<usize> {
        let mut code = 0_u32;
        for (first, start, count) in &self.lengths {
            code = (code << 1) | u32::from(bits.bit()?);
            let offset = code.checked_sub(*first).and_then(|offset| usize::try_from(offset).ok());
            if let Some(offset) = offset.filter(|offset| offset < count) {
                return self.symbols.get(start + offset).copied().ok_or_else(|| damaged("a code"));
            }
        }
        Err(damaged("a code"))
    }
}

/// Reads a block, runs not expanded. Its magic and its checksum have been read.
pub(super) fn read<R: BufRead>(bits: &mut Bits<R>, size: usize) -> io::Result<Vec<u8>> {
    if bits.bit()? {
        return Err(damaged("it is randomised, as no program has done for decades"));
    }
    let origin = usize::try_from(bits.take(24)?).map_err(|_| damaged("its origin"))?;
    let used = used(bits)?;
    let tables = usize::try_from(bits.take(3)?).unwrap_or(0);
    if !(2..=6).contains(&tables) || used.is_empty() {
        return Err(damaged("its tables"));
    }
    let choices = choices(bits, tables)?;
    let mut codes = Vec::with_capacity(tables);
    for _ in 0..tables {
        codes.push(Table::new(&lengths(bits, used.len() + 2)?));
    }
    let last = numbers(bits, used, &choices, &codes, size)?;
    rotate(&last, origin)
}

/// The bytes that occur: a map of sixteen maps.
fn used<R: BufRead>(bits: &mut Bits<R>) -> io::Result<Vec<u8>> {
    let mut used = Vec::new();
    let groups = bits.take(16)?;
    for group in 0..16_u8 {
        if groups >> (15 - group) & 1 == 0 {
            continue;
        }
        let map = bits.take(16)?;
        used.extend((0..16_u8).filter(|at| map >> (15 - at) & 1 == 1).map(|at| group * 16 + at));
    }
    Ok(used)
}

/// Which table each group of symbols uses, moved to front.
fn choices<R: BufRead>(bits: &mut Bits<R>, tables: usize) -> io::Result<Vec<usize>> {
    let count = bits.take(15)?;
    let mut order: Vec<usize> = (0..tables).collect();
    let mut choices = Vec::new();
    for _ in 0..count {
        let mut place = 0;
        while bits.bit()? {
            place += 1;
            if place >= tables {
                return Err(damaged("a choice of table"));
            }
        }
        let table = order.remove(place);
        order.insert(0, table);
        choices.push(table);
    }
    Ok(choices)
}

/// The lengths of one table's codes, each told by its difference.
fn lengths<R: BufRead>(bits: &mut Bits<R>, symbols: usize) -> io::Result<Vec<u32>> {
    let mut length = u32::try_from(bits.take(5)?).unwrap_or(0);
    let mut lengths = Vec::with_capacity(symbols);
    for _ in 0..symbols {
        loop {
            if !(1..=LENGTH).contains(&length) {
                return Err(damaged("the length of a code"));
            }
            if !bits.bit()? {
                break;
            }
            length = if bits.bit()? { length - 1 } else { length + 1 };
        }
        lengths.push(length);
    }
    Ok(lengths)
}

/// The last column of the sorted rotations.
fn numbers<R: BufRead>(
    bits: &mut Bits<R>,
    mut order: Vec<u8>,
    choices: &[usize],
    codes: &[Table],
    size: usize,
) -> io::Result<Vec<u8>> {
    let end = order.len() + 1;
    let mut last: Vec<u8> = Vec::new();
    let (mut run, mut weight) = (0_usize, 1_usize);
    for choice in choices {
        let table = codes.get(*choice).ok_or_else(|| damaged("a choice of table"))?;
        for _ in 0..GROUP {
            let symbol = table.symbol(bits)?;
            if symbol <= 1 {
                // Runs of the front byte, in digits one and two.
                run = run.saturating_add(weight.saturating_mul(symbol + 1));
                weight = weight.saturating_mul(2);
                if run > size {
                    return Err(damaged("a run that is longer than the block"));
                }
                continue;
            }
            if run > 0 {
                let front = *order.first().ok_or_else(|| damaged("no byte"))?;
                last.resize(last.len().saturating_add(run), front);
                (run, weight) = (0, 1);
            }
            if last.len() > size {
                return Err(damaged("it is longer than it may be"));
            }
            if symbol == end {
                return Ok(last);
            }
            // The front byte has no symbol of its own: runs say it.
            if symbol > order.len() {
                return Err(damaged("a byte that does not occur"));
            }
            let byte = order.remove(symbol - 1);
            order.insert(0, byte);
            last.push(byte);
        }
    }
    Err(damaged("its end is missing"))
}

/// The way back: each byte of the last column says where the next one stands.
fn rotate(last: &[u8], origin: usize) -> io::Result<Vec<u8>> {
    if last.is_empty() || origin >= last.len() {
        return Err(damaged("its origin"));
    }
    // A stable sort of the places by their bytes is the first column.
    let mut next: Vec<u32> = (0..u32::try_from(last.len()).map_err(|_| damaged("its length"))?).collect();
    let byte = |place: &u32| usize::try_from(*place).ok().and_then(|place| last.get(place)).copied();
    next.sort_by_key(byte);
    let mut out = Vec::with_capacity(last.len());
    let mut at = origin;
    for _ in 0..last.len() {
        let place = next.get(at).ok_or_else(|| damaged("its order"))?;
        out.push(byte(place).ok_or_else(|| damaged("its order"))?);
        at = usize::try_from(*place).map_err(|_| damaged("its order"))?;
    }
    Ok(out)
}
