//! The walk over a layer by its table: the same as over its archive, with the content of wanted files only.

use std::{
    io::{self, BufReader, Read},
    ops::Range,
    slice,
};

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};

use super::{Codec, NAME, Plan, Table, TableError, json::Piece};
use crate::{
    layer::{
        collect::Collector,
        header::Kind,
        spool::Spool,
        tar::{End, Entry, Visitor as _},
    },
    limits::Limits,
    model::Inventory,
};

/// Bytes that are decompressed at once.
const CHUNK: usize = 128 << 10;
/// Parts may begin with this much content before the ratio counts.
const RATIO_FREE: u64 = 64 << 20;

/// Reads a layer in parts. `parts` gives the bytes of the plan's ranges, one after the other. Every piece is checked against
/// the table's digest before a parser sees it.
///
/// The inventory is that of the whole layer, but that the uncompressed bytes of the archive are not known: they are 0.
///
/// # Errors
/// When the parts are not as the table says; nothing is kept then, and the whole layer is to be read.
pub fn index_parts(
    table: &Table,
    plan: &Plan,
    parts: &mut dyn Read,
    limits: &Limits,
    spool: Option<&dyn Spool>,
) -> Result<Inventory, TableError> {
    let mut collector = Collector::new(limits, spool);
    let mut parts =
        Parts { reader: parts, left: 0..0, ranges: plan.ranges.iter(), stored: 0, content: 0, limits };
    let mut buffer = vec![0; CHUNK];
    for row in &table.rows {
        let wanted = collector.entry(Entry {
            name: row.name.as_bytes(),
            link: row.link.as_bytes(),
            kind: row.kind,
            size: row.size,
            stored: row.size,
            executable: row.executable,
            sparse: None,
        })?;
        if !wanted {
            continue;
        }
        let mut whole = row.digest.map(|digest| (digest, Sha256::new()));
        for piece in &row.pieces {
            parts.piece(table.codec, piece, &mut buffer, &mut |content| {
                if let Some((_, hasher)) = &mut whole {
                    hasher.update(content);
                }
                Ok(collector.content(content)?)
            })?;
        }
        if let Some((digest, hasher)) = whole
            && digest != <[u8; 32]>::from(hasher.finalize())
        {
            return Err(TableError::Content(format!("{} has another digest", row.name)));
        }
        collector.end()?;
    }
    if let Some(size) = table.own {
        let (kind, link, sparse) = (Kind::File, &b""[..], None);
        collector.entry(Entry { name: NAME, link, kind, size, stored: size, executable: false, sparse })?;
    }
    Ok(collector.finish(End::Marked, 0))
}

/// The bytes of the plan's ranges, by their offsets in the blob.
struct Parts<'a> {
    reader: &'a mut dyn Read,
    /// What is left of the range that is being read.
    left: Range<u64>,
    ranges: slice::Iter<'a, Range<u64>>,
    /// Bytes that were decompressed, and what they came to.
    stored: u64,
    content: u64,
    limits: &'a Limits,
}

impl Parts<'_> {
    /// Hands out a piece's content and then tells whether it was what the table says.
    fn piece(
        &mut self,
        codec: Codec,
        piece: &Piece,
        buffer: &mut [u8],
        out: &mut dyn FnMut(&[u8]) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        self.go_to(&piece.stored)?;
        let length = piece.stored.end.saturating_sub(piece.stored.start);
        self.stored = self.stored.saturating_add(length);
        self.content = self.content.saturating_add(piece.size);
        if self.content > RATIO_FREE.saturating_add(self.stored.saturating_mul(self.limits.ratio)) {
            return Err(TableError::Content("too many bytes for each compressed one".to_owned()));
        }
        let mut stored = (&mut *self.reader).take(length);
        let found = {
            let capacity = usize::try_from(length).unwrap_or(CHUNK).min(CHUNK);
            let buffered = BufReader::with_capacity(capacity, &mut stored);
            match codec {
                Codec::Gzip => hand_out(&mut GzDecoder::new(buffered), piece.size, buffer, out)?,
                Codec::Zstd => {
                    let decoder = zstd::stream::read::Decoder::with_buffer(buffered);
                    let mut decoder = decoder.map_err(TableError::Read)?;
                    decoder.window_log_max(27).map_err(TableError::Read)?;
                    hand_out(&mut decoder, piece.size, buffer, out)?
                }
            }
        };
        if found != piece.digest {
            let at = piece.stored.start;
            return Err(TableError::Content(format!("the piece at {at} has another digest")));
        }
        io::copy(&mut stored, &mut io::sink()).map_err(TableError::Read)?;
        if stored.limit() > 0 {
            return Err(TableError::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left.start = piece.stored.end;
        Ok(())
    }

    /// Passes over what is before the piece.
    fn go_to(&mut self, piece: &Range<u64>) -> Result<(), TableError> {
        loop {
            if self.left.contains(&piece.start) && piece.end <= self.left.end {
                let before = piece.start.saturating_sub(self.left.start);
                return self.skip(before);
            }
            if piece.start < self.left.end {
                return Err(TableError::Content("its files are not in their order".to_owned()));
            }
            self.skip(self.left.end.saturating_sub(self.left.start))?;
            let next = self.ranges.next().cloned();
            self.left =
                next.ok_or_else(|| TableError::Content("more of it is wanted than was planned".to_owned()))?;
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TableError> {
        let skipped = io::copy(&mut (&mut *self.reader).take(bytes), &mut io::sink());
        if skipped.map_err(TableError::Read)? < bytes {
            return Err(TableError::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left.start = self.left.start.saturating_add(bytes);
        Ok(())
    }
}

/// Exactly `size` bytes of content; their digest.
fn hand_out(
    decoder: &mut dyn Read,
    size: u64,
    buffer: &mut [u8],
    out: &mut dyn FnMut(&[u8]) -> Result<(), TableError>,
) -> Result<[u8; 32], TableError> {
    let mut hasher = Sha256::new();
    let mut content = decoder.take(size);
    while content.limit() > 0 {
        let read = match content.read(buffer) {
            Ok(0) => return Err(TableError::Read(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(TableError::Read(error)),
        };
        let part = buffer.get(..read).unwrap_or_default();
        hasher.update(part);
        out(part)?;
    }
    Ok(hasher.finalize().into())
}
