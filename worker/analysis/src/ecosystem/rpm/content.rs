//! Red Hat's content manifests: from which repositories an image took its packages.

use serde::Deserialize;

use super::{Facts, File};
use crate::json;

const DIRECTORIES: [&str; 2] = ["root/buildinfo/content_manifests/", "usr/share/buildinfo/"];
/// The note under which the repositories reach the distribution.
const NOTE: &str = "content-sets";

#[derive(Deserialize)]
struct Manifest {
    #[serde(default, deserialize_with = "json::list")]
    content_sets: Vec<String>,
}

/// Whether a path is such a manifest.
pub(super) fn wants(path: &str) -> bool {
    DIRECTORIES
        .iter()
        .filter_map(|directory| path.strip_prefix(directory))
        .any(|name| name.ends_with(".json") && !name.contains('/') && name != "labels.json")
}

/// Notes the repositories.
pub(super) fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(manifest) = json::read::<Manifest>(file, "malformed", facts) else { return };
    if !manifest.content_sets.is_empty() {
        facts.notes.insert(NOTE.to_owned(), manifest.content_sets.join(" "));
    }
}
