//! Which scans are whose, where several processes share a cache directory: each process holds a lock on a file of its own that
//! names what it submitted. A file that nobody holds is that of a dead process.
//!
//! ```text
//! running/<process>-<random>    idempotency keys, one on a line; locked for as long as the process lives
//! ```

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// No process submits nearly as much.
const MOST_BYTES: u64 = 1 << 20;

/// This process among those that use the directory.
pub(super) struct Running {
    path: PathBuf,
    file: File,
}

impl Running {
    /// Makes this process known. The lock ends with the process, however it ends.
    pub(super) fn enter(cache_dir: &Path) -> io::Result<Self> {
        let directory = cache_dir.join("running");
        fs::create_dir_all(&directory)?;
        // Under its name only once it is locked: without a lock it would be taken for that of a dead process.
        let prefix = format!(".{}-", std::process::id());
        let (file, hidden) = tempfile::Builder::new().prefix(&prefix).tempfile_in(&directory)?.keep()?;
        file.try_lock().map_err(io::Error::from)?;
        let name = hidden.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let path = directory.join(name.trim_start_matches('.'));
        fs::rename(&hidden, &path)?;
        Ok(Self { path, file })
    }

    /// Names a submission before it is made, and returns its key.
    pub(super) fn name(&self) -> io::Result<String> {
        let own = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let key = format!("{own}-{}", self.file.metadata()?.len());
        (&self.file).write_all(format!("{key}\n").as_bytes())?;
        Ok(key)
    }

    /// The keys of all submissions of this process.
    pub(super) fn keys(&self) -> io::Result<BTreeSet<String>> {
        read(&mut File::open(&self.path)?)
    }

    /// All has ended: nothing needs to be looked after.
    pub(super) fn leave(self) {
        // A file that stays behind is removed by the next process.
        let _ = fs::remove_file(&self.path);
    }

    /// The files of processes that do not live any more. What cannot be read stays.
    pub(super) fn dead(cache_dir: &Path) -> io::Result<Vec<(Self, BTreeSet<String>)>> {
        let mut dead = Vec::new();
        for entry in fs::read_dir(cache_dir.join("running"))? {
            let path = entry?.path();
            let hidden =
                path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'));
            let Ok(mut file) = File::options().read(true).write(true).open(&path) else { continue };
            if hidden || file.try_lock().is_err() {
                continue;
            }
            let keys = read(&mut file)?;
            dead.push((Self { path, file }, keys));
        }
        Ok(dead)
    }
}

fn read(file: &mut File) -> io::Result<BTreeSet<String>> {
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_nobody_holds_are_those_of_dead_processes() {
        let directory = tempfile::tempdir().expect("a directory");
        let (first, second) = (
            Running::enter(directory.path()).expect("entered"),
            Running::enter(directory.path()).expect("entered"),
        );
        let keys = [first.name().expect("named"), first.name().expect("named")];
        assert_ne!(keys[0], keys[1]);
        assert_ne!(second.name().expect("named"), keys[0]);
        assert!(Running::dead(directory.path()).expect("looked").is_empty(), "both live");
        // As the end of a process ends its locks.
        drop(first);
        let mut dead = Running::dead(directory.path()).expect("looked");
        assert_eq!(dead.len(), 1);
        let (file, found) = dead.remove(0);
        assert_eq!(found, keys.into_iter().collect());
        assert!(Running::dead(directory.path()).expect("looked").is_empty(), "another looks after it");
        file.leave();
        second.leave();
        assert!(Running::dead(directory.path()).expect("looked").is_empty());
    }
}
