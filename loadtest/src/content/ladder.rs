//! Layers from kilobytes to gigabytes whose digests cost almost nothing: all begin with the first files of one series, whose
//! hashes are kept for each number of files; what is a layer's own follows at its end.
//!
//! A gzip file may consist of several members (RFC 1952, 2.2) and a tar of any entries, so that the series is compressed
//! once, in pieces that all layers share, and a layer of a gigabyte is a list of pointers to them.

use std::{
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use flate2::Crc;
use sha2::{Digest as _, Sha256};
use strata_proto::digest::Digest;

use super::{
    blob::{Compression, LayerDescriptor},
    compressor::Gzip,
    entry::{Filler, FillerKind},
    rope::Rope,
    tar,
};
use crate::random::mix;

/// Bytes of the largest files of the series, and of most of them.
const BLOCK: usize = 1 << 20;
/// Distinct contents of these files.
const BLOCKS: usize = 4;
/// Files below that size: 1 KiB, 1 KiB, 2 KiB, 4 KiB … 512 KiB, a mebibyte in all.
const SMALL: usize = 11;
/// The most files of a layer: two gibibytes.
const MOST: usize = SMALL + 2047;
/// Bytes of a stored block of DEFLATE (RFC 1951, 3.2.4).
const STORED: usize = 0xFFFF;

/// The series.
pub(crate) struct Ladder {
    blocks: Vec<Block>,
    /// After no file, one, two …: as far as somebody asked.
    steps: Mutex<Vec<Step>>,
}

/// A file's content, plain and as a member of a gzip file.
struct Block {
    plain: Bytes,
    member: Bytes,
}

/// What a layer that begins with so many files has so far.
#[derive(Clone, Default)]
struct Step {
    tar: Sha256,
    stored: Sha256,
    bytes: u64,
}

impl Ladder {
    pub(crate) fn new(seed: u64) -> io::Result<Self> {
        let blocks = (0..BLOCKS as u64).map(|number| Block::new(mix(seed, &[30, number])));
        Ok(Self { blocks: blocks.collect::<io::Result<_>>()?, steps: Mutex::new(vec![Step::default()]) })
    }

    /// How many files make about this many bytes.
    pub(crate) fn files(bytes: u64) -> usize {
        let kib = usize::try_from(bytes >> 10).unwrap_or(usize::MAX);
        match kib {
            0 => 0,
            1..1024 => 1 + usize::try_from(kib.ilog2()).unwrap_or(0),
            _ => (SMALL + kib / 1024 - 1).min(MOST),
        }
    }

    /// What manifests say of the layer that begins with so many files and ends with this tar.
    pub(crate) fn describe(&self, files: usize, tail: &[u8]) -> io::Result<LayerDescriptor> {
        let Step { mut tar, mut stored, bytes } = self.step(files)?;
        let member = stored_member(tail);
        tar.update(tail);
        stored.update(&member);
        Ok(LayerDescriptor {
            digest: Digest::from_bytes(stored.finalize().into()),
            diff_id: Digest::from_bytes(tar.finalize().into()),
            size: bytes + member.len() as u64,
            compression: Compression::Gzip,
        })
    }

    /// The same layer's bytes.
    pub(crate) fn rope(&self, files: usize, tail: &[u8]) -> io::Result<Rope> {
        let mut rope = Rope::default();
        for file in 0..files.min(MOST) {
            for piece in self.file(file)?.1 {
                rope.push(piece);
            }
        }
        rope.push(Bytes::from(stored_member(tail)));
        Ok(rope)
    }

    fn step(&self, files: usize) -> io::Result<Step> {
        let files = files.min(MOST);
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        while steps.len() <= files {
            let mut step = steps.last().cloned().unwrap_or_default();
            let (plain, stored) = self.file(steps.len() - 1)?;
            plain.iter().for_each(|piece| step.tar.update(piece));
            for piece in stored {
                step.stored.update(&piece);
                step.bytes += piece.len() as u64;
            }
            steps.push(step);
        }
        Ok(steps.get(files).cloned().unwrap_or_default())
    }

    /// A file of the series: the tar's bytes, and the members that hold them.
    fn file(&self, number: usize) -> io::Result<([Bytes; 2], [Bytes; 2])> {
        let path = format!("usr/share/series/{number:05}.bin");
        let Some(block) = self.blocks.get(number % BLOCKS) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if number >= SMALL {
            let header = tar::file_header(&path, BLOCK as u64)?;
            let member = stored_member(&header);
            return Ok(([header.into(), block.plain.clone()], [member.into(), block.member.clone()]));
        }
        let content = block.plain.slice(..1 << (9 + number.max(1)));
        let header = tar::file_header(&path, content.len() as u64)?;
        let member = compressed_member(&content)?;
        Ok(([header.clone().into(), content], [stored_member(&header).into(), member]))
    }
}

impl Block {
    /// Two thirds text, one third random bytes: compresses to about a half.
    fn new(seed: u64) -> io::Result<Self> {
        let mut plain = Vec::with_capacity(BLOCK);
        for number in 0.. {
            let left = (BLOCK - plain.len()) as u64;
            if left == 0 {
                break;
            }
            let kind = if number % 3 == 2 { FillerKind::Binary } else { FillerKind::Text };
            Filler { seed: mix(seed, &[number]), bytes: left.min(8 << 10), kind }.write(&mut plain)?;
        }
        Ok(Self { member: compressed_member(&plain)?, plain: plain.into() })
    }
}

fn compressed_member(bytes: &[u8]) -> io::Result<Bytes> {
    let mut gzip = Gzip::new();
    gzip.write_all(bytes)?;
    gzip.finish().map(Bytes::from)
}

/// A gzip member of stored blocks (RFC 1952, 2.3; RFC 1951, 3.2.4): what is small is not worth a compressor's tables.
fn stored_member(bytes: &[u8]) -> Vec<u8> {
    const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
    let mut member = Vec::with_capacity(bytes.len() + bytes.len() / STORED * 5 + 32);
    member.extend_from_slice(&HEADER);
    let mut chunks = bytes.chunks(STORED).peekable();
    loop {
        let chunk = chunks.next().unwrap_or_default();
        let last = chunks.peek().is_none();
        let length = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
        member.push(u8::from(last));
        member.extend_from_slice(&length.to_le_bytes());
        member.extend_from_slice(&(!length).to_le_bytes());
        member.extend_from_slice(chunk);
        if last {
            break;
        }
    }
    let mut crc = Crc::new();
    crc.update(bytes);
    member.extend_from_slice(&crc.sum().to_le_bytes());
    member.extend_from_slice(&crc.amount().to_le_bytes());
    member
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).expect("a gzip file");
        plain
    }

    #[test]
    fn stored_members_are_gzip() {
        for length in [0, 1, 511, STORED - 1, STORED, STORED + 1, 3 * STORED] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            assert_eq!(gunzip(&stored_member(&bytes)), bytes, "{length} bytes");
        }
    }

    #[test]
    fn digests_are_those_of_the_bytes() {
        let ladder = Ladder::new(5).expect("a ladder");
        for files in [0, 1, 2, 3, 10, 11, 12, 16] {
            let tail = vec![7_u8; 1536];
            let said = ladder.describe(files, &tail).expect("a description");
            let stored = ladder.rope(files, &tail).expect("bytes").joined();
            let plain = gunzip(&stored);
            assert_eq!(said.digest, Digest::of(&stored), "{files} files");
            assert_eq!(said.diff_id, Digest::of(&plain), "{files} files");
            assert_eq!(said.size, stored.len() as u64);
            assert!(plain.ends_with(&tail) && plain.len().is_multiple_of(512));
        }
        let again = Ladder::new(5).expect("a ladder");
        assert_eq!(again.describe(12, b"x").expect("one"), ladder.describe(12, b"x").expect("the same"));
        assert_ne!(
            again.describe(12, b"x").expect("one").digest,
            ladder.describe(12, b"y").expect("other").digest
        );
    }

    #[test]
    fn sizes() {
        for (bytes, files) in [
            (0, 0),
            (1023, 0),
            (1 << 10, 1),
            (2047, 1),
            (2 << 10, 2),
            (1 << 19, 10),
            (1 << 20, 11),
            (5 << 20, 15),
        ] {
            assert_eq!(Ladder::files(bytes), files, "{bytes}");
        }
        assert_eq!(Ladder::files(u64::MAX), MOST);
        assert_eq!(Ladder::files(2 << 30), MOST);
    }
}
