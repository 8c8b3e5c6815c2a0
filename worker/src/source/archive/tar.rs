//! The index of a tar archive: where each member's bytes are. Only headers are read; nothing is ever extracted, and
//! a member's name is a key here and no path (POSIX ustar and pax; GNU long names).

use std::{collections::HashMap, fs::File, io, os::unix::fs::FileExt as _};

const BLOCK: u64 = 512;
/// Members; more are refused.
const MAX_MEMBERS: usize = 200_000;
/// Bytes of one extended header; more are refused.
const MAX_EXTENSION: u64 = 1 << 20;
/// Links that are followed from one member.
const MAX_LINKS: usize = 8;

/// Where a member's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// Offset of the first byte.
    pub(super) offset: u64,
    /// Number of bytes.
    pub(super) size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    File(Range),
    Link(String),
    // The name occurs twice with different content: two readers could see two archives.
    Ambiguous,
    Other,
}

/// What stands where in a tar archive.
#[derive(Debug, Default)]
pub(super) struct TarIndex {
    members: HashMap<String, Member>,
}

/// Why there is no index, or no such member, as the end of a sentence.
#[derive(Debug, thiserror::Error)]
pub(super) enum TarError {
    /// The file could not be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// The bytes are no tar archive.
    #[error("it is no tar archive: {0}")]
    Malformed(String),
    /// The archive ends within a member.
    #[error("it is truncated: {0} ends beyond the end of the file")]
    Truncated(String),
    /// A limit was met.
    #[error("it has too many members or too long headers")]
    Limit,
    /// There is no such member.
    #[error("it has no member {0}")]
    Missing(String),
    /// There is one, but it cannot be used.
    #[error("its member {0} {1}")]
    Unusable(String, &'static str),
}

#[derive(Default)]
struct Pending {
    name: Option<String>,
    link: Option<String>,
    size: Option<u64>,
}

impl TarIndex {
    /// Reads all headers of an archive of `length` bytes.
    ///
    /// # Errors
    /// When it is no tar archive, truncated or beyond a limit.
    pub(super) fn read(file: &File, length: u64) -> Result<Self, TarError> {
        let mut index = Self::default();
        let mut pending = Pending::default();
        let mut at = 0;
        let mut header = [0; 512];
        for count in 0.. {
            if count > MAX_MEMBERS {
                return Err(TarError::Limit);
            }
            if at == length && at > 0 {
                // Some writers leave the end blocks out.
                break;
            }
            if at + BLOCK > length {
                return Err(TarError::Truncated(format!("a header at byte {at}")));
            }
            file.read_exact_at(&mut header, at)?;
            if header.iter().all(|byte| *byte == 0) {
                break;
            }
            let raw = Header::parse(&header, at)?;
            let offset = at + BLOCK;
            let size = match raw.kind {
                b'x' | b'g' | b'L' | b'K' => raw.size,
                _ => pending.size.unwrap_or(raw.size),
            };
            let end = offset.checked_add(size).ok_or(TarError::Limit)?;
            if end > length {
                return Err(TarError::Truncated(raw.name));
            }
            match raw.kind {
                b'x' => pending.extend(&extension(file, offset, size)?)?,
                b'g' => {}
                b'L' => pending.name = Some(long_name(&extension(file, offset, size)?)),
                b'K' => pending.link = Some(long_name(&extension(file, offset, size)?)),
                _ => index.add(raw, std::mem::take(&mut pending), Range { offset, size }),
            }
            at = end.div_ceil(BLOCK) * BLOCK;
            // The last member's padding may be missing.
            at = if end == length { end } else { at };
        }
        Ok(index)
    }

    /// Where a member's bytes are, links followed. Names are compared without `./` in front.
    ///
    /// # Errors
    /// When there is no such member or it is no file.
    pub(super) fn find(&self, name: &str) -> Result<Range, TarError> {
        let mut key = clean(name);
        for _ in 0..MAX_LINKS {
            match self.members.get(&key) {
                Some(Member::File(range)) => return Ok(*range),
                Some(Member::Link(target)) => key.clone_from(target),
                Some(Member::Ambiguous) => {
                    return Err(unusable(name, "is there twice with different content"));
                }
                Some(Member::Other) => return Err(unusable(name, "is no regular file")),
                None => return Err(TarError::Missing(shown(name))),
            }
        }
        Err(unusable(name, "is a link that leads nowhere"))
    }

