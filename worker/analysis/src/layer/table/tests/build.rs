//! Makes an archive one that can be read in parts, as the tools of both formats do.

use std::io::Write as _;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    layer::{
        LayerError,
        header::{self, BLOCK, Flag, Kind},
        table::Codec,
        tar::{Entry, Tar, Visitor},
    },
    testing::Archive,
};

/// A layer with its table.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) blob: Vec<u8>,
    /// What its annotations say.
    pub(super) position: String,
    pub(super) digest: String,
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// What the walk over an archive sees.
#[derive(Default)]
struct Seen(Vec<(String, String, Kind, usize, bool)>);

impl Visitor for Seen {
    fn entry(&mut self, entry: Entry<'_>) -> Result<bool, LayerError> {
        assert!(entry.sparse.is_none(), "sparse files are not converted");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let size = usize::try_from(entry.size).unwrap();
        self.0.push((text(entry.name), text(entry.link), entry.kind, size, entry.executable));
        Ok(false)
    }

    fn content(&mut self, _: &[u8]) -> Result<(), LayerError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), LayerError> {
        Ok(())
    }
}

pub(super) struct Builder {
    codec: Codec,
    /// Bytes of a piece.
    piece: usize,
    blob: Vec<u8>,
    waiting: Vec<u8>,
    pub(super) rows: Vec<Value>,
}

impl Builder {
    pub(super) fn new(codec: Codec, piece: usize) -> Self {
        Self { codec, piece, blob: Vec::new(), waiting: Vec::new(), rows: Vec::new() }
    }

    /// Ends a compressed piece; where the next one starts.
    fn cut(&mut self) -> usize {
        if !self.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.waiting);
            self.blob.extend(compressed(self.codec, &waiting));
        }
        self.blob.len()
    }

    fn file(&mut self, mut row: Value, name: &str, content: &[u8]) {
        let pieces: Vec<&[u8]> = content.chunks(self.piece).collect();
        row["size"] = json!(content.len());
        row["digest"] = json!(sha256(content));
        let mut rows = vec![row];
        let mut done = 0;
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 {
                rows.push(json!({"name": name, "type": "chunk", "chunkOffset": done}));
            }
            rows[number]["offset"] = json!(self.cut());
            let is_last = number + 1 == pieces.len();
            if self.codec == Codec::Gzip || pieces.len() > 1 {
                rows[number]["chunkDigest"] = json!(sha256(piece));
                rows[number]["chunkSize"] =
                    json!(if is_last && self.codec == Codec::Gzip { 0 } else { piece.len() });
            }
            self.waiting.extend_from_slice(piece);
            done += piece.len();
        }
        if self.codec == Codec::Zstd && !content.is_empty() {
            rows[0]["endOffset"] = json!(self.cut());
        }
        self.rows.append(&mut rows);
    }

    /// The archive, with its rows.
    pub(super) fn archive(&mut self, tar: &[u8]) {
        let mut seen = Seen::default();
        let mut walk = Tar::new();
        walk.push(tar, &mut seen).unwrap();
        walk.finish().unwrap();
        let mut entries = seen.0.into_iter();
        let mut at = 0;
        while let Some(block) = tar.get(at..at + BLOCK).filter(|block| block[0] != 0) {
            let block: &[u8; BLOCK] = block.try_into().unwrap();
            let header = header::read(block).unwrap();
            self.waiting.extend_from_slice(block);
            at += BLOCK;
            if matches!(header.flag, Flag::Pax | Flag::PaxGlobal | Flag::LongName | Flag::LongLink) {
                let end = at + usize::try_from(header.size).unwrap().next_multiple_of(BLOCK);
                self.waiting.extend_from_slice(&tar[at..end]);
                at = end;
                continue;
            }
            let (name, link, kind, size, executable) = entries.next().unwrap();
            let kind_name = match kind {
                Kind::File => "reg",
                Kind::HardLink => "hardlink",
                Kind::SymbolicLink => "symlink",
                Kind::Directory => "dir",
                Kind::Special => "fifo",
            };
            let mode = if executable { 0o755 } else { 0o644 };
            let row = json!({"name": name, "type": kind_name, "linkName": link, "mode": mode});
            if kind != Kind::File {
                self.rows.push(row);
                continue;
            }
            self.file(row, &name, &tar[at..at + size]);
            let end = at + size.next_multiple_of(BLOCK);
            self.waiting.extend_from_slice(&tar[at + size..end]);
            at = end;
        }
        if self.codec == Codec::Zstd {
            self.waiting.extend_from_slice(&tar[at..]);
        }
    }

    /// The blob, with a table over the rows.
    pub(super) fn finish(mut self) -> Made {
        let json = serde_json::to_vec(&json!({"version": 1, "entries": self.rows})).unwrap();
        let at = self.cut();
        if self.codec == Codec::Gzip {
            self.waiting = Archive::default().file("stargz.index.json", &json).end();
            self.cut();
            self.blob.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 26, 0, b'S', b'G', 22, 0]);
            self.blob.extend(format!("{at:016x}STARGZ").bytes());
            self.blob.extend([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
            return Made { blob: self.blob, position: String::new(), digest: sha256(&json) };
        }
        let stored = compressed(Codec::Zstd, &json);
        let mut skippable = |bytes: &[u8]| {
            self.blob.extend([0x50, 0x2a, 0x4d, 0x18]);
            self.blob.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            self.blob.extend_from_slice(bytes);
        };
        skippable(&stored);
        skippable(&[0; 40]);
        let position = format!("{}:{}:{}:1", at + 8, stored.len(), json.len());
        Made { blob: self.blob, position, digest: sha256(&stored) }
    }
}

/// A whole archive.
pub(super) fn convert(codec: Codec, piece: usize, tar: &[u8]) -> Made {
    let mut builder = Builder::new(codec, piece);
    builder.archive(tar);
    builder.finish()
}

pub(super) fn compressed(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    match codec {
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Zstd => zstd::bulk::compress(bytes, 3).unwrap(),
    }
}
