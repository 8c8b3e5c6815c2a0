//! A plan as a store: everything is made when it is asked for. What stays in memory is one small record for each layer
//! and document that somebody asked for, and the few blobs that were used last.

mod graded;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use strata_proto::digest::Digest;

use super::{
    Store,
    blob::{Blob, LayerDescriptor},
    ladder::Ladder,
    layer::{Arch, LayerId, created_by, recipe},
    manifest::{self, Head, Image, Manifest},
    page,
    plan::{Plan, Sizes},
    recent::Recent,
    rope::Rope,
};

pub use graded::Census;

/// Bytes of blobs that are kept for the next request.
const RECENT_BYTES: usize = 64 << 20;

/// What a digest stands for.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Layer(LayerId),
    Manifest(Build, Arch),
    Config(Build, Arch),
    Index(Build),
    Signature(Build),
    SignatureBlob(Build, u8),
}

/// One build of one repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Build {
    repository: u32,
    build: u32,
}

/// The content that a plan describes.
pub struct Synthetic {
    plan: Plan,
    /// Sorted, with each name's index in the plan.
    repositories: BTreeMap<String, u32>,
    layers: Mutex<HashMap<LayerId, Arc<Mutex<Option<LayerDescriptor>>>>>,
    origins: Mutex<HashMap<Digest, Origin>>,
    heads: Mutex<HashMap<Build, Head>>,
    layers_made: AtomicU64,
    recent: Mutex<Recent>,
    ladder: OnceLock<Ladder>,
}

impl Synthetic {
    /// The content of a plan.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let repositories = (0..plan.repositories).map(|index| (plan.repository(index), index)).collect();
        Self {
            plan,
            repositories,
            layers: Mutex::default(),
            origins: Mutex::default(),
            heads: Mutex::default(),
            layers_made: AtomicU64::new(0),
            recent: Mutex::new(Recent::new(RECENT_BYTES)),
            ladder: OnceLock::new(),
        }
    }

    /// The plan behind the content.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Digests and size of a layer; makes the layer the first time.
    ///
    /// # Errors
    /// When the layer cannot be made.
    pub fn describe(&self, layer: LayerId) -> io::Result<LayerDescriptor> {
        let graded = self.plan.sizes == Sizes::Graded;
        if graded && graded::is_own(layer) {
            // Costs less than it would to keep it.
            return self.describe_graded(layer);
        }
        let slot = Arc::clone(lock(&self.layers).entry(layer).or_default());
        // Held while the layer is made: whoever else wants it waits instead of making it too.
        let mut described = lock(&slot);
        if let Some(descriptor) = *described {
            return Ok(descriptor);
        }
        if graded {
            return Ok(*described.insert(self.describe_graded(layer)?));
        }
        let blob = self.make(layer)?;
        lock(&self.recent).put(layer, blob.bytes);
        lock(&self.origins).insert(blob.descriptor.digest, Origin::Layer(layer));
        *described = Some(blob.descriptor);
        Ok(blob.descriptor)
    }

    /// How many layers were made so far, those counted that were made again.
    #[must_use]
    pub fn layers_made(&self) -> u64 {
        self.layers_made.load(Relaxed)
    }

    fn make(&self, layer: LayerId) -> io::Result<Blob> {
        self.layers_made.fetch_add(1, Relaxed);
        let recipe = recipe(&self.plan, layer);
        Blob::of_entries(&recipe.entries, recipe.compression)
    }

    fn bytes(&self, layer: LayerId) -> io::Result<Bytes> {
        if let Some(bytes) = lock(&self.recent).get(layer) {
            return Ok(bytes);
        }
        let bytes = self.make(layer)?.bytes;
        lock(&self.recent).put(layer, bytes.clone());
        Ok(bytes)
    }

    fn image(&self, of: Build, arch: Arch) -> io::Result<Image> {
        let mut layers = Vec::new();
        for layer in self.plan.layers(of.repository, of.build, arch) {
            layers.push((self.describe(layer)?, created_by(layer)));
        }
        let profile = self.plan.profile(of.repository);
        let labels = BTreeMap::from([
            ("org.opencontainers.image.base.name".to_owned(), Plan::base_name(profile.base).to_owned()),
            ("org.opencontainers.image.version".to_owned(), Plan::tag(of.build)),
        ]);
        Ok(Image { arch, docker: profile.docker, layers, labels })
    }

    /// An image's manifest for one architecture. Its digest and its configuration's can be asked for afterwards.
    fn image_manifest(&self, of: Build, arch: Arch) -> io::Result<Manifest> {
        let image = self.image(of, arch)?;
        let config = image.config();
        let manifest = image.manifest(&config);
        let mut origins = lock(&self.origins);
        origins.insert(manifest.digest, Origin::Manifest(of, arch));
        origins.insert(Digest::of(&config), Origin::Config(of, arch));
        Ok(manifest)
    }

    /// Digest of a build's manifest for one architecture.
    pub(crate) fn image_digest(&self, repository: u32, build: u32, arch: Arch) -> io::Result<Digest> {
        self.image_manifest(Build { repository, build }, arch).map(|manifest| manifest.digest)
    }

    /// What a build's tag names: a manifest, or an index over two.
    fn published(&self, of: Build) -> io::Result<Manifest> {
        let published = if self.plan.is_index(of.repository, of.build) {
            let mut manifests = Vec::new();
            for arch in [Arch::Amd64, Arch::Arm64] {
                manifests.push((arch, self.image_manifest(of, arch)?));
            }
            let index = manifest::index(self.plan.profile(of.repository).docker, &manifests);
            lock(&self.origins).insert(index.digest, Origin::Index(of));
            index
        } else {
            self.image_manifest(of, Arch::Amd64)?
        };
        lock(&self.heads).insert(of, published.head());
        Ok(published)
    }

    fn signature(&self, of: Build) -> io::Result<(Manifest, [Bytes; 2])> {
        let (manifest, blobs) = manifest::signature(&self.published(of)?.digest);
        let mut origins = lock(&self.origins);
        origins.insert(manifest.digest, Origin::Signature(of));
        for (blob, number) in blobs.iter().zip(0..) {
            origins.insert(Digest::of(blob), Origin::SignatureBlob(of, number));
        }
        Ok((manifest, blobs))
    }

    fn tagged(&self, repository: u32, tag: &str) -> io::Result<Option<Manifest>> {
        if let Some(build) = self.build(tag) {
            return self.published(Build { repository, build }).map(Some);
        }
        if !tag.starts_with("sha256-") {
            return Ok(None);
        }
        for build in (0..self.plan.builds()).filter(|build| self.plan.is_signed(repository, *build)) {
            let of = Build { repository, build };
            if manifest::signature_tag(&self.published(of)?.digest) == tag {
                return self.signature(of).map(|(manifest, _)| Some(manifest));
            }
        }
        Ok(None)
    }

    /// The build that a tag names, if it names one.
    fn build(&self, tag: &str) -> Option<u32> {
        let builds = self.plan.builds();
        let build = if tag == "latest" { Some(builds - 1) } else { Plan::build(tag) };
        build.filter(|build| *build < builds)
    }

    fn all_tags(&self, repository: u32) -> io::Result<Vec<String>> {
        let mut tags = vec!["latest".to_owned()];
        for build in 0..self.plan.builds() {
            tags.push(Plan::tag(build));
            if self.plan.is_signed(repository, build) {
                tags.push(manifest::signature_tag(&self.published(Build { repository, build })?.digest));
            }
        }
        tags.sort();
        Ok(tags)
    }

    fn origin(&self, digest: &Digest) -> Option<Origin> {
        lock(&self.origins).get(digest).copied()
    }
}

