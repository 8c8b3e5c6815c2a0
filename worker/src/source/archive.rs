//! Archives: docker-archives (plain, gzip or zstd), OCI layouts in a directory or a tar. Nothing is extracted: an
//! index says where each member's bytes are, and those are read in place.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use strata_analysis::limits::Limits;
use strata_proto::{digest::Digest, v1::SourceOptions};
use tokio::sync::OnceCell;

use self::{
    containerd::Containerd,
    layout::Layout,
    name::{ArchiveName, Kind},
    prepared::{Prepared, Shelf},
    store::Store,
};
use super::{
    platform,
    walk::{self, Wanted},
};
use crate::{
    error::JobError,
    ports::{Blob, Images, Made, Page, Resolution, io_error, parse_reference},
};

pub mod containerd;
mod directory;
mod docker;
mod engine;
mod layout;
pub mod name;
mod prepared;
mod spool;
mod store;
mod tar;

/// Archives that stay open between the reading of a manifest and of its layers.
const MAX_OPEN: usize = 8;

/// How archives are read.
#[derive(Debug, Clone)]
pub struct ArchiveConfig {
    /// Directory for decompressed archives. They have no name there and vanish with the process.
    pub spool: PathBuf,
    /// Bytes that one archive may decompress to.
    pub spool_bytes: u64,
    /// Bounds on a directory's analysis: those of the jobs, which keep it under their fingerprint.
    pub limits: Limits,
    /// Sockets of container engines, in the order in which they are asked.
    pub engines: Vec<PathBuf>,
    /// Where containerd is asked.
    pub containerd: Containerd,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self {
            spool: PathBuf::from("/var/tmp"),
            spool_bytes: 64 << 30,
            limits: Limits::default(),
            engines: Vec::new(),
            containerd: Containerd::default(),
        }
    }
}

/// Access to archives. Cheap to clone; clones share what is open.
#[derive(Clone)]
pub struct Archives(Arc<Shared>);

struct Shared {
    config: ArchiveConfig,
    // The one used last at the end.
    open: Mutex<Vec<(Identity, Opening)>>,
    prepared: Shelf,
}

/// An archive that is open, or is being opened by the first who wanted it.
type Opening = Arc<OnceCell<Arc<Store>>>;

/// A file as it is now: one that was replaced or changed is another.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// Runs what blocks on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JobError> + Send + 'static,
) -> Result<T, JobError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(JobError::later("io", format!("failed to read an archive: {error}"))))
}

impl Archives {
    /// Sets access up.
    #[must_use]
    pub fn new(config: ArchiveConfig) -> Self {
        Self(Arc::new(Shared { config, open: Mutex::default(), prepared: Shelf::default() }))
    }

    async fn store(&self, path: &Path) -> Result<Arc<Store>, JobError> {
        let path = path.to_owned();
        let identity = blocking(move || Identity::of(path)).await?;
        let cell = {
            let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
            let known = open.iter().position(|(known, _)| *known == identity);
            let entry = match known {
                Some(place) => open.remove(place),
                None => (identity.clone(), Arc::default()),
            };
            if open.len() >= MAX_OPEN {
                open.remove(0);
            }
            let cell = Arc::clone(&entry.1);
            open.push(entry);
            cell
        };
        let config = self.0.config.clone();
        let store = cell
            .get_or_try_init(|| async {
                blocking(move || Store::open(&identity.path, &config.spool, config.spool_bytes).map(Arc::new))
                    .await
            })
            .await?;
        Ok(Arc::clone(store))
    }