    /// Whether there is such a member.
    #[must_use]
    pub(super) fn contains(&self, name: &str) -> bool {
        self.members.contains_key(&clean(name))
    }

    fn add(&mut self, raw: Header, pending: Pending, range: Range) {
        let name = clean(&pending.name.unwrap_or(raw.name));
        let link = pending.link.unwrap_or(raw.link);
        let member = match raw.kind {
            b'0' | 0 | b'7' => Member::File(range),
            // A hard link names a member; a symbolic one starts from the directory that it is in.
            b'1' => Member::Link(clean(&link)),
            b'2' => {
                let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
                Member::Link(clean(&format!("{directory}/{link}")))
            }
            b'5' => return,
            _ => Member::Other,
        };
        let is_new = self.members.get(&name).is_none_or(|known| *known == member);
        self.members.insert(name, if is_new { member } else { Member::Ambiguous });
    }
}

fn unusable(name: &str, why: &'static str) -> TarError {
    TarError::Unusable(shown(name), why)
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A name without `.` and `..`, which never lead out.
fn clean(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn extension(file: &File, offset: u64, size: u64) -> Result<Vec<u8>, TarError> {
    let length = usize::try_from(size).ok().filter(|_| size <= MAX_EXTENSION).ok_or(TarError::Limit)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn long_name(bytes: &[u8]) -> String {
    text(bytes)
}

/// Bytes up to the first zero, as text.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}

impl Pending {
    /// Records of a pax header: `length key=value\n`.
    fn extend(&mut self, bytes: &[u8]) -> Result<(), TarError> {
        let malformed = || TarError::Malformed("an extended header is malformed".to_owned());
        let mut rest = bytes;
        while rest.first().is_some_and(|byte| *byte != 0) {
            let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(malformed)?;
            let length = rest.get(..space).and_then(|digits| std::str::from_utf8(digits).ok());
            let length: usize = length.and_then(|digits| digits.parse().ok()).ok_or_else(malformed)?;
            let record = rest.get(space + 1..length).ok_or_else(malformed)?;
            let record = record.strip_suffix(b"\n").ok_or_else(malformed)?;
            let record = String::from_utf8_lossy(record);
            let (key, value) = record.split_once('=').ok_or_else(malformed)?;
            match key {
                "path" => self.name = Some(value.to_owned()),
                "linkpath" => self.link = Some(value.to_owned()),
                "size" => self.size = Some(value.parse().map_err(|_| malformed())?),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }
}

struct Header {
    name: String,
    link: String,
    size: u64,
    kind: u8,
}

impl Header {
    fn parse(block: &[u8; 512], at: u64) -> Result<Self, TarError> {
        let malformed = |what: &str| TarError::Malformed(format!("the header at byte {at} has {what}"));
        let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { u64::from(b' ') } else { u64::from(*byte) })
            .sum();
        if number(field(148, 156)) != Some(sum) {
            return Err(malformed("a wrong checksum"));
        }
        let size = number(field(124, 136)).ok_or_else(|| malformed("no size"))?;
        let mut name = text(field(0, 100));
        let prefix = text(field(345, 500));
        if field(257, 263) == b"ustar\0" && !prefix.is_empty() {
            name = format!("{prefix}/{name}");
        }
        let kind = field(156, 157).first().copied().unwrap_or_default();
        // Links and devices have no content, whatever their size says.
        let size = if matches!(kind, b'1'..=b'6') { 0 } else { size };
        Ok(Self { name, link: text(field(157, 257)), size, kind })
    }
}

/// A number field: octal digits, or the base-256 form of large sizes.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first, rest)) = field.split_first()
        && *first & 0x80 != 0
    {
        // A negative number, or one beyond 64 bits, is none.
        let start = u64::from(*first & 0x7f);
        return rest.iter().try_fold(start, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?;
    let text = text.trim_matches(|c| c == ' ' || c == '\0');
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

#[cfg(test)]
pub(super) mod tests;
