//! Layers that can be read in parts: tables of contents of eStargz (stargz-snapshotter, `docs/estargz.md`) and of
//! zstd:chunked (containers/storage, `pkg/chunked`). Both are ordinary layers, compressed in pieces that each start at a
//! file's content, with a table that says which file is where and which digest each piece has.
//!
//! The chain of trust is: manifest → annotation → digest of the table → digests of the pieces. Nothing of it speaks of the
//! layer's own digest: a table may say something else than the archive. Who uses this must keep the two apart.
//!
//! Whatever a table has that is not expected is an error, and the caller reads the whole layer: nothing is guessed.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use self::json::Row;
use super::{LayerError, header};
use crate::limits::Limits;

mod json;
mod parts;
mod plan;
#[cfg(test)]
mod tests;

pub use parts::index_parts;
pub use plan::{Plan, SMALLEST};

/// Bytes of an eStargz footer: an empty gzip member with one extra field.
pub const FOOTER: u64 = 51;
/// Bytes of a table, and of what it is decompressed from. Real ones have some hundred bytes for each file.
pub const MOST: u64 = 16 << 20;
/// Name of the table in the archive of an eStargz layer.
const NAME: &[u8] = b"stargz.index.json";

/// Why a layer cannot be read in parts.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The table is not the one that the manifest names.
    #[error("the table of contents does not have the digest that the manifest names")]
    Digest,
    /// The table is malformed, or of a kind that is not read.
    #[error("the table of contents {0}")]
    Malformed(String),
    /// The parts are not what the table says.
    #[error("the layer's parts are not as its table says: {0}")]
    Content(String),
    /// The reader failed, or a piece cannot be decompressed.
    #[error("failed to read the layer's parts")]
    Read(#[source] io::Error),
    /// The walk over the entries ended: a limit, or the spool.
    #[error(transparent)]
    Layer(#[from] LayerError),
}

impl TableError {
    fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed(reason.into())
    }
}

/// Where a layer's table is, by the annotation `io.github.containers.zstd-chunked.manifest-position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// eStargz: where the footer says.
    Footer,
    /// zstd:chunked: at this offset of the blob.
    At {
        /// First byte.
        offset: u64,
        /// Bytes as they are stored.
        length: u64,
        /// Bytes once decompressed.
        plain: u64,
    },
}

impl Place {
    /// Reads `offset:length:uncompressed length:type`, where the only type is 1; empty text is eStargz. `None` where it is neither
    /// or does not fit into a blob of `size` bytes.
    #[must_use]
    pub fn parse(position: &str, size: u64) -> Option<Self> {
        if position.is_empty() {
            return (size > FOOTER).then_some(Self::Footer);
        }
        let numbers: Option<Vec<u64>> = position.splitn(5, ':').map(|part| part.parse().ok()).collect();
        let numbers = numbers?;
        let [offset, length, plain, 1] = numbers.as_slice() else { return None };
        let fits = offset.checked_add(*length)? <= size && *length <= MOST && *plain <= MOST;
        fits.then_some(Self::At { offset: *offset, length: *length, plain: *plain })
    }
}

/// Where the table of an eStargz layer starts, by the last [`FOOTER`] bytes of the blob. `None` when these are no footer.
#[must_use]
pub fn footer(bytes: &[u8]) -> Option<u64> {
    let footer = bytes.last_chunk::<51>()?;
    // RFC 1952: magic, deflate, a flag for the extra field; then its 26 bytes with one sub-field `SG` of 22.
    let (head, extra) = footer.split_at_checked(10)?;
    let extra = extra.strip_prefix(&[26, 0, b'S', b'G', 22, 0])?;
    let (digits, rest) = extra.split_at_checked(16)?;
    if !head.starts_with(&[0x1f, 0x8b, 8, 4]) || !rest.starts_with(b"STARGZ") {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// How the pieces are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Gzip,
    Zstd,
}

/// A table whose digest was the expected one, and whose rows agree with each other.
#[derive(Debug)]
pub struct Table {
    codec: Codec,
    rows: Vec<Row>,
    /// Bytes of the table's own entry in the archive of an eStargz layer.
    own: Option<u64>,
}

impl Table {
    /// Opens the table of an eStargz layer: `stored` are the blob's bytes from the table's `offset` on, `digest` is what the
    /// annotation `containerd.io/snapshot/stargz/toc.digest` says of the JSON.
    ///
    /// # Errors
    /// When it is not the table of that digest, or one that is not read.
    pub fn of_estargz(stored: &[u8], offset: u64, digest: &str, limits: &Limits) -> Result<Self, TableError> {
        let mut tar = flate2::bufread::GzDecoder::new(stored);
        let mut block = [0; header::BLOCK];
        tar.read_exact(&mut block).map_err(TableError::Read)?;
        let header = header::read(&block)
            .map_err(|reason| TableError::malformed(format!("has an entry that {reason}")))?;
        if header.name != NAME || header.size > MOST {
            return Err(TableError::malformed("is not where the footer says"));
        }
        let json = take(&mut tar, header.size)?;
        verify(&json, digest)?;
        let rows = json::rows(&json, offset, limits)?;
        Ok(Self { codec: Codec::Gzip, rows, own: Some(header.size) })
    }

    /// Opens the table of a zstd:chunked layer: `stored` are the blob's bytes at `offset`, `plain` of them once decompressed,
    /// `digest` is what the annotation `io.github.containers.zstd-chunked.manifest-checksum` says of `stored`.
    ///
    /// # Errors
    /// As of [`Self::of_estargz`].
    pub fn of_chunked(
        stored: &[u8],
        offset: u64,
        plain: u64,
        digest: &str,
        limits: &Limits,
    ) -> Result<Self, TableError> {
        verify(stored, digest)?;
        if plain > MOST {
            return Err(TableError::malformed("is too large"));
        }
        let mut decoder = zstd::stream::read::Decoder::with_buffer(stored).map_err(TableError::Read)?;
        decoder.window_log_max(27).map_err(TableError::Read)?;
        let json = take(&mut decoder, plain)?;
        let rows = json::rows(&json, offset, limits)?;
        Ok(Self { codec: Codec::Zstd, rows, own: None })
    }
}

/// Exactly so many bytes.
fn take(reader: &mut dyn Read, bytes: u64) -> Result<Vec<u8>, TableError> {
    let mut taken = Vec::new();
    reader.take(bytes).read_to_end(&mut taken).map_err(TableError::Read)?;
    if u64::try_from(taken.len()) == Ok(bytes) { Ok(taken) } else { Err(TableError::malformed("ends early")) }
}

fn verify(bytes: &[u8], digest: &str) -> Result<(), TableError> {
    let found: [u8; 32] = Sha256::digest(bytes).into();
    if json::digest(digest) == Some(found) { Ok(()) } else { Err(TableError::Digest) }
}
