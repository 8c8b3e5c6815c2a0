//! Layers that can be read in parts, as the tools of eStargz (stargz-snapshotter, `docs/estargz.md`) and of zstd:chunked
//! (containers/storage, `pkg/chunked`) write them: each file's content is compressed by itself, and a table says which is where.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::{Compression as Level, write::GzEncoder};
use serde_json::{Value, json};
use strata_proto::digest::Digest;

use super::{
    blob::{Blob, Compression, LayerDescriptor},
    tar,
};

const BLOCK: usize = 512;
const STARGZ_NAME: &str = "stargz.index.json";

/// A layer with a table of contents, and what its manifest says of that.
#[derive(Debug, Clone)]
pub struct Tabled {
    /// The layer.
    pub blob: Blob,
    /// Annotations of its descriptor.
    pub annotations: Vec<(String, String)>,
}

impl Tabled {
    /// A layer of these files: eStargz with gzip, zstd:chunked with zstd. `left_out` is a path that the table does not name, though
    /// the archive has it: such a table lies.
    ///
    /// # Errors
    /// When a path is too long for a tar header, or nothing else compresses in parts.
    pub fn of_files(
        files: &[(&str, &[u8])],
        compression: Compression,
        left_out: Option<&str>,
    ) -> io::Result<Self> {
        let mut writer = Writer { compression, tar: Vec::new(), blob: Vec::new(), waiting: 0 };
        let mut rows = Vec::new();
        for (path, content) in files {
            writer.plain(&tar::data_header(path, content.len() as u64)?);
            let offset = writer.cut()?;
            writer.plain(content);
            let end = writer.cut()?;
            writer.plain(&vec![0; content.len().next_multiple_of(BLOCK) - content.len()]);
            let digest = Digest::of(content).to_string();
            let mut row =
                json!({"name": path, "type": "reg", "mode": 0o644, "size": content.len(), "digest": digest});
            if !content.is_empty() {
                row["offset"] = json!(offset);
                row["endOffset"] = json!(end);
                row["chunkDigest"] = json!(digest);
            }
            if left_out != Some(path) {
                rows.push(row);
            }
        }
        writer.finish(&serde_json::to_vec(&json!({"version": 1, "entries": rows}))?)
    }

    /// The annotations as a manifest has them.
    #[must_use]
    pub fn annotations(&self) -> Value {
        self.annotations.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
    }
}

struct Writer {
    compression: Compression,
    tar: Vec<u8>,
    blob: Vec<u8>,
    /// Bytes of the tar that are in the blob.
    waiting: usize,
}

impl Writer {
    fn plain(&mut self, bytes: &[u8]) {
        self.tar.extend_from_slice(bytes);
    }

    /// Ends a compressed piece; where the next one starts.
    fn cut(&mut self) -> io::Result<usize> {
        let piece = self.tar.get(self.waiting..).unwrap_or_default();
        if !piece.is_empty() {
            let piece = compressed(self.compression, piece)?;
            self.blob.extend(piece);
        }
        self.waiting = self.tar.len();
        Ok(self.blob.len())
    }

    fn finish(mut self, json: &[u8]) -> io::Result<Tabled> {
        let annotations = match self.compression {
            Compression::Gzip => {
                let at = self.cut()?;
                self.plain(&tar::data_header(STARGZ_NAME, json.len() as u64)?);
                self.plain(json);
                self.plain(&vec![0; json.len().next_multiple_of(BLOCK) - json.len() + 2 * BLOCK]);
                self.cut()?;
                // An empty gzip member with an extra field that says where the table is.
                self.blob.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 26, 0, b'S', b'G', 22, 0]);
                self.blob.extend(format!("{at:016x}STARGZ").bytes());
                self.blob.extend([1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
                vec![("containerd.io/snapshot/stargz/toc.digest".to_owned(), Digest::of(json).to_string())]
            }
            _ => {
                self.plain(&[0; 2 * BLOCK]);
                let at = self.cut()?;
                let stored = compressed(self.compression, json)?;
                let skippable = |bytes: &[u8]| {
                    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
                    Ok::<_, io::Error>([&[0x50, 0x2a, 0x4d, 0x18], &length.to_le_bytes()[..], bytes].concat())
                };
                self.blob.extend(skippable(&stored)?);
                self.blob.extend(skippable(&[0; 64])?);
                let key = |name| format!("io.github.containers.zstd-chunked.manifest-{name}");
                let position = format!("{}:{}:{}:1", at + 8, stored.len(), json.len());
                vec![(key("checksum"), Digest::of(&stored).to_string()), (key("position"), position)]
            }
        };
        let descriptor = LayerDescriptor {
            digest: Digest::of(&self.blob),
            diff_id: Digest::of(&self.tar),
            size: self.blob.len() as u64,
            compression: self.compression,
        };
        Ok(Tabled { blob: Blob { bytes: Bytes::from(self.blob), descriptor }, annotations })
    }
}

fn compressed(compression: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match compression {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Compression::Zstd => zstd::bulk::compress(bytes, 1),
        Compression::None => Err(io::Error::other("a layer that is not compressed has no table")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn whoever_reads_the_whole_sees_the_archive() {
        let files: [(&str, &[u8]); 3] = [("a/one", b"1"), ("empty", b""), ("b", &[7; 3_000])];
        for compression in [Compression::Gzip, Compression::Zstd] {
            let made = Tabled::of_files(&files, compression, None).unwrap();
            let bytes = &made.blob.bytes[..];
            let mut tar = Vec::new();
            match compression {
                Compression::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut tar).unwrap(),
                _ => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut tar).unwrap(),
            };
            assert_eq!(Digest::of(&tar), made.blob.descriptor.diff_id, "{compression:?}");
            assert_eq!(Digest::of(bytes), made.blob.descriptor.digest);
            let lying = Tabled::of_files(&files, compression, Some("b")).unwrap();
            assert_ne!(lying.annotations, made.annotations);
        }
        assert!(Tabled::of_files(&files, Compression::None, None).is_err());
    }
}
