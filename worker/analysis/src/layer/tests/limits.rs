//! Layers that want too much.

use std::{
    io::{self, Read, Write as _},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{codes, packages, small};
use crate::{
    layer::{Content, LayerError, Spool, SpoolFile, index, index_with, keep},
    limits::Limits,
    testing::{Archive, indexed, put, sealed},
};

#[test]
fn limits_are_kept() {
    let tar = small().end();
    let limit = |limits: Limits| index(&mut &*tar, &limits);
    for limits in
        [Limits { layer_bytes: 1_000, ..Limits::default() }, Limits { layer_entries: 1, ..Limits::default() }]
    {
        assert!(matches!(limit(limits), Err(LayerError::Limit(_))));
    }
    let few_packages = limit(Limits { packages: 1, ..Limits::default() }).unwrap();
    assert_eq!(packages(&few_packages), ["a/package.json a"]);
    assert_eq!(codes(&few_packages), ["limit"]);
    let small_files = limit(Limits { file_bytes: 5, ..Limits::default() }).unwrap();
    assert_eq!((packages(&small_files).len(), codes(&small_files)), (0, vec!["limit", "limit"]));
    // A file that was not read still replaces the one below.
    assert_eq!(small_files.others, ["a/package.json", "b/package.json"]);
    // A budget of one file parses them one by one.
    let budget = limit(Limits { budget_bytes: 1, ..Limits::default() }).unwrap();
    assert_eq!(packages(&budget).len(), 2);
    let short_paths = limit(Limits { path_bytes: 13, ..Limits::default() }).unwrap();
    assert_eq!(codes(&short_paths), ["limit", "limit"]);
}

#[test]
fn a_version_that_fills_pages_is_none() {
    let long = "1".repeat(5_000);
    let content = format!("P:a\nV:{long}\n\nP:b\nV:1\n\n");
    let inventory = indexed(&Archive::default().file("lib/apk/db/installed", content).end()).unwrap();
    assert_eq!(packages(&inventory), ["lib/apk/db/installed b"]);
    assert_eq!(codes(&inventory), ["limit"]);
}

/// A spool in memory, which counts its files.
#[derive(Default)]
pub(super) struct MemorySpool {
    created: AtomicUsize,
    lent: AtomicUsize,
    broken: bool,
}

impl MemorySpool {
    pub(super) fn created(&self) -> usize {
        self.created.load(Ordering::Relaxed)
    }

    /// How often memory was lent.
    pub(super) fn lent(&self) -> usize {
        self.lent.load(Ordering::Relaxed)
    }
}

struct MemoryFile(Vec<u8>, bool);

impl Spool for MemorySpool {
    fn create(&self) -> io::Result<Box<dyn SpoolFile>> {
        self.created.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(MemoryFile(Vec::new(), self.broken)))
    }

    fn memory(&self, bytes: usize) -> io::Result<Box<dyn SpoolFile>> {
        self.lent.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(MemoryFile(Vec::with_capacity(bytes), self.broken)))
    }
}

impl io::Write for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.1 { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { self.0.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpoolFile for MemoryFile {
    fn finish(self: Box<Self>) -> io::Result<Content> {
        Ok(Box::new(self.0))
    }
}

#[test]
fn large_files_go_through_the_spool() {
    let tar = small().end();
    let limits = Limits { file_bytes: 5, ..Limits::default() };
    let spool = MemorySpool::default();
    assert_eq!(index_with(&mut &*tar, &limits, &spool).unwrap(), indexed(&tar).unwrap());
    assert_eq!(spool.created(), 2);
    let too_large = Limits { spool_bytes: 5, ..limits.clone() };
    assert_eq!(codes(&index_with(&mut &*tar, &too_large, &spool).unwrap()), ["limit", "limit"]);
    let broken = MemorySpool { broken: true, ..MemorySpool::default() };
    assert!(matches!(index_with(&mut &*tar, &limits, &broken), Err(LayerError::Read(_))));
}

#[test]
fn a_bomb_is_refused() {
    // 200 MB of zeros behind a header that promises them.
    let mut block = [0; 512];
    put(&mut block, 0, b"zeros");
    put(&mut block, 124, format!("{:011o}\0", 200 << 20).as_bytes());
    put(&mut block, 257, b"ustar\x0000");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&sealed(block)).unwrap();
    for _ in 0..200 {
        encoder.write_all(&[0; 1 << 20]).unwrap();
    }
    let blob = encoder.finish().unwrap();
    let result = index(&mut &*blob, &Limits { ratio: 20, ..Limits::default() });
    assert!(matches!(result, Err(LayerError::Limit(_))), "{result:?}");
}

#[test]
fn a_size_that_is_only_claimed_takes_no_memory() {
    let mut block = [0; 512];
    put(&mut block, 0, b"x/package.json");
    put(&mut block, 124, format!("{:011o}\0", 90 << 20).as_bytes());
    put(&mut block, 257, b"ustar\x0000");
    assert!(matches!(indexed(&sealed(block)), Err(LayerError::Malformed(_))));
}

/// Empty files without end, made as they are read: nothing of them may stay in memory.
struct EmptyFiles {
    left: u64,
    block: Vec<u8>,
    at: usize,
}

impl Read for EmptyFiles {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.left -= 1;
            self.block = if self.left == 0 {
                vec![0; 1_024]
            } else {
                Archive::default()
                    .file(&format!("srv/data/{:04}/file{}", self.left % 7_000, self.left), "")
                    .bytes
            };
            self.at = 0;
        }
        let part = buffer.len().min(self.block.len() - self.at);
        buffer[..part].copy_from_slice(&self.block[self.at..self.at + part]);
        self.at += part;
        Ok(part)
    }
}

fn many_empty_files(count: u64) {
    let inventory =
        index(&mut EmptyFiles { left: count + 1, block: Vec::new(), at: 0 }, &Limits::default()).unwrap();
    assert_eq!(inventory.entries, count);
    assert!(inventory.others.len() <= keep::MAX_KEPT);
    assert!(inventory.files.is_empty() && inventory.problems.is_empty());
}

#[test]
fn memory_does_not_grow_with_entries() {
    many_empty_files(200_000);
}

#[test]
#[ignore = "three million entries: a minute in a debug build"]
fn three_million_empty_files() {
    many_empty_files(3_000_000);
}
