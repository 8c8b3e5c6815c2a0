//! Wanted files between the archive and their parsers: in memory within a budget, or spooled.

use std::{io, ops::Range};

use super::{
    parse::{Stored, Wanted},
    spool::{Spool, SpoolFile},
};

/// A batch is due when it has this many bytes, or files.
const BATCH_BYTES: u64 = 512 << 10;
const BATCH_FILES: usize = 1_024;
/// From this size on a file has memory of its own, where the caller lends some.
const LARGE: u64 = 2 << 20;
/// Bytes that a batch's memory has at first. What is never written to takes none.
const ROOM: usize = 3 << 20;
/// Bytes that are taken at once for a file that claims to have them.
const BELIEVED: usize = 4 << 20;

/// Wanted files, with their content.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) files: Vec<Wanted>,
    /// The content of all files that have no memory of their own, one after the other: memory that was written to once is
    /// used again, for the kernel takes as long to give a page as zstd to fill it.
    pub(super) content: Vec<u8>,
    /// Bytes of memory that the files take.
    pub(super) memory: u64,
}

/// The next batch; its last file may still be growing.
#[derive(Default)]
pub(super) struct Pending<'s> {
    batch: Batch,
    spool: Option<&'s dyn Spool>,
    growing: Option<Box<dyn SpoolFile>>,
    /// Memory of batches that are done.
    spare: Vec<Vec<u8>>,
}

impl<'s> Pending<'s> {
    pub(super) fn new(spool: Option<&'s dyn Spool>) -> Self {
        Self { spool, ..Self::default() }
    }

    pub(super) fn has_spool(&self) -> bool {
        self.spool.is_some()
    }

    /// Bytes of memory that its files take.
    pub(super) fn memory(&self) -> u64 {
        self.batch.memory
    }

    /// A file starts that stays in memory.
    pub(super) fn start(&mut self, mut file: Wanted, memory: u64) -> io::Result<()> {
        if memory >= LARGE {
            self.growing = self.spool.map(|spool| spool.memory(file.claimed)).transpose()?;
        }
        if self.growing.is_none() {
            if self.batch.content.capacity() == 0 {
                self.batch.content = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(ROOM));
            }
            let start = self.batch.content.len();
            file.stored = Stored::Within(start..start);
        }
        self.batch.memory = self.batch.memory.saturating_add(memory);
        self.batch.files.push(file);
        Ok(())
    }

    /// A file starts that is spooled.
    pub(super) fn start_spooled(&mut self, file: Wanted) -> io::Result<()> {
        self.growing = self.spool.map(|spool| spool.create()).transpose()?;
        self.batch.files.push(file);
        Ok(())
    }

    /// More of the last file's content.
    pub(super) fn content(&mut self, part: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.growing {
            return file.write_all(part);
        }
        let Batch { files, content, .. } = &mut self.batch;
        let Some(Wanted { stored: Stored::Within(Range { start, end }), claimed, .. }) = files.last_mut()
        else {
            return Ok(());
        };
        // The size is only a claim: beyond some MiB memory is taken as content comes, but no more than was claimed.
        if part.len() > content.capacity() - content.len() {
            let more = part.len().max(content.len()).max(BELIEVED);
            content.reserve_exact(more.min(claimed.saturating_sub(content.len() - *start)));
        }
        content.extend_from_slice(part);
        *end = content.len();
        Ok(())
    }

    /// The last file is complete; true when the batch should be parsed.
    pub(super) fn end(&mut self) -> io::Result<bool> {
        if let Some(file) = self.growing.take()
            && let Some(wanted) = self.batch.files.last_mut()
        {
            wanted.stored = Stored::Apart(file.finish()?);
            return Ok(true);
        }
        Ok(self.batch.memory >= BATCH_BYTES || self.batch.files.len() >= BATCH_FILES)
    }

    /// The batch, and an empty one in its place.
    pub(super) fn take(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    /// Gives the memory of a batch back that is done.
    pub(super) fn reuse(&mut self, mut content: Vec<u8>) {
        if (1..=ROOM).contains(&content.capacity()) {
            content.clear();
            self.spare.push(content);
        }
    }
}
