//! Which files belong to operating system packages: what such a package brings is not reported a second time as a
//! language package.

use std::collections::{HashMap, HashSet};

use super::links::Links;
use crate::model::FileFacts;

/// Owned paths, each with the highest layer whose package database names it.
pub(super) struct Owners<'f> {
    layers: HashMap<std::borrow::Cow<'f, str>, usize>,
}

impl<'f> Owners<'f> {
    /// Collects the lists of all package databases. A list that names its owner counts while that package is installed and
    /// comes from the distribution: nobody's advisories speak of the libraries in a third party's package.
    pub(super) fn new(databases: &[(&'f FileFacts, usize)], links: &Links<'_>) -> Self {
        let installed: HashSet<(&str, &str)> = databases
            .iter()
            .flat_map(|(facts, _)| facts.packages.iter().map(|package| (facts.ecosystem.as_str(), package)))
            .filter(|(_, package)| !package.properties.contains_key("vendor"))
            .map(|(ecosystem, package)| (ecosystem, package.name.as_str()))
            .collect();
        let mut layers = HashMap::new();
        for (facts, layer) in databases {
            if !facts.owner.is_empty()
                && !installed.contains(&(facts.ecosystem.as_str(), facts.owner.as_str()))
            {
                continue;
            }
            for path in &facts.owned {
                // A list may say lib/… where the directory is a link to usr/lib by now.
                let Some(target) = links.target(path) else { continue };
                let highest = layers.entry(target).or_insert(*layer);
                *highest = (*highest).max(*layer);
            }
        }
        Self { layers }
    }

    /// Whether what stands at the path since that layer is a package's: not if it was changed after the last change of
    /// the package database that names it.
    pub(super) fn own(&self, path: &str, since: usize) -> bool {
        self.layers.get(path).is_some_and(|layer| since <= *layer)
    }
}
