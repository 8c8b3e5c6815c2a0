//! A writer of POSIX ustar archives (IEEE Std 1003.1, pax utility, "ustar Interchange Format"): just what layers need.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use super::entry::{Body, Entry};

const BLOCK: usize = 512;
/// 2024-01-01T00:00:00Z: every file's time of modification.
const MODIFIED: u64 = 1_704_067_200;

/// Writes a whole archive: the entries in their order, the directories above them before them.
///
/// # Errors
/// When a path does not fit into a header, or the writer fails.
pub(crate) fn write(entries: &[Entry], mut writer: impl Write) -> io::Result<()> {
    let mut directories = BTreeSet::new();
    for entry in entries {
        write_parents(&entry.path, &mut directories, &mut writer)?;
        write_entry(entry, &mut writer)?;
    }
    writer.write_all(&[0; 2 * BLOCK])
}

/// The header of a file that others may execute.
pub(crate) fn file_header(path: &str, size: u64) -> io::Result<Vec<u8>> {
    header(&Header { path, mode: 0o755, size, kind: b'0', target: "" })
}

/// The header of a file that nobody executes.
pub(crate) fn data_header(path: &str, size: u64) -> io::Result<Vec<u8>> {
    header(&Header { path, mode: 0o644, size, kind: b'0', target: "" })
}

fn write_parents(path: &str, known: &mut BTreeSet<String>, writer: &mut impl Write) -> io::Result<()> {
    for (at, _) in path.match_indices('/') {
        let Some(parent) = path.get(..=at) else { continue };
        if known.insert(parent.to_owned()) {
            writer.write_all(&header(&Header {
                path: parent,
                mode: 0o755,
                size: 0,
                kind: b'5',
                target: "",
            })?)?;
        }
    }
    Ok(())
}

fn write_entry(entry: &Entry, writer: &mut impl Write) -> io::Result<()> {
    let path = entry.path.as_str();
    let (mode, size, kind, target) = match &entry.body {
        Body::Bytes(bytes) => (0o644, bytes.len() as u64, b'0', ""),
        Body::Filler(filler) => (0o755, filler.bytes, b'0', ""),
        Body::Symlink(target) => (0o777, 0, b'2', target.as_str()),
    };
    writer.write_all(&header(&Header { path, mode, size, kind, target })?)?;
    match &entry.body {
        Body::Bytes(bytes) => writer.write_all(bytes)?,
        Body::Filler(filler) => filler.write(writer)?,
        Body::Symlink(_) => {}
    }
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    let padding = (BLOCK - over) % BLOCK;
    writer.write_all([0; BLOCK].get(..padding).unwrap_or_default())
}

struct Header<'a> {
    path: &'a str,
    mode: u32,
    size: u64,
    kind: u8,
    target: &'a str,
}

fn header(entry: &Header<'_>) -> io::Result<Vec<u8>> {
    let (prefix, name) = split(entry.path)?;
    if entry.target.len() > 100 {
        return Err(io::Error::other(format!("write a link to `{}`: the target is too long", entry.target)));
    }
    let mut block = Vec::with_capacity(BLOCK);
    text(&mut block, name, 100);
    number(&mut block, u64::from(entry.mode), 8);
    number(&mut block, 0, 8);
    number(&mut block, 0, 8);
    number(&mut block, entry.size, 12);
    number(&mut block, MODIFIED, 12);
    // The checksum counts its own field as eight spaces.
    text(&mut block, "        ", 8);
    block.push(entry.kind);
    text(&mut block, entry.target, 100);
    block.extend_from_slice(b"ustar\x0000");
    text(&mut block, "root", 32);
    text(&mut block, "root", 32);
    number(&mut block, 0, 8);
    number(&mut block, 0, 8);
    text(&mut block, prefix, 155);
    block.resize(BLOCK, 0);
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    for (place, byte) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *place = byte;
    }
    Ok(block)
}

/// Long paths go half into the prefix field, split at a slash.
fn split(path: &str) -> io::Result<(&str, &str)> {
    if path.len() <= 100 {
        return Ok(("", path));
    }
    path.match_indices('/')
        .filter_map(|(at, _)| Some((path.get(..at)?, path.get(at + 1..)?)))
        .find(|(prefix, name)| prefix.len() <= 155 && (1..=100).contains(&name.len()))
        .ok_or_else(|| io::Error::other(format!("write `{path}` into an archive: the path is too long")))
}

fn text(block: &mut Vec<u8>, text: &str, width: usize) {
    block.extend_from_slice(text.as_bytes());
    block.extend(std::iter::repeat_n(0, width.saturating_sub(text.len())));
}

/// Octal digits and a NUL; a size of 8 GiB and more in GNU's binary form.
fn number(block: &mut Vec<u8>, value: u64, width: usize) {
    let pad = width - 1;
    let digits = format!("{value:0>pad$o}");
    if digits.len() < width {
        text(block, &digits, width);
    } else {
        block.push(0x80);
        block.extend(std::iter::repeat_n(0, width.saturating_sub(9)));
        block.extend_from_slice(&value.to_be_bytes());
    }
}
