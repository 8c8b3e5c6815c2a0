//! What was read of each input file, kept under the digest of its content: a file that has not changed is not read again. A
//! part that cannot be used (damaged, or of another build of Strata) is as good as none.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use strata_analysis::database::Part;

use super::unreadable;
use crate::exit::Failure;

/// Largest part that is read back.
const MAX_PART: u64 = 2 << 30;

/// A directory of parts.
pub(super) struct Parts {
    directory: PathBuf,
    used: HashSet<String>,
}

impl Parts {
    pub(super) fn open(directory: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(directory).map_err(|error| unwritable(directory, &error))?;
        Ok(Self { directory: directory.to_owned(), used: HashSet::new() })
    }

    /// The name under which a file's part is kept: its content, and what its records are called.
    pub(super) fn key(path: &Path, name: &str) -> Result<String, Failure> {
        let failed = |error: io::Error| unreadable(path, &error.to_string());
        let mut hasher = Sha256::new();
        hasher.update(u64::try_from(name.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(name);
        let mut file = io::BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?);
        loop {
            let bytes = io::BufRead::fill_buf(&mut file).map_err(failed)?;
            if bytes.is_empty() {
                break;
            }
            hasher.update(bytes);
            let read = bytes.len();
            io::BufRead::consume(&mut file, read);
        }
        let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{digest}.part"))
    }

    /// The part of that name, if it can be used.
    pub(super) fn find(&mut self, key: &str) -> Option<Part> {
        let path = self.directory.join(key);
        if fs::metadata(&path).ok()?.len() > MAX_PART {
            return None;
        }
        let part = Part::decode(&fs::read(&path).ok()?)?;
        self.used.insert(key.to_owned());
        Some(part)
    }

    pub(super) fn keep(&mut self, key: &str, part: &Part) -> Result<(), Failure> {
        let path = self.directory.join(key);
        let failed = |error: io::Error| unwritable(&path, &error);
        let mut file = tempfile::NamedTempFile::new_in(&self.directory).map_err(failed)?;
        file.write_all(&part.encode()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        self.used.insert(key.to_owned());
        Ok(())
    }

    /// Removes the parts of files that are no longer among the inputs, or have changed.
    pub(super) fn forget_others(self) -> Result<(), Failure> {
        let failed = |error: io::Error| unwritable(&self.directory, &error);
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".part") && !self.used.contains(&name) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("failed to write {}: {error}", path.display()))
}
