//! What a layer is made of before it becomes an archive.

use std::io::{self, Write};

use crate::random::Random;

/// A package as a report must name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageFact {
    /// Name as the package's own metadata spells it.
    pub name: String,
    /// Whole version.
    pub version: String,
}

/// What a package file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Name of the ecosystem as reports spell it: `dpkg`, `apk`, `npm`, `python`.
    pub(crate) ecosystem: &'static str,
    pub(crate) packages: Vec<PackageFact>,
}

/// One file, link or whiteout of a layer.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Without a leading slash.
    pub(crate) path: String,
    pub(crate) body: Body,
    /// Set for the files that a scanner must read.
    pub(crate) facts: Option<Facts>,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Bytes(Vec<u8>),
    Filler(Filler),
    Symlink(String),
}

impl Entry {
    pub(crate) fn file(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), body: Body::Bytes(bytes.into()), facts: None }
    }

    pub(crate) fn symlink(path: impl Into<String>, target: impl Into<String>) -> Self {
        Self { path: path.into(), body: Body::Symlink(target.into()), facts: None }
    }

    pub(crate) fn filler(path: impl Into<String>, filler: Filler) -> Self {
        Self { path: path.into(), body: Body::Filler(filler), facts: None }
    }

    /// The marker that deletes a path from the layers below (OCI image specification, layer, whiteouts).
    pub(crate) fn whiteout(path: &str) -> Self {
        match path.rsplit_once('/') {
            Some((parent, name)) => Self::file(format!("{parent}/.wh.{name}"), ""),
            None => Self::file(format!(".wh.{path}"), ""),
        }
    }

    /// The marker that hides all that a directory holds in the layers below.
    pub(crate) fn opaque(directory: &str) -> Self {
        Self::file(format!("{directory}/.wh..wh..opq"), "")
    }

    pub(crate) fn saying(mut self, ecosystem: &'static str, packages: Vec<PackageFact>) -> Self {
        self.facts = Some(Facts { ecosystem, packages });
        self
    }
}

/// A file that no scanner wants: its size and how well it compresses are all that matters.
#[derive(Debug, Clone)]
pub(crate) struct Filler {
    pub(crate) seed: u64,
    pub(crate) bytes: u64,
    pub(crate) kind: FillerKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FillerKind {
    /// Words: compresses to about a third.
    Text,
    /// Random bytes: does not compress.
    Binary,
}

const WORDS: [&str; 64] = [
    "the", "value", "return", "image", "layer", "static", "index", "config", "handler", "import", "const",
    "async", "module", "export", "function", "request", "response", "server", "client", "socket", "buffer",
    "length", "error", "result", "option", "string", "number", "object", "array", "while", "break", "switch",
    "default", "public", "class", "package", "version", "license", "author", "release", "update", "remove",
    "insert", "select", "where", "order", "group", "table", "column", "schema", "stream", "reader", "writer",
    "thread", "worker", "queue", "event", "signal", "timer", "clock", "digest", "header", "footer", "border",
];

impl Filler {
    pub(crate) fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut random = Random::new(self.seed, &[self.bytes]);
        let mut left = self.bytes;
        let mut chunk = Vec::with_capacity(8 << 10);
        while left > 0 {
            chunk.clear();
            match self.kind {
                FillerKind::Text => words(&mut random, &mut chunk),
                FillerKind::Binary => {
                    chunk.resize(8 << 10, 0);
                    random.fill(&mut chunk);
                }
            }
            let take = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            writer.write_all(chunk.get(..take).unwrap_or(&chunk))?;
            left = left.saturating_sub(take as u64);
        }
        Ok(())
    }
}

/// About 4 KiB of lines of ten words.
fn words(random: &mut Random, chunk: &mut Vec<u8>) {
    for _ in 0..64 {
        let mut bits = random.next();
        for _ in 0..10 {
            let index = usize::try_from(bits & 63).unwrap_or(0);
            chunk.extend_from_slice(WORDS.get(index).copied().unwrap_or("the").as_bytes());
            chunk.push(b' ');
            bits >>= 6;
        }
        chunk.push(b'\n');
    }
}
