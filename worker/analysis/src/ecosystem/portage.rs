//! Portage (Gentoo): a directory for each installed package, named by category, name and version; its `CONTENTS` lists
//! the files.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "portage",
    revision: 1,
    reads: "var/db/pkg/*/*/CONTENTS",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::PORTAGE,
    system: true,
};

const DIRECTORY: &str = "var/db/pkg/";

fn wants(candidate: Candidate<'_>) -> Want {
    let wanted = candidate.name == "CONTENTS" && candidate.path.starts_with(DIRECTORY);
    if wanted { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let inside = file.path.strip_prefix(DIRECTORY).and_then(|path| path.strip_suffix("/CONTENTS"));
    let Some((category, (name, version))) = inside
        .and_then(|inside| inside.split_once('/'))
        .and_then(|(category, full)| Some((category, split(full)?)))
    else {
        return facts.problem("unreadable-database", file, "its directory names no package with a version");
    };
    facts.package(file, Package::plain(format!("{category}/{name}"), version));
    let Some(text) = facts.text(file) else { return };
    for line in text.lines() {
        if let Some(entry) = line.strip_prefix("obj ") {
            // Path, checksum, time of change; only the path may hold spaces.
            entry.rsplitn(3, ' ').nth(2).into_iter().for_each(|path| facts.own(file, path));
        } else if let Some(entry) = line.strip_prefix("sym ") {
            entry.split_once(" -> ").into_iter().for_each(|(path, _)| facts.own(file, path));
        }
    }
}

/// `openssl-3.0.9-r1` is version 3.0.9-r1 of openssl: a name never ends like a version, so the first hyphen with a
/// digit after it, of which the rest is a version, parts them.
fn split(full: &str) -> Option<(&str, &str)> {
    full.match_indices('-').find_map(|(at, _)| {
        let (name, version) = (full.get(..at)?, full.get(at + 1..)?);
        let (number, revision) = version.split_once("-r").unwrap_or((version, "0"));
        let sound = !name.is_empty()
            && number.starts_with(|first: char| first.is_ascii_digit())
            && !number.contains('-')
            && revision.bytes().all(|byte| byte.is_ascii_digit());
        sound.then_some((name, version))
    })
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let (category, name) = package.name.split_once('/').unwrap_or(("", &package.name));
    purl("ebuild", &[category], name, &package.version, &[])
}

/// Gentoo's advisories are not in OSV.
fn advisory_keys(_package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    Vec::new()
}
