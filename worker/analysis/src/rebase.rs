//! *rebase*: the layers that an application adds, as they would be on another base.
//!
//! A layer that runs a package manager holds the manager's whole database, the base's packages included. On another base the
//! same step would leave what that base has, and what the step itself changed. So a database of an upper layer is taken
//! apart against the old base and put together against the new one; release files of upper layers give way to the new
//! base's. All else stays as the layers have it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    ecosystem::{self, Ecosystem},
    model::{FileFacts, Inventory, Package},
};

#[cfg(test)]
mod tests;

/// An application's layers on a new base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebased {
    /// The application's layers, to be squashed above those of the new base.
    pub layers: Vec<Inventory>,
    /// Package databases that the application's layers write and the new base does not have: its steps would not run there
    /// as they are.
    pub foreign: BTreeSet<String>,
}

/// Puts the layers above the first `base` ones of an image onto another base.
#[must_use]
pub fn rebase(image: &[&Inventory], base: usize, onto: &[&Inventory]) -> Rebased {
    let (below, above) = image.split_at_checked(base).unwrap_or((image, &[]));
    let (old, new) = (databases(below), databases(onto));
    let releases = onto.iter().any(|layer| !layer.releases.is_empty());
    let mut rebased = Rebased::default();
    for layer in above {
        let mut layer = (*layer).clone();
        if releases && !layer.releases.is_empty() {
            layer.releases.clear();
        }
        for file in &mut layer.files {
            let Some(row) = ecosystem::by_name(&file.ecosystem).filter(|row| row.system) else { continue };
            let Some(before) = old.get(&key(file)).filter(|_| !file.packages.is_empty()) else { continue };
            match new.get(&key(file)) {
                Some(after) => merge(row, file, before, after),
                None => {
                    rebased.foreign.insert(row.name.to_owned());
                    merge(row, file, before, &FileFacts::default());
                }
            }
        }
        rebased.layers.push(layer);
    }
    rebased
}

type Place = (String, String);

fn key(file: &FileFacts) -> Place {
    (file.path.clone(), file.ecosystem.clone())
}

/// The package databases of some layers, as the last layer that has each left it.
fn databases<'l>(layers: &[&'l Inventory]) -> BTreeMap<Place, &'l FileFacts> {
    let files = layers.iter().flat_map(|layer| &layer.files).filter(|file| !file.packages.is_empty());
    let system = |file: &&FileFacts| ecosystem::by_name(&file.ecosystem).is_some_and(|row| row.system);
    files.filter(system).map(|file| (key(file), file)).collect()
}

/// Packages of one name and architecture, in order of version.
type Versions<'p> = BTreeMap<(&'p str, &'p str), Vec<&'p Package>>;

fn versions(packages: &[Package]) -> Versions<'_> {
    let mut versions = Versions::new();
    for package in packages {
        versions.entry((&package.name, &package.architecture)).or_default().push(package);
    }
    versions.values_mut().for_each(|list| list.sort());
    versions
}

/// What the step that made `file` would have left, had it started from `after` rather than `before`.
fn merge(row: &Ecosystem, file: &mut FileFacts, before: &FileFacts, after: &FileFacts) {
    let (own, old, new) = (versions(&file.packages), versions(&before.packages), versions(&after.packages));
    let mut packages: Vec<Package> = Vec::new();
    let names: BTreeSet<_> = own.keys().chain(new.keys()).collect();
    for name in names {
        let (own, old, new) = (own.get(name), old.get(name), new.get(name));
        let kept = match (own, old, new) {
            // Untouched by the step: the base's matter.
            (Some(own), Some(old), new) if own == old => new,
            // Removed by the step.
            (None, Some(_), _) => None,
            (None, None, new) => new,
            // Changed by the step, on a base that has something else: what is newer.
            (Some(own), Some(old), Some(new)) if old != new => Some(newer(row, own, new)),
            // Installed by the step: a package manager leaves what is there and newer.
            (Some(own), None, Some(new)) => Some(newer(row, own, new)),
            (own, ..) => own,
        };
        packages.extend(kept.into_iter().flatten().copied().cloned());
    }
    let place: BTreeMap<&Package, usize> = file.packages.iter().zip(0..).collect();
    let last = place.len();
    packages.sort_by_cached_key(|package| place.get(package).copied().unwrap_or(last));
    file.packages = packages;
    let owned: BTreeSet<String> = file.owned.iter().chain(&after.owned).cloned().collect();
    file.owned = owned.into_iter().collect();
    file.notes.extend(after.notes.iter().map(|(key, value)| (key.clone(), value.clone())));
}

/// The one of two lists of versions whose newest is newer; the first where that cannot be told.
fn newer<'l, 'p>(
    row: &Ecosystem,
    own: &'l Vec<&'p Package>,
    new: &'l Vec<&'p Package>,
) -> &'l Vec<&'p Package> {
    let newest = |list: &[&'p Package]| {
        list.iter().copied().reduce(|best, one| match (row.order.compare)(&best.version, &one.version) {
            Some(Ordering::Less) => one,
            _ => best,
        })
    };
    match (newest(own), newest(new)) {
        (Some(left), Some(right))
            if (row.order.compare)(&left.version, &right.version) == Some(Ordering::Less) =>
        {
            new
        }
        _ => own,
    }
}