    /// Turns a command-line argument into explicit references: one for each image of an archive, with an absolute
    /// path; a registry reference in its full form.
    ///
    /// # Errors
    /// When it is a path that cannot be read or holds no image, or is malformed.
    pub async fn expand(&self, text: &str) -> Result<Vec<String>, JobError> {
        if let Some((Kind::Engine, image)) = name::scheme(text) {
            return engine::reference(image).map(|reference| vec![reference]);
        }
        if let Some((Kind::Containerd, image)) = name::scheme(text) {
            return containerd::reference(image).map(|reference| vec![reference]);
        }
        let (kind, path, tail) = if name::scheme(text).is_some() {
            let owned = text.to_owned();
            let name = blocking(move || ArchiveName::parse(&owned)).await?;
            let shown = name.path.display().to_string();
            let tail = text.strip_prefix(name.kind.scheme()).and_then(|rest| rest.strip_prefix(&shown));
            (Some(name.kind), name.path, tail.unwrap_or_default().to_owned())
        } else if is_path(text) {
            (None, PathBuf::from(text), String::new())
        } else {
            return Ok(vec![parse_reference(text)?.to_string()]);
        };
        let shown = path.display().to_string();
        let failed = move |error| io_error(&format!("read {shown}"), &error);
        let path = tokio::fs::canonicalize(&path).await.map_err(failed)?;
        let Some(absolute) = path.to_str().map(str::to_owned) else {
            let message = format!("failed to read {}: its path is no UTF-8", path.display());
            return Err(JobError::never("bad-reference", message));
        };
        if let Some(kind @ (Kind::Directory | Kind::Bill)) = kind {
            return prepared::check(kind, &absolute, &tail).map(|reference| vec![reference]);
        }
        let store = self.store(&path).await?;
        let kind = match kind {
            Some(kind) => kind,
            None => {
                blocking({
                    let store = Arc::clone(&store);
                    move || guess(&store)
                })
                .await?
            }
        };
        let prefix = format!("{}{absolute}", kind.scheme());
        if !tail.is_empty() {
            return Ok(vec![format!("{prefix}{tail}")]);
        }
        let tails = blocking(move || match kind {
            Kind::DockerArchive => docker::entries(&store).map(|entries| docker::selectors(&entries)),
            _ => layout::entries(&store).map(|entries| layout::selectors(&entries)),
        });
        Ok(tails.await?.into_iter().map(|tail| format!("{prefix}{tail}")).collect())
    }

    /// The image that a reference names, where it has to be prepared.
    async fn prepared(&self, reference: &str) -> Result<Option<Arc<Prepared>>, JobError> {
        let Some((Kind::Directory | Kind::Bill | Kind::Engine, _)) = name::scheme(reference) else {
            return Ok(None);
        };
        let owned = reference.to_owned();
        let name = blocking(move || ArchiveName::parse(&owned)).await?;
        self.0.prepared.get(&name, &self.0.config).await.map(Some)
    }

    /// The image that a reference names, where it is containerd's.
    async fn found(&self, reference: &str) -> Result<Option<containerd::Found>, JobError> {
        let Some((Kind::Containerd, image)) = name::scheme(reference) else { return Ok(None) };
        containerd::find(image, &self.0.config.containerd).await.map(Some)
    }

    async fn named(&self, reference: &str) -> Result<(ArchiveName, Arc<Store>), JobError> {
        let owned = reference.to_owned();
        let name = blocking(move || ArchiveName::parse(&owned)).await?;
        let store = self.store(&name.path).await?;
        Ok((name, store))
    }
}

/// [`Archives::expand`] with default settings, for callers that have no sources at hand.
///
/// # Errors
/// As there.
pub async fn expand(text: &str) -> Result<Vec<String>, JobError> {
    Archives::new(ArchiveConfig::default()).expand(text).await
}

/// Whether an argument without a scheme is a path rather than a registry reference.
fn is_path(text: &str) -> bool {
    const ENDINGS: [&str; 5] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".oci"];
    ["/", "./", "../"].iter().any(|start| text.starts_with(start))
        || text == "."
        || ENDINGS.iter().any(|end| text.ends_with(end))
        || Path::new(text).join(layout::MARK).is_file()
}

/// What lies at a path that was given without a scheme.
fn guess(store: &Store) -> Result<Kind, JobError> {
    let is_directory = store.path().is_dir();
    if !is_directory && store.contains(docker::LIST) {
        return Ok(Kind::DockerArchive);
    }
    if store.contains(layout::MARK) {
        return Ok(if is_directory { Kind::Layout } else { Kind::LayoutArchive });
    }
    let missing =
        if is_directory { layout::MARK.to_owned() } else { format!("{} or {}", docker::LIST, layout::MARK) };
    Err(JobError::never(
        "malformed",
        format!("failed to read {}: it is no image archive, for it has no {missing}", store.path().display()),
    ))
}

