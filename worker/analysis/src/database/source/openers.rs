//! Files as they are published: plain, or compressed with gzip, bzip2 or zstd, told apart by how they begin.

use std::io::{self, BufRead, BufReader};

use crate::bzip2;

const BUFFER: usize = 64 << 10;

/// The content of a file, decompressed where it is compressed.
///
/// # Errors
/// When its beginning cannot be read.
pub fn open<'a>(mut input: Box<dyn BufRead + 'a>) -> io::Result<Box<dyn BufRead + 'a>> {
    let start = input.fill_buf()?;
    Ok(match start {
        [0x1f, 0x8b, ..] => {
            Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(input)))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            Box::new(BufReader::with_capacity(BUFFER, decoder))
        }
        start if start.starts_with(bzip2::MAGIC) => {
            Box::new(BufReader::with_capacity(BUFFER, bzip2::Decoder::new(input)))
        }
        _ => input,
    })
}
