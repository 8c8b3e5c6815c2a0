//! A place on disk for wanted files that are too large for memory: temporary files without a name, read back as mapped
//! bytes. The analysis core never sees a path.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use strata_analysis::layer::{Content, Spool, SpoolFile};

use crate::error::JobError;

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
        let nowhere = DirectorySpool::new(directory.path().join("nowhere"));
        assert!(nowhere.create().err().is_some_and(|error| error.to_string().contains("nowhere")));
    }
}
