//! Layers that are made to take much: a file of gigabytes, millions of empty files, a thousand layers. What repeats in them is
//! compressed once and kept once: a gzip file may consist of several members (RFC 1952, 2.2).

use std::io::{self, Write as _};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use strata_proto::digest::Digest;

use super::{
    blob::{Compression, LayerDescriptor},
    compressor::Gzip,
    rope::Rope,
    tar,
};
use crate::random::Random;

/// Bytes of a piece of a large file.
const PIECE: usize = 1 << 20;
/// Empty files in a member.
const FILES: u64 = 2_000;
/// Two blocks of zeros end a tar.
const END: [u8; 1024] = [0; 1024];

/// A layer as a registry stores it, in pieces.
#[derive(Debug, Clone)]
pub struct Giant {
    /// The stored bytes.
    pub rope: Rope,
    /// What manifests say of it.
    pub descriptor: LayerDescriptor,
}

/// A layer that is not whole yet.
#[derive(Clone, Default)]
struct Beginning {
    tar: Sha256,
    stored: Sha256,
    rope: Rope,
}

impl Giant {
    /// So many layers of one file of this size each, half noise and half text, and a small one that makes them differ.
    ///
    /// # Errors
    /// When content cannot be compressed.
    pub fn family(mebibytes: u64, layers: u64) -> io::Result<Vec<Self>> {
        let piece = piece();
        let member = compressed(&piece)?;
        let mut beginning = Beginning::default();
        beginning.add(&tar::file_header("srv/model.bin", mebibytes * PIECE as u64)?)?;
        for _ in 0..mebibytes {
            beginning.push(&piece, member.clone());
        }
        let finish = |number| {
            let mut own = beginning.clone();
            own.add(&tar::file_header(&format!("srv/part-{number}.txt"), 0)?)?;
            own.finish()
        };
        (0..layers).map(finish).collect()
    }

    /// A layer of so many files without content. Names of all kinds: some could hide a directory of a lower layer.
    ///
    /// # Errors
    /// When content cannot be compressed.
    pub fn of_empty_files(files: u64) -> io::Result<Self> {
        let mut beginning = Beginning::default();
        for group in 0..files.div_ceil(FILES) {
            let mut headers = Vec::new();
            for number in group * FILES..files.min((group + 1) * FILES) {
                headers.extend(tar::file_header(&name(number), 0)?);
            }
            beginning.add(&headers)?;
        }
        beginning.finish()
    }
}

impl Beginning {
    /// Part of the tar, which is compressed.
    fn add(&mut self, plain: &[u8]) -> io::Result<()> {
        let member = compressed(plain)?;
        self.push(plain, member);
        Ok(())
    }

    /// Part of the tar, and the member that holds it.
    fn push(&mut self, plain: &[u8], member: Bytes) {
        self.tar.update(plain);
        self.stored.update(&member);
        self.rope.push(member);
    }

    fn finish(mut self) -> io::Result<Giant> {
        self.add(&END)?;
        let descriptor = LayerDescriptor {
            digest: Digest::from_bytes(self.stored.finalize().into()),
            diff_id: Digest::from_bytes(self.tar.finalize().into()),
            size: self.rope.len() as u64,
            compression: Compression::Gzip,
        };
        Ok(Giant { rope: self.rope, descriptor })
    }
}

fn compressed(plain: &[u8]) -> io::Result<Bytes> {
    let mut member = Gzip::new();
    member.write_all(plain)?;
    Ok(member.finish()?.into_boxed_slice().into())
}

fn piece() -> Vec<u8> {
    let mut random = Random::new(0, &[50]);
    let mut piece = Vec::with_capacity(PIECE);
    while piece.len() < PIECE {
        piece.extend_from_slice(&random.next().to_be_bytes());
        piece.extend_from_slice(b"the text");
    }
    piece
}

fn name(number: u64) -> String {
    let directory = number / 1_000;
    match number % 3 {
        0 => format!("srv/data/{directory}/file-{number}.txt"),
        1 => format!("srv/data/{directory}/object{number}"),
        _ => format!("usr/lib/python3/{directory}/module_{number}.py"),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io::Read as _};

    use flate2::read::MultiGzDecoder;

    use super::*;

    /// The tar of a layer, after its digests were compared.
    fn tar_of(giant: &Giant) -> Vec<u8> {
        let stored = giant.rope.joined();
        assert_eq!(
            (giant.descriptor.digest, giant.descriptor.size),
            (Digest::of(&stored), stored.len() as u64)
        );
        let mut tar = Vec::new();
        MultiGzDecoder::new(stored.as_ref()).read_to_end(&mut tar).expect("gzip");
        assert_eq!(giant.descriptor.diff_id, Digest::of(&tar));
        assert!(tar.ends_with(&END) && tar.len().is_multiple_of(512));
        tar
    }

    #[test]
    fn a_family_is_of_one_size_and_of_different_digests() {
        let family = Giant::family(2, 3).expect("made");
        let digests: BTreeSet<Digest> = family.iter().map(|giant| giant.descriptor.digest).collect();
        assert_eq!(digests.len(), 3);
        for giant in &family {
            assert_eq!(tar_of(giant).len(), 2 * PIECE + 2 * 512 + END.len());
        }
    }

    #[test]
    fn empty_files_are_headers() {
        let files = 2 * FILES + 1;
        let tar = tar_of(&Giant::of_empty_files(files).expect("made"));
        assert_eq!(tar.len() as u64, files * 512 + END.len() as u64);
        let names: BTreeSet<&[u8]> = tar.chunks(512).filter_map(|header| header.get(..100)).collect();
        assert_eq!(names.len() as u64, files + 1, "each its own, and the end");
    }
}
