//! The stored bytes of a layer: which compression they have, and the tar within, a chunk at a time.

use std::{
    cell::{Cell, RefCell},
    io::{self, BufReader, Read},
};

use flate2::bufread::MultiGzDecoder;

use super::LayerError;
use crate::limits::Limits;

/// Bytes that the decompressors read at once.
const READ: usize = 128 << 10;
/// Bytes of a chunk: smaller ones cost speed.
const CHUNK: usize = 256 << 10;
/// Binary logarithm of the largest zstd window: what `zstd` itself accepts without being told to.
const WINDOW_LOG: u32 = 27;
/// Compressed input may begin with this much tar before the ratio counts.
const RATIO_FREE: u64 = 64 << 20;

/// Decompresses the blob to its end and hands out the tar chunk by chunk. Returns the tar's bytes.
pub(super) fn read(
    blob: &mut dyn Read,
    limits: &Limits,
    mut chunk: impl FnMut(&[u8]) -> Result<(), LayerError>,
) -> Result<u64, LayerError> {
    let source = Source { state: State::default(), blob: RefCell::new(blob) };
    let magic = source.magic()?;
    let mut tar = open(&source, &magic)?;
    let mut buffer = vec![0; CHUNK];
    let mut total: u64 = 0;
    loop {
        let read = match tar.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(source.explain(&error)),
        };
        total = total.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        check(total, source.state.read.get(), limits)?;
        chunk(buffer.get(..read).unwrap_or_default())?;
    }
}

fn check(total: u64, compressed: u64, limits: &Limits) -> Result<(), LayerError> {
    if total > limits.layer_bytes {
        return Err(LayerError::Limit(format!("{} bytes uncompressed", limits.layer_bytes)));
    }
    if total > RATIO_FREE.saturating_add(compressed.saturating_mul(limits.ratio)) {
        return Err(LayerError::Limit(format!(
            "{} bytes uncompressed for each compressed one",
            limits.ratio
        )));
    }
    Ok(())
}

/// Chooses by the first bytes, never by a media type: registries hold blobs whose type is wrong.
fn open<'s>(source: &'s Source<'_>, magic: &[u8]) -> Result<Box<dyn Read + 's>, LayerError> {
    let whole = io::Cursor::new(magic.to_vec()).chain(source);
    let unsupported = |name| Err(LayerError::Malformed(format!("{name} compression is not supported")));
    match magic {
        [] => Err(LayerError::Malformed("it has no bytes at all".to_owned())),
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(BufReader::with_capacity(READ, whole)))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            let buffered = BufReader::with_capacity(READ, whole);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered).map_err(LayerError::Read)?;
            decoder.window_log_max(WINDOW_LOG).map_err(LayerError::Read)?;
            Ok(Box::new(decoder))
        }
        [b'B', b'Z', b'h', ..] => unsupported("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => unsupported("xz"),
        _ => Ok(Box::new(whole)),
    }
}

/// The caller's reader, with what must be known once a decompressor has failed: whose fault it was.
struct Source<'b> {
    blob: RefCell<&'b mut dyn Read>,
    state: State,
}

#[derive(Default)]
struct State {
    read: Cell<u64>,
    failure: RefCell<Option<io::Error>>,
}

impl Source<'_> {
    /// The first six bytes, or fewer when there are no more.
    fn magic(&self) -> Result<Vec<u8>, LayerError> {
        let mut magic = Vec::new();
        let mut six = self.take(6);
        match six.read_to_end(&mut magic) {
            Ok(_) => Ok(magic),
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// A failure of the caller's reader, or else of the compressed data.
    fn explain(&self, error: &io::Error) -> LayerError {
        match self.state.failure.take() {
            Some(failure) => LayerError::Read(failure),
            None => LayerError::Malformed(format!("it cannot be decompressed: {error}")),
        }
    }
}

impl Read for &Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.blob.borrow_mut().read(buffer) {
                Ok(read) => {
                    let all = self.state.read.get().saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                    self.state.read.set(all);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let copy = io::Error::new(error.kind(), error.to_string());
                    self.state.failure.replace(Some(error));
                    return Err(copy);
                }
            }
        }
    }
}
