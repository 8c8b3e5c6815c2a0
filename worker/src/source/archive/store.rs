//! An opened archive: members by name, from a tar or a directory.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};

use super::{
    spool,
    tar::{Range, TarError, TarIndex},
};
use crate::{error::JobError, ports::io_error};

const CHUNK: u64 = 256 << 10;

/// Where an archive's members are.
enum Content {
    Tar { file: Arc<File>, index: TarIndex },
    // The members of a layout have fixed names, or names made of checked digests.
    Directory,
}

/// An archive that is open.
pub(super) struct Store {
    path: PathBuf,
    content: Content,
}

/// A part of a file.
pub(super) struct Part {
    file: Arc<File>,
    range: Range,
    what: String,
}

impl Store {
    /// Opens a tar (perhaps compressed) or a directory. Blocks.
    ///
    /// # Errors
    /// When it cannot be read or is malformed.
    pub(super) fn open(path: &Path, spool: &Path, limit: u64) -> Result<Self, JobError> {
        let content = if path.is_dir() {
            Content::Directory
        } else {
            return Self::of(spool::open(path, spool, limit)?, path.to_owned());
        };
        Ok(Self { path: path.to_owned(), content })
    }

    /// A tar that is open already; the name is for messages. Blocks.
    ///
    /// # Errors
    /// When it is malformed.
    pub(super) fn of(file: File, path: PathBuf) -> Result<Self, JobError> {
        let length =
            file.metadata().map_err(|error| io_error(&format!("read {}", path.display()), &error))?.len();
        let index = TarIndex::read(&file, length).map_err(|error| tar_error(&path, error))?;
        Ok(Self { path, content: Content::Tar { file: Arc::new(file), index } })
    }

    /// The archive's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a member of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        match &self.content {
            Content::Tar { index, .. } => index.contains(name),
            Content::Directory => self.path.join(name).is_file(),
        }
    }

    /// A member's bytes, still unread. In a directory the name must be one of ours. Blocks.
    ///
    /// # Errors
    /// When there is no such member or it is no file.
    pub(super) fn part(&self, name: &str) -> Result<Part, JobError> {
        let what = format!("{name} of {}", self.path.display());
        match &self.content {
            Content::Tar { file, index } => {
                let range = index.find(name).map_err(|error| tar_error(&self.path, error))?;
                Ok(Part { file: Arc::clone(file), range, what })
            }
            Content::Directory => {
                let path = self.path.join(name);
                let failed = |error: io::Error| match error.kind() {
                    io::ErrorKind::NotFound => JobError::never(
                        "malformed",
                        format!("failed to read {}: it has no member {name}", self.path.display()),
                    ),
                    _ => io_error(&format!("read {what}"), &error),
                };
                // Asked before it is opened: opening a pipe would wait for its other end.
                let metadata = std::fs::metadata(&path).map_err(failed)?;
                if !metadata.is_file() {
                    return Err(JobError::never(
                        "malformed",
                        format!("failed to read {what}: it is no regular file"),
                    ));
                }
                let file = File::open(&path).map_err(failed)?;
                let range = Range { offset: 0, size: metadata.len() };
                Ok(Part { file: Arc::new(file), range, what })
            }
        }
    }

    /// A small member's bytes. Blocks.
    ///
    /// # Errors
    /// When there is no such member, or it has more bytes than the limit.
    pub(super) fn read(&self, name: &str, limit: usize) -> Result<Bytes, JobError> {
        let part = self.part(name)?;
        let size = usize::try_from(part.range.size).ok().filter(|size| *size <= limit).ok_or_else(|| {
            JobError::never("limit", format!("failed to read {}: it has more than {limit} bytes", part.what))
        })?;
        let mut bytes = vec![0; size];
        part.file
            .read_exact_at(&mut bytes, part.range.offset)
            .map_err(|error| io_error(&format!("read {}", part.what), &error))?;
        Ok(bytes.into())
    }
}

impl Part {
    /// All of a file that has so many bytes.
    pub(super) fn whole(file: Arc<File>, size: u64, what: &str) -> Self {
        Self { file, range: Range { offset: 0, size }, what: what.to_owned() }
    }

    /// Number of bytes.
    pub(super) const fn size(&self) -> u64 {
        self.range.size
    }

    /// The bytes in chunks.
    pub(super) fn stream(self) -> BoxStream<'static, Result<Bytes, JobError>> {
        let end = self.range.offset + self.range.size;
        let Self { file, range, what } = self;
        stream::unfold(Some(range.offset), move |at| {
            let (file, what) = (Arc::clone(&file), what.clone());
            async move {
                let at = at.filter(|at| *at < end)?;
                let length = CHUNK.min(end - at);
                let read = tokio::task::spawn_blocking(move || {
                    let mut chunk = vec![0; usize::try_from(length).unwrap_or_default()];
                    file.read_exact_at(&mut chunk, at).map(|()| chunk)
                });
                let chunk = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
                Some(match chunk {
                    Ok(chunk) => (Ok(Bytes::from(chunk)), Some(at + length)),
                    Err(error) => (Err(io_error(&format!("read {what}"), &error)), None),
                })
            }
        })
        .boxed()
    }
}

fn tar_error(path: &Path, error: TarError) -> JobError {
    let path = path.display();
    match error {
        TarError::Read(error) => io_error(&format!("read {path}"), &error),
        TarError::Limit => JobError::never("limit", format!("failed to read {path}: {error}")),
        error => JobError::never("malformed", format!("failed to read {path}: {error}")),
    }
}
