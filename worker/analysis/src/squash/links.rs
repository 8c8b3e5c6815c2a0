//! Symbolic links of an image, and where they lead within its root.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::{BTreeMap, VecDeque},
};

use super::stack::remove_below;
use crate::model::Link;

/// More links than this on one way are a circle: Linux stops there, too.
const MAX_HOPS: usize = 40;

/// Components that are looked at on one way: links whose targets are long detours lead nowhere, too.
const MAX_STEPS: usize = 512;

/// Components that are looked at on all ways of an image: a big one has some million.
const MAX_ALL_STEPS: u64 = 30_000_000;

/// Links by their paths, with the layer of each.
#[derive(Debug)]
pub(super) struct Links<'l> {
    map: BTreeMap<&'l str, (usize, &'l Link)>,
    /// Steps that are left of all.
    left: Cell<u64>,
}

impl Default for Links<'_> {
    fn default() -> Self {
        Self { map: BTreeMap::new(), left: Cell::new(MAX_ALL_STEPS) }
    }
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// No link is on the way.
    Itself,
    /// To this path.
    Other(String),
    /// Nowhere.
    Circle,
}

impl<'l> Links<'l> {
    pub(super) fn insert(&mut self, layer: usize, link: &'l Link) {
        self.map.insert(&link.path, (layer, link));
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.map.remove(path);
    }

    pub(super) fn remove_below(&mut self, directory: &str) {
        remove_below(&mut self.map, directory);
    }

    /// Paths of all links, with the layer of each.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&'l str, usize)> {
        self.map.iter().map(|(path, (layer, _))| (*path, *layer))
    }

    /// Where a path leads when every link on the way, the last component's too, is followed within the root.
    pub(super) fn follow(&self, path: &str) -> Followed {
        let mut rest: VecDeque<&str> = path.split('/').collect();
        let mut at = String::with_capacity(path.len());
        let mut hops = 0;
        let mut steps = 0;
        while let Some(component) = rest.pop_front() {
            steps += 1;
            if steps > MAX_STEPS || self.is_exhausted() {
                return Followed::Circle;
            }
            self.left.set(self.left.get() - 1);
            match component {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let parent = at.len();
            if parent > 0 {
                at.push('/');
            }
            at.push_str(component);
            let Some((_, link)) = self.map.get(at.as_str()) else { continue };
            hops += 1;
            if hops > MAX_HOPS {
                return Followed::Circle;
            }
            at.truncate(if link.target.starts_with('/') { 0 } else { parent });
            for component in link.target.split('/').take(MAX_STEPS).collect::<Vec<_>>().into_iter().rev() {
                rest.push_front(component);
            }
        }
        if hops == 0 { Followed::Itself } else { Followed::Other(at) }
    }

    /// Whether so many links were followed that none is any more.
    pub(super) fn is_exhausted(&self) -> bool {
        self.left.get() == 0
    }

    /// As `follow`: the path at which the content stands, unless links lead in a circle.
    pub(super) fn target<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        match self.follow(path) {
            Followed::Itself => Some(Cow::Borrowed(path)),
            Followed::Other(target) => Some(Cow::Owned(target)),
            Followed::Circle => None,
        }
    }
}
