//! A file that tells whether it is whole: magic, length and digest in front of the value. There is no flush to the disk;
//! a file that a power failure tore is noticed and made again.

use std::{
    fs::{self, File, FileTimes},
    io::{self, Read as _, Write as _},
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::cache::MAX_VALUE;

const MAGIC: [u8; 8] = *b"STRATA1\n";
const HEADER: usize = 8 + 8 + 32;
/// How exact the time of last use is.
const TOUCH_AFTER: Duration = Duration::from_secs(3600);

/// Writes a value under a temporary name in the same directory and renames it. Returns the bytes written.
pub(super) fn write(path: &Path, value: &[u8]) -> io::Result<u64> {
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(parent)?;
    let mut file = tempfile::Builder::new().prefix(super::space::TEMPORARY).tempfile_in(parent)?;
    let length = u64::try_from(value.len()).map_err(io::Error::other)?;
    file.write_all(&MAGIC)?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&Sha256::digest(value))?;
    file.write_all(value)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(length.saturating_add(u64::try_from(HEADER).unwrap_or(0)))
}

/// Whether there is a file of the right length. Its content is checked when it is read.
pub(super) fn exists(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(mut file) => Ok(header(&mut file)?.is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a value and notes its use. A file that is not whole is removed and counts as absent.
pub(super) fn read(path: &Path) -> io::Result<Option<Bytes>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(digest) = header(&mut file)? else { return remove(path) };
    let mut value = Vec::new();
    let limit = u64::try_from(MAX_VALUE).unwrap_or(u64::MAX);
    (&file).take(limit).read_to_end(&mut value)?;
    if <[u8; 32]>::from(Sha256::digest(&value)) != digest {
        return remove(path);
    }
    touch(&file);
    Ok(Some(value.into()))
}

/// The digest, if magic and length are right.
fn header(file: &mut File) -> io::Result<Option<[u8; 32]>> {
    let mut magic = [0; 8];
    let mut length = [0; 8];
    let mut digest = [0; 32];
    for part in [&mut magic[..], &mut length[..], &mut digest[..]] {
        match file.read_exact(part) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let length = u64::from_le_bytes(length);
    let want = length.checked_add(u64::try_from(HEADER).unwrap_or(0));
    let whole = magic == MAGIC
        && length <= u64::try_from(MAX_VALUE).unwrap_or(u64::MAX)
        && want == Some(file.metadata()?.len());
    Ok(whole.then_some(digest))
}

fn remove(path: &Path) -> io::Result<Option<Bytes>> {
    tracing::warn!(path = %path.display(), "removing a damaged cache file");
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(None),
    }
}

/// Best effort: on a file system without times the oldest file goes first.
fn touch(file: &File) {
    let now = SystemTime::now();
    let old = |time: SystemTime| now.duration_since(time).is_ok_and(|age| age > TOUCH_AFTER);
    if file.metadata().and_then(|metadata| metadata.modified()).is_ok_and(old) {
        let _ = file.set_times(FileTimes::new().set_modified(now));
    }
}
