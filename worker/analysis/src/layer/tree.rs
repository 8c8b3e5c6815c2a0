//! A tree of files that is no archive → the inventory of the layer that it would be.
//!
//! Whoever walks the tree names links and files, in the order of an archive; files are read here, at any place and only as far
//! as their rows need them.

use std::io;

use super::{
    LayerError, Spool,
    collect::Collector,
    header::{BLOCK, Kind},
    path::normalise,
    tar::{End, Entry, Visitor as _},
};
use crate::{
    distro,
    ecosystem::{self, Candidate},
    executable::excerpt,
    limits::Limits,
    model::Inventory,
};

/// Bytes that are read of a file at once.
const CHUNK: usize = 256 << 10;
/// Bytes of a name from which on a tar has it in an entry before.
const LONG: usize = 100;

/// A file that can be read at any place.
pub trait Body {
    /// Reads bytes from that offset on, as `pread` does: fewer than asked for, and none only at the file's end.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
}

/// What was read of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// All that is needed of it.
    Whole,
    /// It ended before its size or could not be read to there; what was missing counts as zeros.
    Cut,
}

/// The layer that a tree is, as far as it was walked.
pub struct Tree<'l> {
    collector: Collector<'l>,
    limits: &'l Limits,
    chunk: Vec<u8>,
    bytes: u64,
}

impl<'l> Tree<'l> {
    /// An empty tree, with a place for wanted files that are too large for memory.
    #[must_use]
    pub fn new(limits: &'l Limits, spool: &'l dyn Spool) -> Self {
        let end = u64::try_from(2 * BLOCK).unwrap_or(u64::MAX);
        Self { collector: Collector::new(limits, Some(spool)), limits, chunk: vec![0; CHUNK], bytes: end }
    }

    /// Bytes of the tar that would hold what was named: headers and content, files of which nothing was read included.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A symbolic link.
    ///
    /// # Errors
    /// When the tree exceeds a limit.
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), LayerError> {
        self.count(path, target, 0)?;
        let (kind, executable, sparse) = (Kind::SymbolicLink, true, None);
        let entry = Entry { name: path, link: target, kind, size: 0, stored: 0, executable, sparse };
        self.collector.entry(entry).map(|_| ())
    }

    /// A regular file of that size, which should be one that [`wants`](super::wants) names.
    ///
    /// # Errors
    /// When the tree exceeds a limit, or the spool fails.
    pub fn file(
        &mut self,
        path: &[u8],
        size: u64,
        executable: bool,
        body: &mut dyn Body,
    ) -> Result<Taken, LayerError> {
        self.count(path, &[], size)?;
        let excerpt = excerpted(path, size, executable).then(|| excerpt_of(size, body)).flatten();
        let held = excerpt.as_ref().and_then(|excerpt| u64::try_from(excerpt.len()).ok());
        let (kind, stored) = (Kind::File, held.unwrap_or(size));
        let entry = Entry { name: path, link: &[], kind, size, stored, executable, sparse: None };
        if !self.collector.entry(entry)? {
            return Ok(Taken::Whole);
        }
        let taken = match &excerpt {
            Some(excerpt) => self.collector.content(excerpt).map(|()| Taken::Whole),
            None => self.whole(size, body),
        }?;
        self.collector.end()?;
        Ok(taken)
    }

    /// The tree was walked to its end.
    #[must_use]
    pub fn finish(self) -> Inventory {
        self.collector.finish(End::Marked, self.bytes)
    }

    /// Counts what an entry would take.
    fn count(&mut self, path: &[u8], link: &[u8], size: u64) -> Result<(), LayerError> {
        let block = u64::try_from(BLOCK).unwrap_or(1);
        let blocks = |bytes: u64| bytes.div_ceil(block).saturating_add(1).saturating_mul(block);
        let mut bytes = blocks(size);
        for name in [path, link] {
            if name.len() > LONG {
                bytes = bytes.saturating_add(blocks(u64::try_from(name.len()).unwrap_or(u64::MAX) + 1));
            }
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.layer_bytes {
            return Err(LayerError::Limit(format!("{} bytes", self.limits.layer_bytes)));
        }
        Ok(())
    }

    fn whole(&mut self, size: u64, body: &mut dyn Body) -> Result<Taken, LayerError> {
        let mut at = 0;
        let mut taken = Taken::Whole;
        while at < size {
            let room = usize::try_from(size - at).unwrap_or(usize::MAX).min(self.chunk.len());
            let Some(chunk) = self.chunk.get_mut(..room) else { break };
            let read = match taken {
                Taken::Whole => body.read_at(at, chunk),
                Taken::Cut => Ok(0),
            };
            let count = match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(count @ 1..) => count.min(room),
                _ => {
                    taken = Taken::Cut;
                    chunk.fill(0);
                    room
                }
            };
            self.collector.content(chunk.get(..count).unwrap_or_default())?;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        Ok(taken)
    }
}

/// Whether no row needs more of the file than its excerpt.
fn excerpted(path: &[u8], size: u64, executable: bool) -> bool {
    let Ok(path) = normalise(path) else { return false };
    let name = path.rsplit('/').next().unwrap_or_default();
    ecosystem::reads_excerpt(Candidate { path: &path, name, size, executable }) && !distro::wants(&path, name)
}

fn excerpt_of(size: u64, body: &mut dyn Body) -> Option<Vec<u8>> {
    excerpt(size, &mut |offset, length| {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            let at = u64::try_from(offset.checked_add(filled)?).ok()?;
            match body.read_at(at, room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(count @ 1..) => filled = filled.checked_add(count)?,
                // Reading it whole tells what is wrong.
                _ => return None,
            }
        }
        Some(bytes)
    })
}

#[cfg(test)]
mod tests;
