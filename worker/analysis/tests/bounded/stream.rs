//! Archives that are made while they are read: none of them is ever in memory as a whole.

use std::io::{self, Read};

/// Gives the pieces of an iterator one after another, and counts their bytes.
pub(crate) struct Stream<I> {
    pieces: I,
    piece: Vec<u8>,
    at: usize,
    pub(crate) read: u64,
}

impl<I: Iterator<Item = Vec<u8>>> Stream<I> {
    pub(crate) fn new(pieces: I) -> Self {
        Self { pieces, piece: Vec::new(), at: 0, read: 0 }
    }
}

impl<I: Iterator<Item = Vec<u8>>> Read for Stream<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            let Some(next) = self.pieces.next() else { return Ok(0) };
            (self.piece, self.at) = (next, 0);
        }
        let part = buffer.len().min(self.piece.len() - self.at);
        buffer[..part].copy_from_slice(&self.piece[self.at..self.at + part]);
        self.at += part;
        self.read += part as u64;
        Ok(part)
    }
}

/// A header block.
pub(crate) fn header(flag: u8, path: &str, link: &str, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, b"0000644\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(156, &[flag]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    sealed(block)
}

/// The block with its checksum.
pub(crate) fn sealed(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A small file, header and padding included.
pub(crate) fn file(path: &str, content: &[u8]) -> Vec<u8> {
    let mut entry = header(b'0', path, "", content.len() as u64);
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// A file of `size` bytes: `text` again and again, the last one cut.
pub(crate) fn repeated(path: &str, text: &str, size: u64) -> impl Iterator<Item = Vec<u8>> + use<> {
    let many = text.repeat((1 << 20) / text.len() + 1).into_bytes();
    let whole = many.len() as u64;
    let rest = many[..usize::try_from(size % whole).unwrap()].to_vec();
    let padding = size.next_multiple_of(512) - size;
    let pieces = std::iter::repeat_n(many, usize::try_from(size / whole).unwrap());
    std::iter::once(header(b'0', path, "", size))
        .chain(pieces)
        .chain([rest, vec![0; usize::try_from(padding).unwrap()]])
}

/// The end of an archive.
pub(crate) fn end() -> Vec<u8> {
    vec![0; 1_024]
}
