//! What a sweep of a plan must report: the ground truth, worked out from the recipes by a squash of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use strata_proto::digest::Digest;

use super::{
    entry::{Entry, Facts},
    layer::{Arch, recipe},
    os,
    plan::Plan,
    synthetic::Synthetic,
};

/// One package that an image's report must list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedPackage {
    /// Path of the file that says so, without a leading slash.
    pub file: String,
    /// `dpkg`, `apk`, `npm` or `python`.
    pub ecosystem: &'static str,
    /// Name as the package's metadata spells it.
    pub name: String,
    /// Whole version.
    pub version: String,
    /// Index of the layer that brought the package, lowest is 0.
    pub layer: usize,
}

/// One image and its report's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedImage {
    /// Repository.
    pub repository: String,
    /// All tags that name the image, in order.
    pub tags: Vec<String>,
    /// Digest of the manifest for the platform, also where the tags name an index.
    pub digest: Digest,
    /// Digests of its layers, lowest first.
    pub layers: Vec<Digest>,
    /// ID of os-release.
    pub distribution: &'static str,
    /// VERSION_ID of os-release.
    pub distribution_version: &'static str,
    /// In order of file, ecosystem, name and version.
    pub packages: Vec<ExpectedPackage>,
}

/// The account of a sweep of the whole plan for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Tags of all repositories, signatures included.
    pub references: u64,
    /// Tags that are signatures, not images.
    pub skipped: u64,
    /// Distinct layers of all images.
    pub distinct_layers: u64,
    /// Stored bytes of the distinct layers.
    pub layer_bytes: u64,
    /// Packages of all images.
    pub packages: u64,
    /// Every distinct image, by repository and build.
    pub images: Vec<ExpectedImage>,
}

impl Synthetic {
    /// What a sweep for linux on this architecture must report. Where a tag has no index, its amd64 image is what there is.
    ///
    /// # Errors
    /// When content cannot be made.
    pub fn expected(&self, arch: Arch) -> io::Result<Expected> {
        let mut images = Vec::new();
        let mut layers = BTreeMap::new();
        let (mut references, mut skipped) = (0, 0);
        for repository in 0..self.plan().repositories {
            for build in 0..self.plan().builds() {
                let signed = u64::from(self.plan().is_signed(repository, build));
                let image = self.expected_image(repository, build, arch, &mut layers)?;
                references += signed + image.tags.len() as u64;
                skipped += signed;
                images.push(image);
            }
        }
        Ok(Expected {
            references,
            skipped,
            distinct_layers: layers.len() as u64,
            layer_bytes: layers.values().sum(),
            packages: images.iter().map(|image| image.packages.len() as u64).sum(),
            images,
        })
    }

    fn expected_image(
        &self,
        repository: u32,
        build: u32,
        arch: Arch,
        all_layers: &mut BTreeMap<Digest, u64>,
    ) -> io::Result<ExpectedImage> {
        let plan = self.plan();
        let arch = if plan.is_index(repository, build) { arch } else { Arch::Amd64 };
        let name = plan.repository(repository);
        let ids = plan.layers(repository, build, arch);
        let mut layers = Vec::new();
        for &layer in &ids {
            let described = self.describe(layer)?;
            all_layers.insert(described.digest, described.size);
            layers.push(described.digest);
        }
        let recipes: Vec<_> = ids.iter().map(|&layer| recipe(plan, layer).entries).collect();
        let mut tags = vec![Plan::tag(build)];
        if build + 1 == plan.builds() {
            tags.push("latest".to_owned());
        }
        let os = os::of(plan.profile(repository).base);
        Ok(ExpectedImage {
            repository: name,
            tags,
            digest: self.image_digest(repository, build, arch)?,
            layers,
            distribution: os.release_field("ID"),
            distribution_version: os.release_field("VERSION_ID"),
            packages: squash(&recipes),
        })
    }
}

/// Lays the layers over each other. A package belongs to the lowest layer from which on its file always named it.
fn squash(layers: &[Vec<Entry>]) -> Vec<ExpectedPackage> {
    let mut files: BTreeMap<String, BTreeSet<ExpectedPackage>> = BTreeMap::new();
    for (layer, entries) in layers.iter().enumerate() {
        for entry in entries {
            let (parent, name) = entry.path.rsplit_once('/').unwrap_or(("", entry.path.as_str()));
            if name == ".wh..wh..opq" {
                files.retain(|path, _| !path.starts_with(&format!("{parent}/")));
            } else if let Some(deleted) = name.strip_prefix(".wh.") {
                let deleted = format!("{parent}/{deleted}");
                files.retain(|path, _| *path != deleted && !path.starts_with(&format!("{deleted}/")));
            }
        }
        for entry in entries {
            let Some(facts) = &entry.facts else { continue };
            let below = files.remove(&entry.path).unwrap_or_default();
            files.insert(entry.path.clone(), name_layers(&entry.path, facts, layer, &below));
        }
    }
    files.into_values().flatten().collect()
}

fn name_layers(
    file: &str,
    facts: &Facts,
    layer: usize,
    below: &BTreeSet<ExpectedPackage>,
) -> BTreeSet<ExpectedPackage> {
    let named = |package: &super::PackageFact| {
        let known = below.iter().find(|old| old.name == package.name && old.version == package.version);
        ExpectedPackage {
            file: file.to_owned(),
            ecosystem: facts.ecosystem,
            name: package.name.clone(),
            version: package.version.clone(),
            layer: known.map_or(layer, |old| old.layer),
        }
    };
    facts.packages.iter().map(named).collect()
}
