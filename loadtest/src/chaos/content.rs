//! What is swept: synthetic images, and one with a file that is too large for a worker's memory.

use std::io;

use strata_proto::digest::Digest;

use crate::content::{
    Arch, Blob, Compression, Expected, ExpectedImage, ExpectedPackage, Fixed, FixedImage, Head, Manifest,
    Plan, Rope, Store, Synthetic,
};

/// After every synthetic name, so that it comes last in a listing.
const REPOSITORY: &str = "zz/large";
const TAG: &str = "1";
const FILE: &str = "app/node_modules/large/package.json";
/// More than a worker keeps of one file in memory.
const BYTES: usize = 18 << 20;

/// Both registries in one.
pub(super) struct Content {
    synthetic: Synthetic,
    large: Fixed,
}

pub(super) fn content(plan: Plan) -> io::Result<Content> {
    let (large, _, _) = large()?;
    Ok(Content { synthetic: Synthetic::new(plan), large })
}

/// What a sweep of it must report.
pub(super) fn expected(plan: Plan) -> io::Result<Expected> {
    let mut expected = Synthetic::new(plan).expected(Arch::Amd64)?;
    let (_, digest, layer) = large()?;
    expected.references += 1;
    expected.distinct_layers += 1;
    expected.layer_bytes += layer.descriptor.size;
    expected.packages += 1;
    expected.images.push(ExpectedImage {
        repository: REPOSITORY.to_owned(),
        tags: vec![TAG.to_owned()],
        digest,
        layers: vec![layer.descriptor.digest],
        distribution: "",
        distribution_version: "",
        packages: vec![ExpectedPackage {
            file: FILE.to_owned(),
            ecosystem: "npm",
            name: "large".to_owned(),
            version: "1.0.0".to_owned(),
            layer: 0,
        }],
    });
    Ok(expected)
}

fn large() -> io::Result<(Fixed, Digest, Blob)> {
    let mut text = br#"{"name": "large", "version": "1.0.0""#.to_vec();
    text.resize(BYTES, b' ');
    text.push(b'}');
    let layer = Blob::of_files(&[(FILE, &text)], Compression::Gzip)?;
    let mut store = Fixed::new();
    let digest = store.image(&FixedImage {
        repository: REPOSITORY,
        tag: TAG,
        layers: std::slice::from_ref(&layer),
        arch: Arch::Amd64,
        docker: false,
    });
    Ok((store, digest, layer))
}

impl Content {
    fn of(&self, repository: &str) -> &dyn Store {
        if repository == REPOSITORY { &self.large } else { &self.synthetic }
    }
}

impl Store for Content {
    fn repositories(&self, after: Option<&str>, limit: usize) -> Vec<String> {
        let mut names = self.synthetic.repositories(after, limit);
        if names.len() < limit {
            names.extend(self.large.repositories(after, limit - names.len()));
        }
        names
    }

    fn tags(&self, repository: &str, after: Option<&str>, limit: usize) -> io::Result<Option<Vec<String>>> {
        self.of(repository).tags(repository, after, limit)
    }

    fn manifest(&self, repository: &str, reference: &str) -> io::Result<Option<Manifest>> {
        self.of(repository).manifest(repository, reference)
    }

    fn known(&self, repository: &str, reference: &str) -> Option<Head> {
        self.of(repository).known(repository, reference)
    }

    fn blob_size(&self, repository: &str, digest: &Digest) -> io::Result<Option<u64>> {
        self.of(repository).blob_size(repository, digest)
    }

    fn blob(&self, repository: &str, digest: &Digest) -> io::Result<Option<Rope>> {
        self.of(repository).blob(repository, digest)
    }
}
