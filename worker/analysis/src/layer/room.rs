//! What one layer may still leave in its inventory. A few bytes of a layer can stand for much: a hole in a sparse file, a
//! hard link to a database, a text that compresses well.

use crate::{
    limits::Limits,
    model::{FileFacts, Release},
};

/// Bytes of all texts that the files of a layer leave: names, versions, owned paths, notes.
const TEXT_BYTES: usize = 256 << 20;

/// Bytes of the holes in all sparse files of a layer that are read.
const HOLE_BYTES: u64 = 1 << 30;

/// Release files of a layer: one for each root file system in it.
const RELEASES: usize = 1_000;

/// The room that is left.
pub(super) struct Room {
    packages: usize,
    most_packages: usize,
    text: usize,
    holes: u64,
    releases: usize,
}

impl Room {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            packages: limits.packages,
            most_packages: limits.packages,
            text: TEXT_BYTES,
            holes: HOLE_BYTES,
            releases: RELEASES,
        }
    }

    /// Takes the room of what a file says. The error is a sentence: nothing is kept of the file then.
    pub(super) fn take(&mut self, weight: Weight) -> Result<(), String> {
        let Some(packages) = self.packages.checked_sub(weight.packages) else {
            let most = self.most_packages;
            return Err(format!("the layer has more than {most} packages; those of this file were left out"));
        };
        let Some(text) = self.text.checked_sub(weight.text) else {
            return Err(format!(
                "the layer's facts have more than {TEXT_BYTES} bytes; those of this file were left out"
            ));
        };
        let Some(releases) = self.releases.checked_sub(weight.releases) else {
            return Err(format!("the layer has more than {RELEASES} release files; this one was left out"));
        };
        (self.packages, self.text, self.releases) = (packages, text, releases);
        Ok(())
    }

    /// Takes the room of a sparse file's holes.
    pub(super) fn holes(&mut self, bytes: u64) -> Result<(), String> {
        let most = || {
            format!(
                "the layer's sparse files have more than {HOLE_BYTES} bytes of holes; this one was not read"
            )
        };
        self.holes = self.holes.checked_sub(bytes).ok_or_else(most)?;
        Ok(())
    }
}

/// How much room something takes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    packages: usize,
    text: usize,
    releases: usize,
}

impl Weight {
    pub(super) fn of(facts: &[FileFacts], release: Option<&Release>) -> Self {
        Self {
            packages: facts.iter().map(|facts| facts.packages.len()).sum(),
            text: facts.iter().map(text_bytes).sum(),
            releases: usize::from(release.is_some()),
        }
    }
}

fn text_bytes(facts: &FileFacts) -> usize {
    let packages = facts.packages.iter().map(crate::model::Package::text_bytes);
    let notes = facts.notes.iter().map(|(key, value)| key.len() + value.len());
    packages.chain(facts.owned.iter().map(String::len)).chain(notes).sum()
}
