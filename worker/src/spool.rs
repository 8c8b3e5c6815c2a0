//! Places for large wanted files: mapped memory, and for those that are too large for that temporary files without a name,
//! read back as mapped bytes. The analysis core never sees a path.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use memmap2::{Mmap, MmapMut};
use strata_analysis::layer::{Content, Spool, SpoolFile};

use crate::error::JobError;

/// A large page of the processors that we build for.
const LARGE_PAGE: usize = 2 << 20;

/// Spools into unlinked files of a directory: nothing is left behind, however the process ends.
#[derive(Debug, Clone)]
pub struct DirectorySpool {
    directory: PathBuf,
}

impl DirectorySpool {
    /// Into this directory, which exists.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }
}

impl Spool for DirectorySpool {
    fn create(&self) -> io::Result<Box<dyn SpoolFile>> {
        let directory = self.directory.clone();
        let file = tempfile::tempfile_in(&directory).map_err(|error| failed(&directory, &error))?;
        Ok(Box::new(Growing { file, directory }))
    }

    fn memory(&self, bytes: usize) -> io::Result<Box<dyn SpoolFile>> {
        // To give memory in pages of 4 KiB takes the kernel as long as zstd to fill them. Larger ones are had for mappings that
        // are made of them, and may be declined.
        let whole = bytes.max(1).checked_next_multiple_of(LARGE_PAGE).unwrap_or(bytes);
        let map = MmapMut::map_anon(whole).map_err(exhausted)?;
        #[cfg(target_os = "linux")]
        if let Err(error) = map.advise(memmap2::Advice::HugePage) {
            tracing::trace!(%error, "large files are kept in small pages");
        }
        Ok(Box::new(Filling { map, filled: 0, bytes }))
    }
}

/// Memory that is mapped, how much of it has content, and how much may have.
struct Filling {
    map: MmapMut,
    filled: usize,
    bytes: usize,
}

/// Memory that is short now says nothing of the layer.
fn exhausted(error: io::Error) -> io::Error {
    let message = format!("failed to take memory for a large file: {error}");
    io::Error::other(JobError::later("spool", message))
}

impl Write for Filling {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let room = self.map.get_mut(self.filled..self.bytes).unwrap_or_default();
        let written = io::Write::write(&mut &mut *room, buffer)?;
        self.filled += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpoolFile for Filling {
    fn finish(self: Box<Self>) -> io::Result<Content> {
        Ok(self)
    }
}

impl AsRef<[u8]> for Filling {
    fn as_ref(&self) -> &[u8] {
        self.map.get(..self.filled).unwrap_or_default()
    }
}

struct Growing {
    file: File,
    directory: PathBuf,
}

/// A disk that is full now says nothing of the layer: there may be room later, or at another worker.
fn failed(directory: &Path, error: &io::Error) -> io::Error {
    let message = format!("failed to spool a large file into {}: {error}", directory.display());
    io::Error::other(JobError::later("spool", message))
}

impl Write for Growing {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file.write(buffer).map_err(|error| match error.kind() {
            // Asked again by whoever writes.
            io::ErrorKind::Interrupted => error,
            _ => failed(&self.directory, &error),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl SpoolFile for Growing {
    fn finish(self: Box<Self>) -> io::Result<Content> {
        let of = |error: io::Error| failed(&self.directory, &error);
        if self.file.metadata().map_err(of)?.len() == 0 {
            return Ok(Box::new(Vec::new()));
        }
        #[expect(
            unsafe_code,
            reason = "mapping is unsafe because another process may change the file; this one has no name"
        )]
        // SAFETY: the file has no name, and this process writes it no more.
        let map = unsafe { Mmap::map(&self.file) }.map_err(of)?;
        Ok(Box::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_back_and_no_name_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let spool = DirectorySpool::new(directory.path().to_owned());
        for content in [&b""[..], b"one", &[7; 300_000]] {
            let mut file = spool.create().expect("a file");
            file.write_all(content).expect("there is room");
            let back = file.finish().expect("it is mapped");
            assert_eq!((*back).as_ref(), content);
            assert_eq!(std::fs::read_dir(directory.path()).expect("it exists").count(), 0);
        }
        for content in [&b""[..], b"one", &[7; 300_000]] {
            let mut file = spool.memory(content.len()).expect("there is memory");
            file.write_all(content).expect("it holds what was asked for");
            let more = file.write_all(&[0; 2]);
            assert!(more.is_err(), "it holds no more");
            assert!((*file.finish().expect("it is there")).as_ref().starts_with(content));
        }
        let nowhere = DirectorySpool::new(directory.path().join("nowhere"));
        assert!(nowhere.create().err().is_some_and(|error| error.to_string().contains("nowhere")));
    }
}
