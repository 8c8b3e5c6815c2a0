//! Wanted files between the archive and their parsers: in memory within a budget, or spooled.

use std::io;

use super::{
    parse::{Stored, Wanted},
    spool::{Spool, SpoolFile},
};

/// A batch is due when it has this many bytes, or files.
const BATCH_BYTES: u64 = 8 << 20;
const BATCH_FILES: usize = 1_024;
/// Bytes that are taken at once for a file that claims to have them.
const BELIEVED: usize = 4 << 20;

/// The files of the next batch; the last one may still be growing.
#[derive(Default)]
pub(super) struct Pending<'s> {
    files: Vec<Wanted>,
    bytes: u64,
    spool: Option<&'s dyn Spool>,
    growing: Option<Box<dyn SpoolFile>>,
}

impl<'s> Pending<'s> {
    pub(super) fn new(spool: Option<&'s dyn Spool>) -> Self {
        Self { spool, ..Self::default() }
    }

    pub(super) fn has_spool(&self) -> bool {
        self.spool.is_some()
    }

    /// Whether so many further bytes would exceed the budget.
    pub(super) fn is_full(&self, memory: u64, budget: u64) -> bool {
        !self.files.is_empty() && self.bytes.saturating_add(memory) > budget
    }

    /// A file starts that stays in memory.
    pub(super) fn start(&mut self, file: Wanted, memory: u64) {
        self.bytes = self.bytes.saturating_add(memory);
        self.files.push(file);
    }

    /// A file starts that is spooled.
    pub(super) fn start_spooled(&mut self, file: Wanted) -> io::Result<()> {
        self.growing = self.spool.map(|spool| spool.create()).transpose()?;
        self.files.push(file);
        Ok(())
    }

    /// More of the last file's content.
    pub(super) fn content(&mut self, part: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.growing {
            return file.write_all(part);
        }
        let Some(Wanted { stored: Stored::Memory(stored), claimed, .. }) = self.files.last_mut() else {
            return Ok(());
        };
        // The size is only a claim: beyond some MiB memory is taken as content comes, but no more than was claimed.
        if part.len() > stored.capacity() - stored.len() {
            let more = part.len().max(stored.len()).max(BELIEVED);
            stored.reserve_exact(more.min(claimed.saturating_sub(stored.len())));
        }
        stored.extend_from_slice(part);
        Ok(())
    }

    /// The last file is complete; true when the batch should be parsed.
    pub(super) fn end(&mut self) -> io::Result<bool> {
        let Some(file) = self.growing.take() else {
            return Ok(self.bytes >= BATCH_BYTES || self.files.len() >= BATCH_FILES);
        };
        if let Some(wanted) = self.files.last_mut() {
            wanted.stored = Stored::Spooled(file.finish()?);
        }
        Ok(true)
    }

    /// The batch, and an empty one in its place.
    pub(super) fn take(&mut self) -> Vec<Wanted> {
        self.bytes = 0;
        std::mem::take(&mut self.files)
    }
}