fn layer_digest(reference: &str, digest: &str) -> Result<Digest, JobError> {
    let bad = |error| format!("failed to read a layer of {reference}: {error}");
    digest.parse().map_err(|error: <Digest as FromStr>::Err| JobError::never("bad-reference", bad(error)))
}

impl Identity {
    fn of(path: PathBuf) -> Result<Self, JobError> {
        let metadata = std::fs::metadata(&path)
            .map_err(|error| io_error(&format!("read {}", path.display()), &error))?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            path,
        })
    }
}

#[async_trait]
impl Images for Archives {
    async fn list(&self, host: &str, _: &str, _: &str, _: &SourceOptions) -> Result<Page, JobError> {
        Err(JobError::never("bad-reference", format!("failed to list {host}: it is no registry")))
    }

    async fn digest(&self, _: &str, _: &SourceOptions) -> Result<Option<String>, JobError> {
        Ok(None)
    }

    async fn resolve(
        &self,
        reference: &str,
        wanted: &str,
        _: &SourceOptions,
    ) -> Result<Resolution, JobError> {
        let platform = platform::parse(wanted)?;
        if let Some(found) = self.found(reference).await? {
            return found.resolve(&platform).await;
        }
        let what = reference.to_owned();
        if let Some(prepared) = self.prepared(reference).await? {
            let facts = blocking(move || prepared.facts(&what, &platform)).await?;
            return Ok(Resolution::Image(facts));
        }
        let (name, store) = self.named(reference).await?;
        if name.kind == Kind::DockerArchive {
            let facts = blocking(move || {
                let entries = docker::entries(&store)?;
                docker::select(&store, &entries, &name.selector)?.facts(&store, &what)
            });
            return facts.await.map(Resolution::Image);
        }
        let root = {
            let store = Arc::clone(&store);
            blocking(move || layout::select(&store, &layout::entries(&store)?, &name.selector)).await?
        };
        let layout = Layout(store);
        let fetched = layout.root(&root.0, &root.1, &what).await?;
        let wanted = Wanted { what: &what, tag: None, platform: &platform };
        walk::walk(&layout, &wanted, fetched).await
    }

    async fn platforms(&self, reference: &str, _: &SourceOptions) -> Result<Vec<String>, JobError> {
        if let Some(found) = self.found(reference).await? {
            return found.platforms().await;
        }
        let Some((Kind::Layout | Kind::LayoutArchive, _)) = name::scheme(reference) else {
            return Ok(Vec::new());
        };
        let (name, store) = self.named(reference).await?;
        let root = {
            let store = Arc::clone(&store);
            blocking(move || layout::select(&store, &layout::entries(&store)?, &name.selector)).await?
        };
        walk::platforms(&Layout(store).root(&root.0, &root.1, reference).await?, reference)
    }

    async fn made(&self, reference: &str, digest: &str) -> Result<Option<Made>, JobError> {
        let Some((Kind::Directory, _)) = name::scheme(reference) else { return Ok(None) };
        let wanted = layer_digest(reference, digest)?;
        let prepared = self.prepared(reference).await?;
        Ok(prepared.and_then(|prepared| prepared.made(&wanted)))
    }

    async fn blob(&self, reference: &str, digest: &str, _: &SourceOptions) -> Result<Blob, JobError> {
        let what = reference.to_owned();
        let digest = layer_digest(reference, digest)?;
        if let Some(found) = self.found(reference).await? {
            return found.layer(&digest).await;
        }
        if let Some(prepared) = self.prepared(reference).await? {
            return blocking(move || prepared.blob(&what, &digest)).await;
        }
        let (name, store) = self.named(reference).await?;
        let digest_is_diff_id = name.kind == Kind::DockerArchive;
        let part = blocking(move || match name.kind {
            Kind::DockerArchive => {
                let entries = docker::entries(&store)?;
                let entry = docker::select(&store, &entries, &name.selector)?;
                store.part(entry.layer(&store, &what, &digest)?)
            }
            _ => store.part(&layout::blob(&digest)),
        })
        .await?;
        Ok(Blob { size: Some(part.size()), stream: part.stream(), digest_is_diff_id })
    }
}

#[cfg(test)]
mod tests;
