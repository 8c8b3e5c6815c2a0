//! Layers that are too large to be kept: made piece by piece, whenever somebody reads them.
//!
//! A gzip file may have many members (RFC 1952, 2.2): what is repeated in a layer is compressed once.

use std::{io::Write as _, sync::Arc};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use strata_proto::digest::Digest;

use crate::worker::Open;

/// Bytes of a piece of a large file: half noise, half text.
const PIECE: usize = 1 << 20;
/// Empty files in a member.
const FILES: u64 = 2_000;
/// Bytes that come at once from a connection.
const CHUNK: usize = 16 << 10;

/// A layer.
#[derive(Clone, Copy)]
pub(crate) enum Giant {
    /// One file of this size.
    Large { mebibytes: u64, number: u64 },
    /// So many files without content. Names of all kinds: some could hide a directory of a lower layer and are kept.
    Empty { files: u64 },
}

impl Giant {
    pub(crate) const fn entries(&self) -> u64 {
        match self {
            Self::Large { .. } => 1,
            Self::Empty { files } => *files,
        }
    }

    pub(crate) const fn tar_bytes(&self) -> u64 {
        match self {
            Self::Large { mebibytes, .. } => (*mebibytes << 20) + 3 * 512,
            Self::Empty { files } => (*files + 2) * 512,
        }
    }

    pub(crate) fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        self.members().for_each(|member| hasher.update(&member));
        Digest::from_bytes(hasher.finalize().into()).to_string()
    }

    /// The layer as it comes from a connection.
    pub(crate) fn open(&self) -> Open {
        let giant = *self;
        Arc::new(move || {
            let chunks = giant.members().flat_map(|member| {
                (0..member.len())
                    .step_by(CHUNK)
                    .map(move |at| Ok(member.slice(at..member.len().min(at + CHUNK))))
            });
            stream::iter(chunks).boxed()
        })
    }

    fn members(&self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        let end = std::iter::once_with(|| member(&[0; 1_024]));
        match *self {
            Self::Large { mebibytes, number } => {
                let head = header(&format!("srv/model-{number}.bin"), mebibytes << 20);
                let piece = member(&piece());
                let pieces = (0..mebibytes).map(move |_| piece.clone());
                Box::new(std::iter::once_with(move || member(&head)).chain(pieces).chain(end))
            }
            Self::Empty { files } => {
                let groups = (0..files.div_ceil(FILES)).map(move |group| {
                    let names = group * FILES..files.min((group + 1) * FILES);
                    let tar: Vec<u8> = names.flat_map(|number| header(&name(number), 0)).collect();
                    member(&tar)
                });
                Box::new(groups.chain(end))
            }
        }
    }
}

fn name(number: u64) -> String {
    let directory = number / 1_000;
    match number % 3 {
        0 => format!("srv/data/{directory}/file-{number}.txt"),
        1 => format!("srv/data/{directory}/object{number}"),
        _ => format!("usr/lib/python3/{directory}/module_{number}.py"),
    }
}

fn piece() -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut piece = Vec::with_capacity(PIECE);
    while piece.len() < PIECE {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        piece.extend_from_slice(&state.to_be_bytes());
        piece.extend_from_slice(b"the text");
    }
    piece
}

fn member(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

/// A header of POSIX's ustar; sizes beyond eleven octal digits are not needed.
fn header(path: &str, size: u64) -> [u8; 512] {
    let mut block = [0; 512];
    let mut put = |at: usize, text: &str| {
        block.iter_mut().skip(at).zip(text.bytes()).for_each(|(to, from)| *to = from);
    };
    put(0, path);
    put(100, "0000644\0");
    put(124, &if size < 1 << 33 { format!("{size:011o}\0") } else { format!("{size:012o}") });
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()).for_each(|(to, from)| *to = from);
    block
}
