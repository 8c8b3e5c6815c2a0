//! Images that are no archives but become one layer, or an archive, here: root file systems (`dir:`), bills of materials
//! (`sbom:`), and images of a container engine (`docker-daemon:`). Each is prepared once and kept while the process lives.

use std::{
    collections::HashMap,
    fs::File,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};
use strata_analysis::{bill, limits::Limits};
use strata_proto::{
    digest::Digest,
    v1::{ImageFacts, Platform},
};
use tokio::sync::OnceCell;

use super::{
    ArchiveConfig, blocking, directory, docker, engine,
    name::{ArchiveName, Kind, Selector},
    store::{Part, Store},
};
use crate::{
    compute,
    error::JobError,
    ports::{Blob, Made, io_error},
    source::{
        facts::{self, LayerEntry},
        platform,
    },
};

/// Media type of the layer that a directory would be.
const DIRECTORY: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image that was prepared.
pub(super) enum Prepared {
    /// One layer.
    Layer {
        /// Its bytes.
        file: Arc<File>,
        size: u64,
        digest: Digest,
        media_type: &'static str,
    },
    /// One layer that was analysed when it was found.
    Tree(directory::Indexed),
    /// A docker-archive.
    Archive(Arc<Store>),
}

/// What was prepared, by reference.
#[derive(Default)]
pub(super) struct Shelf(Mutex<HashMap<String, Arc<OnceCell<Arc<Prepared>>>>>);

impl Shelf {
    /// Prepares an image, or gives what it was prepared to be.
    pub(super) async fn get(
        &self,
        name: &ArchiveName,
        config: &ArchiveConfig,
    ) -> Result<Arc<Prepared>, JobError> {
        let text = format!("{}{}", name.kind.scheme(), name.path.display());
        let cell = {
            let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shelf.entry(text).or_default())
        };
        let prepared = cell.get_or_try_init(|| prepare(name, config)).await?;
        Ok(Arc::clone(prepared))
    }
}

async fn prepare(name: &ArchiveName, config: &ArchiveConfig) -> Result<Arc<Prepared>, JobError> {
    let (path, spool, limit) = (name.path.clone(), config.spool.clone(), config.spool_bytes);
    let prepared = match name.kind {
        Kind::Directory => {
            let limits = config.limits.clone();
            let work = move || {
                let bounds = directory::Bounds { spool: &spool, bytes: limit, limits: &limits };
                directory::index(&path, &bounds).map(Prepared::Tree)
            };
            compute::block(&name.path.display().to_string(), work).await??
        }
        Kind::Bill => blocking(move || document(&path)).await?,
        _ => {
            let image = path.display().to_string();
            let file = engine::export(&image, config).await?;
            let store = blocking(move || Store::of(file, name_of(&image))).await?;
            Prepared::Archive(Arc::new(store))
        }
    };
    Ok(Arc::new(prepared))
}

fn name_of(image: &str) -> std::path::PathBuf {
    Path::new(&format!("{}{image}", Kind::Engine.scheme())).to_owned()
}

/// A bill of materials, checked as far as telling its kind asks for.
fn document(path: &Path) -> Result<Prepared, JobError> {
    let shown = path.display();
    let failed = |error: std::io::Error| io_error(&format!("read {shown}"), &error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let malformed = |reason: &str| JobError::never("malformed", format!("failed to read {shown}: {reason}"));
    if !metadata.is_file() {
        return Err(malformed("it is no regular file"));
    }
    if metadata.len() > bill::MAX_BYTES {
        return Err(JobError::never(
            "limit",
            format!("failed to read {shown}: it has more than {} bytes", bill::MAX_BYTES),
        ));
    }
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(&file, bill::MAX_BYTES), &mut bytes)
        .map_err(failed)?;
    let media_type = bill::media_type(&bytes).map_err(|reason| malformed(&reason))?;
    let digest = Digest::from_bytes(Sha256::digest(&bytes).into());
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(Prepared::Layer { file: Arc::new(file), size, digest, media_type })
}

impl Prepared {
    /// The image's facts. Blocks.
    pub(super) fn facts(&self, what: &str, wanted: &Platform) -> Result<ImageFacts, JobError> {
        let (digest, size, media_type) = match self {
            Self::Archive(store) => {
                return docker::select(store, &docker::entries(store)?, &Selector::Only)?.facts(store, what);
            }
            Self::Layer { digest, size, media_type, .. } => (*digest, *size, *media_type),
            Self::Tree(tree) => (tree.digest, tree.made.inventory.bytes, DIRECTORY),
        };
        // Neither says for which platform it is: for the one that was asked for.
        let Platform { os, architecture, variant } = wanted;
        let config = serde_json::json!({
            "os": os, "architecture": architecture, "variant": variant,
            "rootfs": {"type": "layers", "diff_ids": [digest.to_string()]},
        });
        let layer = LayerEntry { digest: None, size, media_type: media_type.to_owned(), table: None };
        let mut facts = facts::facts(what, None, config.to_string().as_bytes(), &[layer])?;
        // Nobody says how it is run, either.
        facts.run = None;
        tracing::debug!(what, platform = platform::show(wanted), "prepared");
        Ok(facts)
    }

    /// What a layer came to, where it was analysed already.
    pub(super) fn made(&self, wanted: &Digest) -> Option<Made> {
        match self {
            Self::Tree(tree) if tree.digest == *wanted => Some(tree.made.clone()),
            _ => None,
        }
    }

    /// Opens a layer that has bytes. Blocks.
    pub(super) fn blob(&self, what: &str, wanted: &Digest) -> Result<Blob, JobError> {
        match self {
            Self::Archive(store) => {
                let entries = docker::entries(store)?;
                let entry = docker::select(store, &entries, &Selector::Only)?;
                let part = store.part(entry.layer(store, what, wanted)?)?;
                Ok(Blob { size: Some(part.size()), stream: part.stream(), digest_is_diff_id: true })
            }
            Self::Layer { file, size, digest, .. } if digest == wanted => {
                let part = Part::whole(Arc::clone(file), *size, what);
                Ok(Blob { size: Some(*size), stream: part.stream(), digest_is_diff_id: false })
            }
            Self::Layer { .. } | Self::Tree(_) => Err(JobError::never(
                "not-found",
                format!("failed to read layer {wanted} of {what}: the image has no such layer"),
            )),
        }
    }
}

/// The reference of a directory or a document, which must be one.
pub(super) fn check(kind: Kind, path: &str, tail: &str) -> Result<String, JobError> {
    let reference = format!("{}{path}", kind.scheme());
    let failed =
        |reason: &str| Err(JobError::never("bad-reference", format!("failed to read {reference}: {reason}")));
    match kind {
        _ if !tail.is_empty() => failed("nothing may follow the path"),
        Kind::Directory if !Path::new(path).is_dir() => failed("it is no directory"),
        Kind::Bill if !Path::new(path).is_file() => failed("it is no regular file"),
        _ => Ok(reference),
    }
}

/// Bytes of a wanted file that is taken in.
pub(super) fn file_limit() -> u64 {
    Limits::default().spool_bytes
}
