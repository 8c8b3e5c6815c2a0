//! Decompression of bzip2, which errata are published in: streams of blocks, each Huffman-coded, moved to front and sorted by
//! its rotations (Burrows and Wheeler). One block of at most 900,000 bytes is in memory at a time; every block's checksum
//! is checked.

mod bits;
mod block;

use std::io::{self, BufRead, Read};

use bits::Bits;

/// `BZh`, then the size of blocks as a digit.
pub(crate) const MAGIC: &[u8] = b"BZh";
/// Before each block: the digits of pi.
const BLOCK: u64 = 0x3141_5926_5359;
/// Behind the last block of a stream: the digits of its root.
const END: u64 = 0x1772_4538_5090;

pub(super) fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the bzip2 data is damaged: {what}"))
}

/// Decompresses what it reads.
pub(crate) struct Decoder<R> {
    bits: Bits<R>,
    /// Bytes of a block; 0 between streams.
    size: usize,
    block: std::vec::IntoIter<u8>,
    /// The last byte, how often it has come in a row, and how often it is still to be repeated.
    last: u8,
    row: u8,
    repeat: u8,
    checksum: u32,
    expected: Option<u32>,
    done: bool,
}

impl<R: BufRead> Decoder<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            bits: Bits::new(input),
            size: 0,
            block: Vec::new().into_iter(),
            last: 0,
            row: 0,
            repeat: 0,
            checksum: u32::MAX,
            expected: None,
            done: false,
        }
    }

    /// The next byte of the current block, runs expanded: four equal bytes are followed by a count of more.
    fn byte(&mut self) -> Option<u8> {
        if let Some(left) = self.repeat.checked_sub(1) {
            self.repeat = left;
            return Some(self.count(self.last));
        }
        let mut byte = self.block.next()?;
        if self.row == 4 {
            self.row = 0;
            if let Some(left) = byte.checked_sub(1) {
                self.repeat = left;
                return Some(self.count(self.last));
            }
            byte = self.block.next()?;
        }
        self.row = if byte == self.last && self.row > 0 { self.row + 1 } else { 1 };
        self.last = byte;
        Some(self.count(byte))
    }

    /// Adds a byte to the block's checksum: CRC-32 with the most significant bit first.
    fn count(&mut self, byte: u8) -> u8 {
        self.checksum ^= u32::from(byte) << 24;
        for _ in 0..8 {
            let out = self.checksum >> 31 == 1;
            self.checksum = (self.checksum << 1) ^ if out { 0x04c1_1db7 } else { 0 };
        }
        byte
    }

    /// Reads the next block; false behind the last stream.
    fn next_block(&mut self) -> io::Result<bool> {
        if self.expected.take().is_some_and(|expected| expected != !self.checksum) {
            return Err(damaged("a block's checksum"));
        }
        loop {
            if self.size == 0 && !self.next_stream()? {
                return Ok(false);
            }
            match self.bits.take(48)? {
                BLOCK => {
                    let sum = self.bits.take(32)?;
                    self.expected = u32::try_from(sum).ok();
                    self.block = block::read(&mut self.bits, self.size)?.into_iter();
                    (self.row, self.repeat, self.checksum) = (0, 0, u32::MAX);
                    return Ok(true);
                }
                END => {
                    self.bits.take(32)?;
                    self.bits.align();
                    self.size = 0;
                }
                _ => return Err(damaged("there is no block where one should be")),
            }
        }
    }

    fn next_stream(&mut self) -> io::Result<bool> {
        if self.bits.is_at_end()? {
            return Ok(false);
        }
        let (magic, digit) = (self.bits.take(24)?, self.bits.take(8)?);
        let level = digit.checked_sub(u64::from(b'0')).filter(|level| (1..=9).contains(level));
        match (magic == 0x42_5a68, level.and_then(|level| usize::try_from(level).ok())) {
            (true, Some(level)) => self.size = level * 100_000,
            _ => return Err(damaged("its beginning")),
        }
        Ok(true)
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut written = 0;
        for place in out.iter_mut() {
            let byte = loop {
                if let Some(byte) = self.byte() {
                    break byte;
                }
                if self.done || !self.next_block()? {
                    self.done = true;
                    return Ok(written);
                }
            };
            *place = byte;
            written += 1;
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::Decoder;

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        Decoder::new(bytes).read_to_end(&mut out).map_err(|error| error.to_string())?;
        Ok(out)
    }

    const RUNS: &[u8] = include_bytes!("../testdata/bzip2/runs.bz2");
    const TWO: &[u8] = include_bytes!("../testdata/bzip2/two-streams.bz2");
    /// Where the second stream begins.
    const FIRST: usize = 44;

    #[test]
    fn what_was_compressed_comes_back() {
        let runs: Vec<u8> = (0..2_000_u32)
            .flat_map(|at| vec![u8::try_from(at % 251).unwrap(); usize::try_from(at % 300).unwrap()])
            .collect();
        assert!(read(RUNS) == Ok(runs), "several blocks with runs of every length");
        assert_eq!(read(TWO).as_deref(), Ok(&b"first\nsecond\n"[..]));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        assert!(read(b"").is_ok_and(|bytes| bytes.is_empty()));
        assert!(read(b"BZh0").is_err() && read(b"BZh9").is_err());
        for length in 1..TWO.len() {
            let whole = length == FIRST;
            assert!(whole || read(&TWO[..length]).is_err(), "cut at {length}");
        }
        for at in 0..TWO.len() {
            for bit in 0..8 {
                let mut changed = TWO.to_vec();
                changed[at] ^= 1 << bit;
                // Only the sum over a whole stream is not looked at.
                let result = read(&changed);
                assert!(result.is_err() || result.as_deref() == Ok(&b"first\nsecond\n"[..]), "{at} {bit}");
            }
        }
    }
}
