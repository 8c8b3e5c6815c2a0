//! A tree is the layer that a tar of it would be.

use std::{fs, path::Path};

use super::*;
use crate::{
    layer::{Content, SpoolFile, wants},
    testing::{Archive, indexed},
};

/// Lends no memory: a layer's files stay where they are.
struct NoSpool;

impl Spool for NoSpool {
    fn create(&self) -> io::Result<Box<dyn SpoolFile>> {
        Err(io::Error::other("no room"))
    }

    fn memory(&self, _: usize) -> io::Result<Box<dyn SpoolFile>> {
        Ok(Box::new(Memory(Vec::new())))
    }
}

struct Memory(Vec<u8>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpoolFile for Memory {
    fn finish(self: Box<Self>) -> io::Result<Content> {
        Ok(Box::new(self.0))
    }
}

/// Bytes, a few at a time, and how many were read.
struct Slow<'b>(&'b [u8], usize);

impl Body for Slow<'_> {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len()).min(5_000);
        buffer[..count].copy_from_slice(&rest[..count]);
        self.1 += count;
        Ok(count)
    }
}

/// Every file of the cases, as a tree and as a tar, programs that are larger than any budget for them included.
#[test]
fn a_tree_is_what_its_tar_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ecosystem");
    let (mut open, mut files) = (vec![root.clone()], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let limits = Limits::default();
    let mut tree = Tree::new(&limits, &NoSpool);
    let mut archive = Archive::default();
    for file in &files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap();
        let content = fs::read(file).unwrap();
        let size = u64::try_from(content.len()).unwrap();
        // A plain header has room for no longer path.
        if path.len() > 100 || !wants(path, size, true) {
            continue;
        }
        archive = archive.program(path, &content);
        let mut body = Slow(&content, 0);
        assert_eq!(tree.file(path.as_bytes(), size, true, &mut body).unwrap(), Taken::Whole, "{path}");
    }
    archive = archive.symlink("etc/os-release", "../usr/lib/os-release").symlink("bin/a", "b");
    tree.link(b"etc/os-release", b"../usr/lib/os-release").unwrap();
    tree.link(b"bin/a", b"b").unwrap();
    let (bytes, found) = (tree.bytes(), tree.finish());
    let expected = indexed(&archive.end()).unwrap();
    assert!(expected.files.len() > 100, "{}", expected.files.len());
    assert!(found == expected, "the inventories differ");
    assert_eq!((bytes, found.entries), (expected.bytes, expected.entries));
}

#[test]
fn of_a_program_little_is_read_and_of_a_cut_file_zeros() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ecosystem/go/inline-elf64/root");
    let mut program = fs::read(case.join("usr/local/bin/tool")).unwrap();
    program.resize(4 << 20, 0);
    let limits = Limits::default();
    let mut tree = Tree::new(&limits, &NoSpool);
    let mut body = Slow(&program, 0);
    tree.file(b"usr/bin/tool", 4 << 20, true, &mut body).unwrap();
    assert!(body.1 < 8_000, "{} bytes were read", body.1);
    let manifest = br#"{"name":"a","version":"1"}"#;
    let mut body = Slow(manifest, 0);
    let long = [b"a/".repeat(60).as_slice(), b"package.json"].concat();
    assert_eq!(tree.file(&long, 26, false, &mut body).unwrap(), Taken::Whole);
    assert_eq!(tree.file(b"b/package.json", 30, false, &mut body).unwrap(), Taken::Cut);
    let name = String::from_utf8(long).unwrap();
    let padded = [manifest.as_slice(), &[0; 4]].concat();
    let archive = Archive::default().program("usr/bin/tool", &program).pax(&[("path", &name)]);
    let tar = archive.file("x", manifest).file("b/package.json", padded).end();
    let found = tree.finish();
    // The tar's record of the long name is as long as GNU's.
    assert_eq!(found, indexed(&tar).unwrap());
    assert_eq!(found.bytes, u64::try_from(tar.len()).unwrap());
}

#[test]
fn limits_hold() {
    let limits = Limits { layer_bytes: 4_096, layer_entries: 2, ..Limits::default() };
    let mut tree = Tree::new(&limits, &NoSpool);
    let error = tree.file(b"package.json", 4_096, false, &mut Slow(b"", 0)).unwrap_err();
    assert!(matches!(error, LayerError::Limit(_)), "{error}");
    let mut tree = Tree::new(&limits, &NoSpool);
    tree.link(b"a", b"b").unwrap();
    tree.link(b"b", b"a").unwrap();
    let error = tree.link(b"c", b"a").unwrap_err();
    assert!(error.to_string().contains("2 entries"), "{error}");
    // What claims to be long and is read by no excerpt is spooled, and this spool has no room.
    let limits = Limits { file_bytes: 100, ..Limits::default() };
    let mut tree = Tree::new(&limits, &NoSpool);
    let error = tree.file(b"package.json", 200, false, &mut Slow(b"", 0)).unwrap_err();
    assert!(matches!(error, LayerError::Read(_)), "{error}");
}
