//! Archives and cases for tests.

use std::path::{Path, PathBuf};

mod fixtures;

use crate::{index, layer::LayerError, limits::Limits, model::Inventory};

/// Writes a tar archive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Archive {
    pub(crate) bytes: Vec<u8>,
}

impl Archive {
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(b'0', path.as_bytes(), "", 0o644, content.as_ref())
    }

    pub(crate) fn program(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(b'0', path.as_bytes(), "", 0o755, content.as_ref())
    }

    pub(crate) fn directory(self, path: &str) -> Self {
        self.entry(b'5', path.as_bytes(), "", 0o755, b"")
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(b'2', path.as_bytes(), target, 0o777, b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(b'1', path.as_bytes(), target, 0o644, b"")
    }

    /// A PAX header for the next entry.
    pub(crate) fn pax(self, pairs: &[(&str, &str)]) -> Self {
        let mut records = String::new();
        for (key, value) in pairs {
            let rest = key.len() + value.len() + 3;
            let length = (rest..).find(|length| rest + length.to_string().len() == *length).unwrap();
            records.push_str(&format!("{length} {key}={value}\n"));
        }
        self.entry(b'x', b"pax", "", 0o644, records.as_bytes())
    }

    /// Any entry, its content padded. Names longer than the field are cut: say them in a header before.
    pub(crate) fn entry(mut self, flag: u8, path: &[u8], link: &str, mode: u32, content: &[u8]) -> Self {
        let mut block = [0; 512];
        put(&mut block, 0, &path[..path.len().min(100)]);
        put(&mut block, 100, format!("{mode:07o}\0").as_bytes());
        put(&mut block, 124, format!("{:011o}\0", content.len()).as_bytes());
        put(&mut block, 157, &link.as_bytes()[..link.len().min(100)]);
        put(&mut block, 257, b"ustar\x0000");
        block[156] = flag;
        self.bytes.extend_from_slice(&sealed(block));
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    /// The archive with its end marker.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1_024, 0);
        self.bytes
    }
}

/// The block with its checksum.
pub(crate) fn sealed(mut block: [u8; 512]) -> [u8; 512] {
    put(&mut block, 148, b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
    block
}

pub(crate) fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Indexes a whole layer with the usual limits.
pub(crate) fn indexed(bytes: &[u8]) -> Result<Inventory, LayerError> {
    index(&mut &*bytes, &Limits::default())
}

/// Names and contents of an archive's files. Only for archives that are trusted: it panics on others.
pub(crate) fn entries(tar: &[u8]) -> Vec<(String, &[u8])> {
    let mut entries = Vec::new();
    let mut at = 0;
    while tar[at] != 0 {
        let text = |start: usize, length: usize| {
            let field = tar[at + start..at + start + length].split(|byte| *byte == 0).next().unwrap();
            String::from_utf8(field.to_vec()).unwrap()
        };
        let size = usize::from_str_radix(text(124, 12).trim(), 8).unwrap();
        entries.push((text(0, 100), &tar[at + 512..at + 512 + size]));
        at += 512 + size.next_multiple_of(512);
    }
    entries
}

/// A file of the shared fixtures, or `None`, said aloud, where they are not there.
pub(crate) fn fixture(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: the shared fixtures have no {path}");
    None
}