impl Store for Synthetic {
    fn repositories(&self, after: Option<&str>, limit: usize) -> Vec<String> {
        page(self.repositories.keys(), after, limit)
    }

    fn tags(&self, repository: &str, after: Option<&str>, limit: usize) -> io::Result<Option<Vec<String>>> {
        let Some(&repository) = self.repositories.get(repository) else { return Ok(None) };
        Ok(Some(page(self.all_tags(repository)?.iter(), after, limit)))
    }

    fn manifest(&self, repository: &str, reference: &str) -> io::Result<Option<Manifest>> {
        let Some(&repository) = self.repositories.get(repository) else { return Ok(None) };
        let Ok(digest) = reference.parse::<Digest>() else { return self.tagged(repository, reference) };
        match self.origin(&digest) {
            Some(Origin::Manifest(of, arch)) if of.repository == repository => {
                self.image_manifest(of, arch).map(Some)
            }
            Some(Origin::Index(of)) if of.repository == repository => self.published(of).map(Some),
            Some(Origin::Signature(of)) if of.repository == repository => {
                self.signature(of).map(|(manifest, _)| Some(manifest))
            }
            _ => Ok(None),
        }
    }

    fn known(&self, repository: &str, reference: &str) -> Option<Head> {
        let repository = *self.repositories.get(repository)?;
        let of = match reference.parse::<Digest>() {
            Err(_) => Build { repository, build: self.build(reference)? },
            Ok(digest) => match self.origin(&digest)? {
                Origin::Index(of) => of,
                Origin::Manifest(of, _) if !self.plan.is_index(of.repository, of.build) => of,
                _ => return None,
            },
        };
        if of.repository == repository { lock(&self.heads).get(&of).cloned() } else { None }
    }

    fn blob_size(&self, repository: &str, digest: &Digest) -> io::Result<Option<u64>> {
        match self.origin(digest) {
            Some(Origin::Layer(layer)) if self.repositories.contains_key(repository) => {
                self.describe(layer).map(|layer| Some(layer.size))
            }
            _ => self.blob(repository, digest).map(|blob| blob.map(|rope| rope.len() as u64)),
        }
    }

    fn blob(&self, repository: &str, digest: &Digest) -> io::Result<Option<Rope>> {
        if !self.repositories.contains_key(repository) {
            return Ok(None);
        }
        match self.origin(digest) {
            Some(Origin::Layer(layer)) if self.plan.sizes == Sizes::Graded => self.graded(layer).map(Some),
            Some(Origin::Layer(layer)) => self.bytes(layer).map(|bytes| Some(bytes.into())),
            Some(Origin::Config(of, arch)) => self.image(of, arch).map(|image| Some(image.config().into())),
            Some(Origin::SignatureBlob(of, number)) => {
                let (_, blobs) = self.signature(of)?;
                Ok(blobs.into_iter().nth(usize::from(number)).map(Rope::from))
            }
            _ => Ok(None),
        }
    }
}

/// A panic of another holder leaves nothing half done in these maps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
