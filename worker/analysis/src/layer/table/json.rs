//! The rows of a table. The JSON is the same for both formats, each with keys of its own.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};

use super::TableError;
use crate::{layer::header::Kind, limits::Limits};

/// Rows of a table, pieces of files included: each costs some hundred bytes of memory.
const MAX_ROWS: usize = 100_000;

/// An entry of the archive.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) executable: bool,
    /// Of the whole content, where the table tells.
    pub(super) digest: Option<[u8; 32]>,
    /// In the order of the content.
    pub(super) pieces: Vec<Piece>,
}

/// A part of a file's content that is compressed by itself.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Where it is in the blob, at most: other things may follow it there.
    pub(super) stored: Range<u64>,
    /// Bytes of the content.
    pub(super) size: u64,
    pub(super) digest: [u8; 32],
}

#[derive(Deserialize)]
struct Raw<'a> {
    version: u32,
    #[serde(borrow, deserialize_with = "entries")]
    entries: Vec<RawRow<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRow<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    link_name: Cow<'a, str>,
    #[serde(default)]
    mode: u64,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    end_offset: u64,
    #[serde(default)]
    inner_offset: u64,
    #[serde(default)]
    chunk_offset: u64,
    #[serde(default)]
    chunk_size: u64,
    #[serde(borrow, default)]
    chunk_digest: Cow<'a, str>,
    #[serde(borrow, default)]
    digest: Cow<'a, str>,
}

/// At most [`MAX_ROWS`] rows: short ones would be a small text and much memory.
fn entries<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RawRow<'a>>, D::Error> {
    struct Rows;

    impl<'de> Visitor<'de> for Rows {
        type Value = Vec<RawRow<'de>>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an array of entries")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
            let mut taken = Vec::new();
            while let Some(row) = rows.next_element()? {
                if taken.len() == MAX_ROWS {
                    return Err(A::Error::custom(format!("more than {MAX_ROWS} entries")));
                }
                taken.push(row);
            }
            Ok(taken)
        }
    }

    deserializer.deserialize_seq(Rows)
}

/// Reads `sha256:` and 64 hexadecimal digits.
pub(super) fn digest(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64)?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.contains('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

/// All entries, in the archive's order. Content ends before `end`, where the table itself is.
pub(super) fn rows(json: &[u8], end: u64, limits: &Limits) -> Result<Vec<Row>, TableError> {
    let raw: Raw<'_> = serde_json::from_slice(json)
        .map_err(|error| TableError::malformed(format!("is no JSON of a table: {error}")))?;
    if raw.version != 1 {
        return Err(TableError::malformed("is of another version"));
    }
    let mut starts: Vec<u64> =
        raw.entries.iter().map(|row| row.offset).filter(|offset| *offset > 0).collect();
    starts.push(end);
    starts.sort_unstable();
    starts.dedup();
    let mut reader = Reader { starts, end, rows: Vec::new(), total: 0, limits };
    let mut entries = raw.entries.iter().peekable();
    while let Some(first) = entries.next() {
        let mut pieces = vec![first];
        while let Some(next) = entries.next_if(|next| next.kind == "chunk") {
            pieces.push(next);
        }
        reader.row(first, &pieces)?;
    }
    Ok(reader.rows)
}

struct Reader<'l> {
    /// Where pieces begin, and where the last one ends.
    starts: Vec<u64>,
    end: u64,
    rows: Vec<Row>,
    total: u64,
    limits: &'l Limits,
}

impl Reader<'_> {
    fn row(&mut self, first: &RawRow<'_>, pieces: &[&RawRow<'_>]) -> Result<(), TableError> {
        let kind = match first.kind.as_ref() {
            "reg" => Kind::File,
            "dir" => Kind::Directory,
            "symlink" => Kind::SymbolicLink,
            "hardlink" => Kind::HardLink,
            "char" | "block" | "fifo" => Kind::Special,
            _ => return Err(bad(first, "is of a kind that is not known")),
        };
        // What was no text in the archive has become something else here.
        if first.name.contains('\u{fffd}') || first.link_name.contains('\u{fffd}') {
            return Err(bad(first, "has a name that is no text"));
        }
        let is_file = kind == Kind::File;
        if !is_file && pieces.len() > 1 {
            return Err(bad(first, "has content and is no file"));
        }
        let size = if is_file { first.size } else { 0 };
        self.total = self.total.saturating_add(size);
        if self.total > self.limits.layer_bytes {
            return Err(bad(first, "makes the layer too large"));
        }
        let whole = digest(&first.digest);
        let pieces = if size == 0 { Vec::new() } else { self.pieces(size, whole, pieces)? };
        self.rows.push(Row {
            name: first.name.clone().into_owned(),
            link: first.link_name.clone().into_owned(),
            kind,
            size,
            executable: first.mode & 0o111 != 0,
            // Where there is one piece of the same digest nothing is left to compare.
            digest: whole.filter(|whole| !matches!(pieces.as_slice(), [only] if only.digest == *whole)),
            pieces,
        });
        Ok(())
    }

    fn pieces(
        &self,
        size: u64,
        whole: Option<[u8; 32]>,
        raw: &[&RawRow<'_>],
    ) -> Result<Vec<Piece>, TableError> {
        let name = raw.first().map(|row| row.name.as_ref()).unwrap_or_default();
        let mut pieces = Vec::with_capacity(raw.len());
        let mut done: u64 = 0;
        for (number, row) in raw.iter().enumerate() {
            let is_last = number + 1 == raw.len();
            if row.name != name || row.chunk_offset != done {
                return Err(bad(row, "has pieces that do not follow each other"));
            }
            if row.inner_offset > 0 {
                return Err(bad(row, "shares a compressed piece with other files, which is not read"));
            }
            let left = size.saturating_sub(done);
            let length = if is_last && row.chunk_size == 0 { left } else { row.chunk_size };
            if length == 0 || length > left {
                return Err(bad(row, "has pieces that do not add up to its size"));
            }
            let own =
                if row.chunk_digest.is_empty() && raw.len() == 1 { whole } else { digest(&row.chunk_digest) };
            let digest = own.ok_or_else(|| bad(row, "has a piece without a digest"))?;
            let next = self.starts.partition_point(|start| *start <= row.offset);
            let next = self.starts.get(next).copied().unwrap_or(0);
            if row.offset == 0 || row.offset >= self.end {
                return Err(bad(row, "is outside of the layer"));
            }
            let told = raw.first().map_or(0, |first| first.end_offset);
            let is_told = is_last && told > row.offset && told < next;
            pieces.push(Piece {
                stored: row.offset..if is_told { told } else { next },
                size: length,
                digest,
            });
            done = done.saturating_add(length);
        }
        if done == size { Ok(pieces) } else { Err(TableError::malformed("has pieces that do not add up")) }
    }
}

fn bad(row: &RawRow<'_>, reason: &str) -> TableError {
    let name: String = row.name.chars().take(100).collect();
    TableError::malformed(format!("has an entry that {reason}: {name}"))
}
