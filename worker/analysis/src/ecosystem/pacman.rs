//! pacman (Arch Linux): a directory for each installed package, with its description and its list of files.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "pacman",
    revision: 1,
    reads: "var/lib/pacman/local/*/desc and files",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::PACMAN,
    system: true,
};

const DIRECTORY: &str = "var/lib/pacman/local/";

fn wants(candidate: Candidate<'_>) -> Want {
    let wanted = matches!(candidate.name, "desc" | "files") && candidate.path.starts_with(DIRECTORY);
    if wanted { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    if file.path.ends_with("/files") {
        facts.owner = owner(file.path).unwrap_or_default().to_owned();
        for path in section(&text, "%FILES%").filter(|path| !path.ends_with('/')) {
            facts.own(file, path);
        }
        return;
    }
    let first = |name| section(&text, name).next().unwrap_or_default().to_owned();
    let mut package = Package::plain(first("%NAME%"), first("%VERSION%"));
    if package.name.is_empty() || package.version.is_empty() {
        return facts.problem("unreadable-database", file, "it has no name or no version");
    }
    package.architecture = first("%ARCH%");
    package.source_name = first("%BASE%");
    if package.source_name == package.name {
        package.source_name.clear();
    }
    facts.package(file, package.with("packager", &first("%PACKAGER%")));
}

/// The lines after a title, up to an empty one.
fn section<'a>(text: &'a str, title: &str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .skip_while(move |line| line.trim_end() != title)
        .skip(1)
        .take_while(|line| !line.trim_end().is_empty())
}

/// `…/bash-5.2.015-1/files` belongs to bash: version and release never hold a hyphen.
fn owner(path: &str) -> Option<&str> {
    let directory = path.strip_suffix("/files")?.rsplit('/').next()?;
    directory.rsplitn(3, '-').nth(2)
}

fn package_url(package: &Package, distribution: Option<&Distribution>) -> String {
    let namespace = distribution.map_or("", |distribution| distribution.id.as_str());
    let qualifiers = [("arch", package.architecture.as_str())];
    purl("alpm", &[namespace], &package.name, &package.version, &qualifiers)
}

/// Arch's tracker is not in OSV.
fn advisory_keys(_package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    Vec::new()
}
