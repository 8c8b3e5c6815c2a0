//! Content that a test puts in by hand, sound or broken.

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use bytes::Bytes;
use serde_json::Value;
use strata_proto::digest::Digest;

use super::{
    Store,
    blob::{Blob, LayerDescriptor},
    giant::Giant,
    layer::Arch,
    manifest::{Image, Manifest},
    page,
    rope::Rope,
    tabled::Tabled,
};

/// An image to put into [`Fixed`].
#[derive(Debug, Clone)]
pub struct FixedImage<'a> {
    /// Repository.
    pub repository: &'a str,
    /// Tag.
    pub tag: &'a str,
    /// Layers, lowest first.
    pub layers: &'a [Blob],
    /// Architecture of its configuration.
    pub arch: Arch,
    /// Docker's media types instead of OCI's.
    pub docker: bool,
}

/// A registry's content, given piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Fixed {
    repositories: BTreeMap<String, Repository>,
    blobs: HashMap<Digest, Rope>,
}

#[derive(Debug, Clone, Default)]
struct Repository {
    tags: BTreeMap<String, Digest>,
    manifests: HashMap<Digest, Manifest>,
}

impl Fixed {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a whole image: blobs, configuration and manifest. Returns its manifest's digest.
    pub fn image(&mut self, image: &FixedImage<'_>) -> Digest {
        let layers = image.layers.iter().map(|blob| (blob.descriptor, Rope::from(blob.bytes.clone())));
        self.add_image((image.repository, image.tag), image.arch, image.docker, layers)
    }

    /// Adds a whole image of large layers. Returns its manifest's digest.
    pub fn giant(&mut self, repository: &str, tag: &str, layers: &[Giant]) -> Digest {
        let layers = layers.iter().map(|giant| (giant.descriptor, giant.rope.clone()));
        self.add_image((repository, tag), Arch::Amd64, false, layers)
    }

    fn add_image(
        &mut self,
        (repository, tag): (&str, &str),
        arch: Arch,
        docker: bool,
        layers: impl Iterator<Item = (LayerDescriptor, Rope)>,
    ) -> Digest {
        let mut steps = Vec::new();
        for (descriptor, rope) in layers {
            self.blobs.insert(descriptor.digest, rope);
            steps.push((descriptor, "COPY . /".to_owned()));
        }
        let built = Image { arch, docker, layers: steps, labels: BTreeMap::new() };
        let config = built.config();
        let manifest = built.manifest(&config);
        self.add_blob(config);
        self.add_manifest(repository, Some(tag), manifest)
    }

    /// Adds an image of OCI's media types with one layer that has a table of contents. Its manifest names the table of `named`, which
    /// need not be the layer's own.
    pub fn tabled(&mut self, repository: &str, tag: &str, layer: &Tabled, named: Option<&Tabled>) -> Digest {
        let layers = std::slice::from_ref(&layer.blob);
        let plain = self.image(&FixedImage { repository, tag, layers, arch: Arch::Amd64, docker: false });
        let manifest =
            self.repositories.get(repository).and_then(|found| found.manifests.get(&plain)).cloned();
        let Some((manifest, named)) = manifest.zip(named) else { return plain };
        let mut body: Value = serde_json::from_slice(&manifest.bytes).unwrap_or_default();
        if let Some(layer) = body.pointer_mut("/layers/0").and_then(Value::as_object_mut) {
            layer.insert("annotations".to_owned(), named.annotations());
        }
        self.add_manifest(repository, Some(tag), Manifest::new(manifest.media_type, body.to_string()))
    }

    /// Adds a manifest, under a tag or only under its digest, whatever it says. Returns its digest.
    pub fn add_manifest(&mut self, repository: &str, tag: Option<&str>, manifest: Manifest) -> Digest {
        let digest = manifest.digest;
        let entry = self.repositories.entry(repository.to_owned()).or_default();
        if let Some(tag) = tag {
            entry.tags.insert(tag.to_owned(), digest);
        }
        entry.manifests.insert(digest, manifest);
        digest
    }

    /// Adds a blob that every repository has. Returns its digest.
    pub fn add_blob(&mut self, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.blobs.insert(digest, bytes.into());
        digest
    }

    /// Adds a blob under a digest that need not be its own.
    pub fn blob_as(&mut self, digest: Digest, bytes: impl Into<Bytes>) {
        self.blobs.insert(digest, Rope::from(bytes.into()));
    }

    /// Takes a blob away again: its manifests then name something that is missing.
    pub fn remove_blob(&mut self, digest: &Digest) {
        self.blobs.remove(digest);
    }
}

impl Store for Fixed {
    fn repositories(&self, after: Option<&str>, limit: usize) -> Vec<String> {
        page(self.repositories.keys(), after, limit)
    }

    fn tags(&self, repository: &str, after: Option<&str>, limit: usize) -> io::Result<Option<Vec<String>>> {
        let repository = self.repositories.get(repository);
        Ok(repository.map(|repository| page(repository.tags.keys(), after, limit)))
    }

    fn manifest(&self, repository: &str, reference: &str) -> io::Result<Option<Manifest>> {
        let Some(repository) = self.repositories.get(repository) else { return Ok(None) };
        let digest = repository.tags.get(reference).copied().or_else(|| reference.parse().ok());
        Ok(digest.and_then(|digest| repository.manifests.get(&digest)).cloned())
    }

    fn blob_size(&self, repository: &str, digest: &Digest) -> io::Result<Option<u64>> {
        let blob = self.repositories.get(repository).and_then(|_| self.blobs.get(digest));
        Ok(blob.map(|rope| rope.len() as u64))
    }

    fn blob(&self, repository: &str, digest: &Digest) -> io::Result<Option<Rope>> {
        let blob = self.repositories.get(repository).and_then(|_| self.blobs.get(digest));
        Ok(blob.cloned())
    }
}
