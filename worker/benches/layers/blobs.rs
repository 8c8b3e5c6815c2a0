//! The layers that are measured: files that are named on the command line, or those of the synthetic registry.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use strata_loadtest::content::{Plan, Store as _, Synthetic};
use strata_proto::digest::Digest;

use crate::worker::Open;

/// Bytes that come at once: a record of TLS, a frame of HTTP/2.
const CHUNK: usize = 16 << 10;

/// A layer as a registry stores it.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) bytes: Bytes,
}

impl Layer {
    pub(crate) fn new(name: String, bytes: Bytes) -> Self {
        Self { name, digest: Digest::of(&bytes).to_string(), bytes }
    }

    /// The bytes as they would come from a connection.
    pub(crate) fn open(&self) -> Open {
        let bytes = self.bytes.clone();
        Arc::new(move || {
            let bytes = bytes.clone();
            let parts = (0..bytes.len()).step_by(CHUNK);
            stream::iter(parts.map(move |at| Ok(bytes.slice(at..bytes.len().min(at + CHUNK))))).boxed()
        })
    }
}

/// What stands on the command line besides cargo's own flags.
pub(crate) fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| argument != "--bench").collect()
}

/// The named files; of a directory all files in it that are compressed layers (an OCI layout's `blobs/sha256`).
pub(crate) fn named(paths: &[String]) -> Vec<Layer> {
    let mut files = Vec::new();
    for path in paths.iter().map(Path::new) {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push(path.to_owned());
        }
    }
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let name: String = path.file_name().unwrap().to_string_lossy().chars().take(12).collect();
        Layer::new(name, fs::read(path).unwrap().into())
    };
    let compressed = |layer: &Layer| {
        layer.bytes.starts_with(&[0x1f, 0x8b]) || layer.bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
    };
    files.iter().map(read).filter(compressed).collect()
}

/// All distinct layers of the synthetic registry's first images.
pub(crate) fn synthetic(images: u32, layer_bytes: u64) -> Vec<Layer> {
    let store = Synthetic::new(Plan::scaled(images, layer_bytes));
    let mut seen = BTreeSet::new();
    let mut layers = Vec::new();
    for repository in store.repositories(None, usize::MAX) {
        for tag in store.tags(&repository, None, usize::MAX).unwrap().unwrap_or_default() {
            let manifest = store.manifest(&repository, &tag).unwrap().unwrap();
            let manifest: serde_json::Value = serde_json::from_slice(&manifest.bytes).unwrap();
            for layer in manifest.get("layers").and_then(|layers| layers.as_array()).into_iter().flatten() {
                let text = layer.get("digest").and_then(|digest| digest.as_str()).unwrap();
                let digest: Digest = text.parse().unwrap();
                if seen.insert(digest) {
                    let bytes = store.blob(&repository, &digest).unwrap().unwrap().joined();
                    layers.push(Layer {
                        name: text.chars().skip(7).take(12).collect(),
                        digest: text.to_owned(),
                        bytes,
                    });
                }
            }
        }
    }
    layers
}
