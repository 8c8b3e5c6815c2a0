//! Compressors that are used again. Each has some hundred kilobytes of tables: where a new one is made for each of many small
//! layers, and what it made stays for a while, the holes between what stays come to gigabytes.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use flate2::{Crc, write::DeflateEncoder};
use zstd::stream::{
    raw::{self, Operation as _},
    zio,
};

type Deflate = DeflateEncoder<Vec<u8>>;
type Zstd = raw::Encoder<'static>;

/// A gzip member's header without a name or a time, made by the fastest level (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 4, 0xFF];
const ZSTD_LEVEL: i32 = 1;

static DEFLATE: Mutex<Vec<Deflate>> = Mutex::new(Vec::new());
static ZSTD: Mutex<Vec<Zstd>> = Mutex::new(Vec::new());

/// Writes a gzip member at the fastest level.
pub(crate) struct Gzip {
    encoder: Deflate,
    crc: Crc,
}

impl Gzip {
    pub(crate) fn new() -> Self {
        let new = || DeflateEncoder::new(HEADER.to_vec(), flate2::Compression::fast());
        Self { encoder: take(&DEFLATE).unwrap_or_else(new), crc: Crc::new() }
    }

    /// The member.
    pub(crate) fn finish(mut self) -> io::Result<Vec<u8>> {
        let mut member = self.encoder.reset(HEADER.to_vec())?;
        give(&DEFLATE, self.encoder);
        member.extend_from_slice(&self.crc.sum().to_le_bytes());
        member.extend_from_slice(&self.crc.amount().to_le_bytes());
        Ok(member)
    }
}

impl Write for Gzip {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.encoder.write(buffer)?;
        self.crc.update(buffer.get(..written).unwrap_or(buffer));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

/// Writes a zstd frame at the fastest ordinary level.
pub(crate) struct Frame(zio::Writer<Vec<u8>, Zstd>);

impl Frame {
    pub(crate) fn new() -> io::Result<Self> {
        let encoder = match take(&ZSTD) {
            Some(encoder) => encoder,
            None => raw::Encoder::new(ZSTD_LEVEL)?,
        };
        Ok(Self(zio::Writer::new(Vec::new(), encoder)))
    }

    /// The frame.
    pub(crate) fn finish(mut self) -> io::Result<Vec<u8>> {
        self.0.finish()?;
        let (frame, mut encoder) = self.0.into_inner();
        encoder.reinit()?;
        give(&ZSTD, encoder);
        Ok(frame)
    }
}

impl Write for Frame {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn take<T>(pool: &Mutex<Vec<T>>) -> Option<T> {
    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
    pool.pop()
}

/// As many are kept as were ever used at once.
fn give<T>(pool: &Mutex<Vec<T>>, compressor: T) {
    pool.lock().unwrap_or_else(PoisonError::into_inner).push(compressor);
}

#[cfg(test)]
mod tests {
    use flate2::write::GzEncoder;

    use super::*;

    /// What was written before leaves nothing behind.
    #[test]
    fn used_again_it_writes_what_a_new_one_writes() {
        let texts = [&b""[..], b"a", &[7; 100_000], b"abcabcabc", &HEADER.repeat(9_000)];
        for text in texts.iter().chain(&texts) {
            let mut gzip = Gzip::new();
            gzip.write_all(text).expect("written");
            let mut new = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            new.write_all(text).expect("written");
            assert_eq!(gzip.finish().expect("a member"), new.finish().expect("a member"), "{}", text.len());

            let mut frame = Frame::new().expect("a frame");
            frame.write_all(text).expect("written");
            let mut new = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).expect("an encoder");
            new.write_all(text).expect("written");
            assert_eq!(frame.finish().expect("a frame"), new.finish().expect("a frame"), "{}", text.len());
        }
    }
}
