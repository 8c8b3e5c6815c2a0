//! Archives as files that can be read anywhere: compressed ones are decompressed into a file without a name, within
//! a bound.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek as _, Write as _},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use crate::{error::JobError, ports::io_error};

/// Bytes that one compressed byte may become, beyond the first 64 MiB.
const MAX_RATIO: u64 = 1_100;
const FREE_BYTES: u64 = 64 << 20;
const CHUNK: usize = 256 << 10;

/// Opens an archive for reading at any offset: the file itself, or what it decompresses to.
///
/// # Errors
/// When it cannot be read, is no regular file, is malformed or becomes too large.
pub(super) fn open(path: &Path, spool: &Path, limit: u64) -> Result<File, JobError> {
    let shown = path.display();
    let failed = |error: io::Error| io_error(&format!("read {shown}"), &error);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(JobError::never("unreadable", format!("failed to read {shown}: it is no regular file")));
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut magic = [0; 4];
    let count = file.read(&mut magic).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let start = magic.get(..count).unwrap_or_default();
    let mut decoder: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, file)))
    } else if start == [0x28, 0xb5, 0x2f, 0xfd] {
        Box::new(zstd::Decoder::new(BufReader::with_capacity(CHUNK, file)).map_err(failed)?)
    } else {
        return Ok(file);
    };
    let by_ratio = FREE_BYTES.saturating_add(metadata.len().saturating_mul(MAX_RATIO));
    let limit = limit.min(by_ratio);
    let mut target = tempfile::tempfile_in(spool)
        .map_err(|error| io_error(&format!("make room for {shown} in {}", spool.display()), &error))?;
    copy(&mut decoder, &mut target, limit, path)?;
    Ok(target)
}

fn copy(from: &mut dyn Read, to: &mut File, limit: u64, path: &Path) -> Result<(), JobError> {
    let shown = path.display();
    let mut chunk = vec![0; CHUNK];
    let mut total: u64 = 0;
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(JobError::never(
                    "malformed",
                    format!("failed to read {shown}: it does not decompress: {error}"),
                ));
            }
        };
        total = total.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if total > limit {
            return Err(JobError::never(
                "limit",
                format!("failed to read {shown}: it decompresses to more than {limit} bytes"),
            ));
        }
        to.write_all(chunk.get(..count).unwrap_or_default())
            .map_err(|error| io_error(&format!("decompress {shown}"), &error))?;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn compressed_files_are_read_within_a_bound() {
        let directory = tempfile::tempdir().unwrap();
        let content = vec![7_u8; 1 << 20];
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&content).unwrap();
        let gzip = gzip.finish().unwrap();
        let zstd = zstd::encode_all(&content[..], 1).unwrap();
        let open = |bytes: &[u8], limit| {
            let path = directory.path().join("a");
            std::fs::write(&path, bytes).unwrap();
            open(&path, directory.path(), limit)
        };
        for bytes in [&gzip, &zstd, &content] {
            let file = open(bytes, 2 << 20).unwrap();
            assert_eq!(file.metadata().unwrap().len(), 1 << 20);
            let mut last = [0];
            file.read_exact_at(&mut last, (1 << 20) - 1).unwrap();
            assert_eq!(last, [7]);
        }
        for bytes in [&gzip, &zstd] {
            assert_eq!(open(bytes, 1 << 19).unwrap_err().code, "limit");
            assert_eq!(open(&bytes[..bytes.len() / 2], 2 << 20).unwrap_err().code, "malformed");
        }
        // Nothing but the input is left in the spool.
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().join("missing"), directory.path().to_owned()] {
            let error = open(&path, directory.path(), 1).unwrap_err();
            assert_eq!((error.code, error.later), ("unreadable", false));
            assert!(error.message.contains(&path.display().to_string()), "{}", error.message);
        }
    }
}
