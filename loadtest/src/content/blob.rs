//! Entries → a layer's blob with its two digests.

use std::io::{self, Write};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use strata_proto::digest::Digest;

use super::{
    compressor::{Frame, Gzip},
    entry::Entry,
    tar,
};

/// How a layer's tar is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// `…tar+gzip`.
    Gzip,
    /// `…tar+zstd` (OCI image specification 1.1).
    Zstd,
    /// `…tar`.
    None,
}

impl Compression {
    /// The OCI media type of such a layer.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            Self::None => "application/vnd.oci.image.layer.v1.tar",
        }
    }
}

/// A layer as a registry stores it.
#[derive(Debug, Clone)]
pub struct Blob {
    /// The stored bytes.
    pub bytes: Bytes,
    /// What manifests say of it.
    pub descriptor: LayerDescriptor,
}

/// What manifests and configurations say of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerDescriptor {
    /// Digest of the stored bytes.
    pub digest: Digest,
    /// Digest of the tar.
    pub diff_id: Digest,
    /// Stored bytes.
    pub size: u64,
    /// How the tar is stored.
    pub compression: Compression,
}

impl Blob {
    /// A layer of these files, for tests that need an exact one. A path `dir/.wh.name` is a whiteout.
    ///
    /// # Errors
    /// When a path is too long for a tar header.
    pub fn of_files(files: &[(&str, &[u8])], compression: Compression) -> io::Result<Self> {
        let entries: Vec<Entry> = files.iter().map(|(path, bytes)| Entry::file(*path, *bytes)).collect();
        Self::of_entries(&entries, compression)
    }

    pub(crate) fn of_entries(entries: &[Entry], compression: Compression) -> io::Result<Self> {
        let (bytes, diff_id) = match compression {
            Compression::Gzip => {
                let mut tar = Hashing::new(Gzip::new());
                tar::write(entries, &mut tar)?;
                let (encoder, diff_id) = tar.finish();
                (encoder.finish()?, diff_id)
            }
            Compression::Zstd => {
                let mut tar = Hashing::new(Frame::new()?);
                tar::write(entries, &mut tar)?;
                let (encoder, diff_id) = tar.finish();
                (encoder.finish()?, diff_id)
            }
            Compression::None => {
                let mut tar = Hashing::new(Vec::new());
                tar::write(entries, &mut tar)?;
                tar.finish()
            }
        };
        let size = bytes.len() as u64;
        let descriptor = LayerDescriptor { digest: Digest::of(&bytes), diff_id, size, compression };
        // What the vector holds in reserve would be kept with it.
        Ok(Self { bytes: Bytes::from(bytes.into_boxed_slice()), descriptor })
    }
}

/// Hashes what passes.
struct Hashing<W> {
    inner: W,
    hasher: Sha256,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    fn finish(self) -> (W, Digest) {
        (self.inner, Digest::from_bytes(self.hasher.finalize().into()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hasher.update(buffer.get(..written).unwrap_or(buffer));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
