//! One 512-byte header block of a tar archive: V7, ustar (POSIX.1-1988), star and GNU.
//!
//! Where the formats leave room, this reads what Go's `archive/tar` reads, because that is what container runtimes
//! unpack with: a scanner must not see another file system than the runtime.

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file with content.
    File,
    /// Another name for an earlier entry.
    HardLink,
    /// A symbolic link.
    SymbolicLink,
    /// A directory.
    Directory,
    /// A device or a pipe.
    Special,
}

/// What the block's type flag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// An entry of the file system.
    Entry(Kind),
    /// `\0`, the oldest flag: a file, or a directory when its name ends in a slash.
    OldFile,
    /// A GNU sparse file.
    Sparse,
    /// PAX records for the next entry.
    Pax,
    /// PAX records for all entries.
    PaxGlobal,
    /// GNU: the next entry's name.
    LongName,
    /// GNU: the next entry's link target.
    LongLink,
}

/// A header's fields, borrowed from its block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header<'a> {
    pub(super) flag: Flag,
    pub(super) name: &'a [u8],
    pub(super) prefix: &'a [u8],
    pub(super) link: &'a [u8],
    pub(super) size: u64,
    pub(super) executable: bool,
}

/// Whether all bytes are zero.
pub(super) fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.first() == Some(&0) && block.iter().all(|byte| *byte == 0)
}

/// Reads a block that is not zero. The error is a sentence's end: `has a wrong checksum`.
pub(super) fn read(block: &[u8; BLOCK]) -> Result<Header<'_>, &'static str> {
    verify_checksum(block)?;
    let mode = number(field(block, 100, 8)).unwrap_or(0);
    let flag = flag(block.get(156).copied().unwrap_or(0));
    Ok(Header {
        flag,
        name: text(field(block, 0, 100)),
        prefix: prefix(block),
        link: text(field(block, 157, 100)),
        size: number(field(block, 124, 12)).ok_or("has a size that is no number")?,
        executable: mode & 0o111 != 0,
    })
}

/// `length` bytes from `start` on; nothing when the block is shorter.
pub(super) fn field(block: &[u8], start: usize, length: usize) -> &[u8] {
    block.get(start..start.saturating_add(length)).unwrap_or_default()
}

/// A number: octal digits between blanks and zero bytes, or big-endian base 256 when the first bit is set.
/// `None` when it is neither, is negative or does not fit.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        if first & 0x40 != 0 {
            return None;
        }
        return rest.iter().try_fold(u64::from(first & 0x3f), |value, byte| {
            if value >> 56 == 0 { Some(value << 8 | u64::from(*byte)) } else { None }
        });
    }
    let start = field.iter().position(|byte| !matches!(byte, 0 | b' ')).unwrap_or(field.len());
    let digits = text(field.get(start..).unwrap_or_default()).trim_ascii_end();
    digits.iter().try_fold(0_u64, |value, byte| match byte {
        b'0'..=b'7' if value >> 61 == 0 => Some(value << 3 | u64::from(byte - b'0')),
        _ => None,
    })
}

/// Bytes up to the first zero byte.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn flag(byte: u8) -> Flag {
    match byte {
        0 => Flag::OldFile,
        b'1' => Flag::Entry(Kind::HardLink),
        b'2' => Flag::Entry(Kind::SymbolicLink),
        b'3' | b'4' | b'6' => Flag::Entry(Kind::Special),
        b'5' => Flag::Entry(Kind::Directory),
        b'S' => Flag::Sparse,
        b'x' => Flag::Pax,
        b'g' => Flag::PaxGlobal,
        b'L' => Flag::LongName,
        b'K' => Flag::LongLink,
        // POSIX: an unknown flag is a regular file.
        _ => Flag::Entry(Kind::File),
    }
}

/// Only ustar and star have a prefix; GNU keeps other things in its place.
fn prefix(block: &[u8; BLOCK]) -> &[u8] {
    if field(block, 257, 6) != b"ustar\0" {
        return &[];
    }
    let star = field(block, 508, 4) == b"tar\0";
    text(field(block, 345, if star { 131 } else { 155 }))
}

/// The sum of all bytes with the checksum's own taken as blanks. Old archives summed signed bytes.
fn verify_checksum(block: &[u8; BLOCK]) -> Result<(), &'static str> {
    let stored = number(field(block, 148, 8)).ok_or("has a checksum that is no number")?;
    let blanks = 8 * u64::from(b' ');
    // In 32 bits, which compilers add up many at a time.
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    if u64::from(sum(block) - sum(field(block, 148, 8))) + blanks == stored {
        return Ok(());
    }
    let signed = |bytes: &[u8]| bytes.iter().map(|byte| i64::from(byte.cast_signed())).sum::<i64>();
    let total = signed(block) - signed(field(block, 148, 8)) + blanks.cast_signed();
    if i64::try_from(stored) == Ok(total) { Ok(()) } else { Err("has a wrong checksum") }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b" 12 \0\0\0\0", Some(0o12)),
            (b"\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"12x", None),
            (b"8", None),
            (b"\x80\0\0\0\0\0\0\0\0\0\x10\0", Some(4096)),
            (b"\xff\xff\xff\xff", None),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"7777777777777777777777777", None),
        ] {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }
}
