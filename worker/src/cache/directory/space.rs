//! Keeps the directory below its limit: the files that were not used for the longest time go first.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// Start of the names of files that are still being written.
pub(super) const TEMPORARY: &str = ".part-";
/// A temporary file this old was left by a process that died.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// How much the directory holds, as far as this process knows.
pub(super) struct Space {
    limit: u64,
    used: Mutex<Option<u64>>,
}

struct Entry {
    used_at: SystemTime,
    size: u64,
    path: PathBuf,
}

impl Space {
    /// Nothing is measured before the first write.
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit, used: Mutex::new(None) }
    }

    /// Counts a write and makes room if it was one too many. What other processes write is noticed when room is made.
    pub(super) fn wrote(&self, root: &Path, bytes: u64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now_used = used.map(|used| used.saturating_add(bytes));
        if now_used.is_some_and(|used| used <= self.limit) {
            *used = now_used;
            return;
        }
        match make_room(root, self.limit) {
            Ok(left) => *used = Some(left),
            // The value itself is stored; the next write tries again.
            Err(error) => {
                tracing::warn!(%error, root = %root.display(), "cannot measure the cache directory")
            }
        }
    }
}

/// Removes the oldest files until a tenth of the limit is free, if the limit is exceeded. Returns what is left.
fn make_room(root: &Path, limit: u64) -> io::Result<u64> {
    let mut entries = Vec::new();
    for part in ["inventory", "image"] {
        for directory in fs::read_dir(root.join(part))? {
            let directory = directory?;
            if directory.file_type()?.is_dir() {
                collect(&directory.path(), &mut entries)?;
            }
        }
    }
    let mut used = entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
    if used <= limit {
        return Ok(used);
    }
    entries.sort_by_key(|entry| entry.used_at);
    let target = limit.saturating_sub(limit / 10);
    for entry in entries {
        if used <= target {
            break;
        }
        match fs::remove_file(&entry.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        used = used.saturating_sub(entry.size);
    }
    Ok(used)
}

fn collect(directory: &Path, entries: &mut Vec<Entry>) -> io::Result<()> {
    let now = SystemTime::now();
    for file in fs::read_dir(directory)? {
        let file = file?;
        let metadata = match file.metadata() {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => continue,
            // Another process made room at the same time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let used_at = metadata.modified()?;
        if file.file_name().to_string_lossy().starts_with(TEMPORARY) {
            if now.duration_since(used_at).is_ok_and(|age| age > ABANDONED_AFTER) {
                let _ = fs::remove_file(file.path());
            }
            continue;
        }
        entries.push(Entry { used_at, size: metadata.len(), path: file.path() });
    }
    Ok(())
}
