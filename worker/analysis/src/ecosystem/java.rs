//! Java archives: jar, war, ear and their kin, archives within archives included.
//!
//! An archive names itself by Maven's `pom.properties`; a shaded one holds those of every library in it, and all
//! count. Where none is the archive's own, its manifest and then its file name are asked. An archive whose group cannot be
//! told is listed without one: it has no advisories, and a guessed group would have another project's.

mod coordinates;
mod known;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeSet};

use sha1::{Digest as _, Sha1};

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    java_index::SHA1,
    model::{Distribution, Package},
    purl::purl,
    unzip::{Archive, Budget, Entry, ZipError},
    version,
};
use coordinates::{Coordinates, Manifest};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "java",
    revision: 3,
    reads: "jar, war, ear, par, Jenkins and other Java archives, nested: pom.properties, manifest, SHA-1 index, file name",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::MAVEN,
    system: false,
};

const EXTENSIONS: [&str; 11] = ["jar", "war", "ear", "par", "hpi", "jpi", "sar", "nar", "kar", "lpkg", "rar"];
/// Bytes of a manifest or of properties that are read: the main section comes first.
const TEXT_BYTES: u64 = 1 << 20;
/// Bytes from which on an archive's content is hashed beside the archives within it.
const WORTH_SHARING: usize = 256 << 10;

fn wants(candidate: Candidate<'_>) -> Want {
    if is_archive(candidate.name) { Want::Whole } else { Want::No }
}

fn is_archive(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty() && EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}

fn parse(file: File<'_>, facts: &mut Facts) {
    // A real RAR archive is no Java archive: JCA's resource adapters only share its name.
    if file.bytes.starts_with(b"Rar!") {
        return;
    }
    let mut walk = Walk {
        file,
        facts,
        budget: Budget::new(file.limits, file.bytes.len()),
        found: BTreeSet::new(),
        spent: false,
    };
    walk.archive(file.bytes, "", 0);
}

struct Walk<'a, 'f> {
    file: File<'a>,
    facts: &'f mut Facts,
    budget: Budget,
    /// Name, version and inner path of what has been reported.
    found: BTreeSet<(String, String, String)>,
    /// Whether the budget is used up: the rest is not looked at.
    spent: bool,
}

/// What one pass over an archive's entries finds.
#[derive(Default)]
struct Found<'a> {
    poms: Vec<Coordinates>,
    manifest: Manifest,
    nested: Vec<Entry<'a>>,
}

impl Walk<'_, '_> {
    /// Reads one archive; `inner` is its path within the file, empty for the file itself.
    fn archive(&mut self, bytes: &[u8], inner: &str, depth: u32) {
        let archive = match Archive::open(bytes, &mut self.budget) {
            Ok(archive) => archive,
            Err(error) => return self.problem(inner, error),
        };
        let found = self.entries(archive, inner);
        let path = if inner.is_empty() { self.file.path } else { inner };
        let own = coordinates::own(path, &found.poms, &found.manifest);
        // What nothing names is kept by its content alone: an index may know it.
        let own = own.or_else(|| found.poms.is_empty().then(|| coordinates::unknown(path)));
        let own_place = self.facts.packages.len();
        for coordinates in own.iter().chain(&found.poms) {
            self.report(coordinates, inner);
        }
        let reported = self.facts.packages.len() > own_place;
        if !found.poms.is_empty() {
            return self.within(archive, found.nested, inner, depth);
        }
        let hash = if found.nested.is_empty() || bytes.len() < WORTH_SHARING {
            let hash = hash(bytes);
            self.within(archive, found.nested, inner, depth);
            hash
        } else {
            rayon::join(|| hash(bytes), || self.within(archive, found.nested, inner, depth)).0
        };
        if reported {
            self.facts.property(own_place, SHA1, hash);
        }
    }

    /// Reads the archives within one.
    fn within(&mut self, archive: Archive<'_>, nested: Vec<Entry<'_>>, inner: &str, depth: u32) {
        for entry in nested {
            if self.spent {
                return;
            }
            let path = if inner.is_empty() {
                entry.name.clone().into_owned()
            } else {
                format!("{inner}/{}", entry.name)
            };
            if depth >= self.file.limits.nesting || path.len() > self.file.limits.path_bytes {
                let message = format!(
                    "{path}: archives within archives are read to a depth of {}",
                    self.file.limits.nesting
                );
                return self.facts.problem("limit", self.file, message);
            }
            if let Err(error) = self.nested(archive, &entry, &path, depth) {
                self.problem(&path, error);
            }
        }
    }

    fn nested(
        &mut self,
        archive: Archive<'_>,
        entry: &Entry<'_>,
        path: &str,
        depth: u32,
    ) -> Result<(), ZipError> {
        let content = archive.whole(entry, &mut self.budget)?;
        // A stored archive is a part of the one around it: it takes no memory of its own.
        let held = if let Cow::Owned(bytes) = &content { bytes.len() } else { 0 };
        self.budget.hold(held)?;
        self.archive(&content, path, depth + 1);
        self.budget.release(held);
        Ok(())
    }

    fn entries<'a>(&mut self, archive: Archive<'a>, inner: &str) -> Found<'a> {
        let mut found = Found::default();
        let mut texts = Vec::new();
        let mut damage = None;
        for entry in archive.entries(&mut self.budget) {
            match entry {
                Ok(entry) if is_text(&entry.name) => texts.push(entry),
                Ok(entry) if is_archive(&entry.name) => found.nested.push(entry),
                Ok(_) => {}
                Err(error) => damage = Some(error),
            }
        }
        for entry in texts {
            match archive.head(&entry, TEXT_BYTES, &mut self.budget) {
                Ok(text) if entry.name.ends_with("MANIFEST.MF") => found.manifest = Manifest::read(&text),
                Ok(text) => found.poms.extend(coordinates::properties(&text)),
                Err(error) => damage = Some(error),
            }
        }
        if let Some(error) = damage {
            self.problem(inner, error);
        }
        found
    }

    fn report(&mut self, coordinates: &Coordinates, inner: &str) {
        let name = coordinates.name();
        if !self.found.insert((name.clone(), coordinates.version.clone(), inner.to_owned())) {
            return;
        }
        let mut package = Package { name, version: coordinates.version.clone(), ..Package::default() };
        if !inner.is_empty() {
            package.properties.insert("inner-path".to_owned(), inner.to_owned());
        }
        self.facts.package(self.file, package);
    }

    fn problem(&mut self, inner: &str, error: ZipError) {
        self.spent |= matches!(error, ZipError::Limit(_));
        let of = if inner.is_empty() { String::new() } else { format!("{inner}: ") };
        self.facts.problem(error.code(), self.file, format!("{of}{error}"));
    }
}

fn is_text(name: &str) -> bool {
    name == "META-INF/MANIFEST.MF" || name.ends_with("/pom.properties") || name == "pom.properties"
}

/// An archive without coordinates of its own can still be looked up by its content.
fn hash(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let (group, artifact) = package.name.split_once(':').unwrap_or(("", &package.name));
    purl("maven", &[group], artifact, &package.version, &[])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    if !package.name.contains(':') {
        return Vec::new();
    }
    vec![AdvisoryKey {
        ecosystem: "Maven".to_owned(),
        name: package.name.clone(),
        version: package.version.clone(),
    }]
}
