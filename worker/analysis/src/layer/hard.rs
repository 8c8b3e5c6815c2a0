//! Hard links within a layer: a name gets what the entry that it is another name of says.

use super::collect::Record;
use crate::{
    distro,
    ecosystem::{self, Candidate},
    model::{FileFacts, Link, Release},
};

/// A hard link, until the layer was read to its end: its target may still be unparsed.
pub(super) struct HardLink {
    /// Number of its entry.
    pub(super) entry: u64,
    pub(super) path: String,
    pub(super) target: String,
    pub(super) executable: bool,
}

/// What stands at the link, by what stands at its target. What this layer does not know is left to *squash*.
pub(super) fn followed(link: &HardLink, target: Option<&Record>) -> Record {
    let name = link.path.rsplit('/').next().unwrap_or_default();
    let mut record = Record { entry: link.entry, ..Record::default() };
    let mut unread = true;
    if let Some(target) = target {
        (record.size, record.weight) = (target.size, target.weight);
        let candidate = Candidate { path: &link.path, name, size: target.size, executable: link.executable };
        let rows = ecosystem::wanting(candidate);
        let of_row = |facts: &&FileFacts| rows.iter().any(|row| row.name == facts.ecosystem);
        let copy = |facts: &FileFacts| FileFacts { path: link.path.clone(), ..facts.clone() };
        record.facts = target.facts.iter().filter(of_row).map(copy).collect();
        record.link = target.link.as_ref().map(|target| Link { path: link.path.clone(), ..target.clone() });
        if distro::wants(&link.path, name) {
            record.release =
                target.release.as_ref().map(|release| Release { path: link.path.clone(), ..release.clone() });
        }
        let target_name = link.target.rsplit('/').next().unwrap_or_default();
        let read = ecosystem::wanting(Candidate { path: &link.target, name: target_name, ..candidate });
        unread = !rows.iter().all(|row| read.iter().any(|other| other.name == row.name))
            || (distro::wants(&link.path, name) && !distro::wants(&link.target, target_name));
    }
    let known = !record.facts.is_empty() || record.release.is_some() || record.link.is_some();
    if !known && unread {
        record.link = Some(Link { path: link.path.clone(), target: link.target.clone(), hard: true });
    }
    record
}
