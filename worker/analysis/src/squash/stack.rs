//! The layers applied one after another: what stands at each path, and which layer brought it.

use std::{collections::BTreeMap, ops::Bound};

use super::{candidate, links::Links, problem};
use crate::{
    ecosystem,
    model::{FileFacts, Inventory, Link, Problem, Release},
};

/// What one row knows of one path.
#[derive(Debug, Clone)]
pub(super) struct Placed<'l> {
    pub(super) facts: &'l FileFacts,
    /// The layer that last wrote the file.
    pub(super) layer: usize,
    /// For each package, the layer since which the file has named it without a break.
    pub(super) since: Vec<usize>,
}

/// The image as far as the layers are applied.
#[derive(Debug, Default)]
pub(super) struct Stack<'l> {
    files: BTreeMap<&'l str, Vec<Placed<'l>>>,
    releases: BTreeMap<&'l str, &'l Release>,
    pub(super) links: Links<'l>,
    /// Packages that hard links have named again.
    copies: usize,
}

/// Packages of lower layers that the hard links of an image may name again.
const MAX_COPIES: usize = 1_000_000;

impl<'l> Stack<'l> {
    /// Applies the next layer. A deletion reaches only what lower layers have, wherever it stands in the archive.
    pub(super) fn push(
        &mut self,
        number: usize,
        layer: &'l Inventory,
        problems: &mut Vec<(Problem, Option<usize>)>,
    ) {
        let linked = self.hard_links(number, layer, problems);
        for directory in &layer.opaques {
            self.hide_below(directory);
            self.links.remove(directory);
        }
        for path in &layer.whiteouts {
            self.hide(path);
        }
        let mut before: BTreeMap<&str, Vec<Placed<'l>>> = BTreeMap::new();
        let mut last = "";
        for path in replaced(layer) {
            if let Some(placed) = self.files.remove(path) {
                before.insert(path, placed);
            }
            self.hide(path);
            self.hide_above(path, last);
            last = path;
        }
        for facts in &layer.files {
            let since = since(number, facts, before.get(facts.path.as_str()));
            self.files.entry(&facts.path).or_default().push(Placed { facts, layer: number, since });
        }
        for (path, placed) in linked {
            self.files.insert(path, placed);
        }
        self.releases.extend(layer.releases.iter().map(|release| (release.path.as_str(), release)));
        for link in layer.links.iter().filter(|link| !link.hard) {
            self.links.insert(number, link);
        }
    }

    /// Every file, in order of path.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'l str, &Placed<'l>)> {
        self.files.iter().flat_map(|(path, placed)| placed.iter().map(move |placed| (*path, placed)))
    }

    /// What a row knows of a path.
    pub(super) fn file(&self, path: &str, row: &str) -> Option<&Placed<'l>> {
        self.files.get(path)?.iter().find(|placed| placed.facts.ecosystem == row)
    }

    /// The release file at a path, or where links from it lead.
    pub(super) fn release(&self, path: &str) -> Option<&'l Release> {
        self.releases.get(self.links.target(path)?.as_ref()).copied()
    }

    /// Hard links to files of lower layers: they get what stands there now.
    fn hard_links(
        &mut self,
        number: usize,
        layer: &'l Inventory,
        problems: &mut Vec<(Problem, Option<usize>)>,
    ) -> Vec<(&'l str, Vec<Placed<'l>>)> {
        let mut linked = Vec::new();
        for Link { path, target, .. } in layer.links.iter().filter(|link| link.hard) {
            let rows = ecosystem::wanting(candidate(path));
            let placed: Vec<Placed<'l>> = (self.files.get(target.as_str()).into_iter().flatten())
                .filter(|placed| rows.iter().any(|row| row.name == placed.facts.ecosystem))
                .map(|placed| Placed {
                    layer: number,
                    since: vec![number; placed.since.len()],
                    ..placed.clone()
                })
                .collect();
            self.copies = self.copies.saturating_add(placed.iter().map(|placed| placed.since.len()).sum());
            if self.copies > MAX_COPIES {
                let message =
                    format!("hard links name packages of lower layers more than {MAX_COPIES} times");
                problems.push((problem("limit", &message, path), Some(number)));
                break;
            }
            if placed.is_empty() {
                let message = format!("is a hard link to {target}, whose content was not read");
                problems.push((problem("unread-link", &message, path), Some(number)));
            } else {
                linked.push((path.as_str(), placed));
            }
        }
        linked
    }

    /// The path and all below it are gone.
    fn hide(&mut self, path: &str) {
        self.files.remove(path);
        self.releases.remove(path);
        self.links.remove(path);
        self.hide_below(path);
    }

    fn hide_below(&mut self, directory: &str) {
        remove_below(&mut self.files, directory);
        remove_below(&mut self.releases, directory);
        self.links.remove_below(directory);
    }

    /// What has something below it is a directory now, whatever it was. What is also above the path before was seen to.
    fn hide_above(&mut self, path: &str, before: &str) {
        let mut rest = path;
        while let Some((directory, _)) = rest.rsplit_once('/') {
            if before.strip_prefix(directory).is_some_and(|below| below.starts_with('/')) {
                return;
            }
            self.files.remove(directory);
            self.releases.remove(directory);
            self.links.remove(directory);
            rest = directory;
        }
    }
}

/// Removes all that is below a directory; the root is the empty path.
pub(super) fn remove_below<V>(map: &mut BTreeMap<&str, V>, directory: &str) {
    if directory.is_empty() {
        map.clear();
        return;
    }
    // Mostly there is nothing: then the path that follows, if any, is of elsewhere.
    let after = (Bound::Excluded(directory), Bound::Unbounded);
    let next = map.range::<str, _>(after).next();
    if next.is_none_or(|(path, _)| !path.starts_with(directory)) {
        return;
    }
    let prefix = format!("{directory}/");
    loop {
        let Some((path, _)) = map.range(prefix.as_str()..).next() else { return };
        if !path.starts_with(&prefix) {
            return;
        }
        let path = *path;
        map.remove(path);
    }
}

/// Every path at which the layer puts something in place of what was there.
fn replaced(layer: &Inventory) -> impl Iterator<Item = &str> {
    (layer.files.iter().map(|file| file.path.as_str()))
        .chain(layer.releases.iter().map(|release| release.path.as_str()))
        .chain(layer.links.iter().map(|link| link.path.as_str()))
        .chain(layer.others.iter().map(String::as_str))
}

/// For each package of a new version of a file: the layer of the version before if that names the same package, else this one.
fn since(number: usize, facts: &FileFacts, before: Option<&Vec<Placed<'_>>>) -> Vec<usize> {
    let before = before.into_iter().flatten().find(|placed| placed.facts.ecosystem == facts.ecosystem);
    let known: BTreeMap<(&str, &str, &str), usize> = before
        .into_iter()
        .flat_map(|placed| placed.facts.packages.iter().zip(&placed.since))
        .map(|(package, since)| {
            ((package.name.as_str(), package.version.as_str(), package.architecture.as_str()), *since)
        })
        .collect();
    let layer = |package: &crate::model::Package| {
        known.get(&(package.name.as_str(), package.version.as_str(), package.architecture.as_str())).copied()
    };
    facts.packages.iter().map(|package| layer(package).unwrap_or(number)).collect()
}
