//! opkg (OpenWrt, Yocto): a status file of stanzas as dpkg writes them, and a list of files for each package.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "opkg",
    revision: 1,
    reads: "{usr/lib,var/lib,lib}/opkg/status and info/*.list",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::DEB,
    system: true,
};

const DIRECTORIES: [&str; 3] = ["usr/lib/opkg/", "var/lib/opkg/", "lib/opkg/"];

fn wants(candidate: Candidate<'_>) -> Want {
    let inside = DIRECTORIES.iter().find_map(|directory| candidate.path.strip_prefix(directory));
    let wanted = inside == Some("status")
        || candidate.name.ends_with(".list") && inside.is_some_and(|inside| inside.starts_with("info/"));
    if wanted { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    if let Some(stem) = file.path.strip_suffix(".list") {
        facts.owner = stem.rsplit('/').next().unwrap_or_default().to_owned();
        // The name may be followed by type and mode, parted by tabs.
        for path in text.lines().filter_map(|line| line.split('\t').next()) {
            facts.own(file, path);
        }
        return;
    }
    let mut stanza = Stanza::default();
    for line in text.lines().chain([""]) {
        if !line.trim().is_empty() {
            stanza.line(line);
        } else if stanza != Stanza::default() {
            std::mem::take(&mut stanza).finish(file, facts);
        }
    }
    if facts.packages.is_empty() && facts.problems.is_empty() {
        facts.problem("unreadable-database", file, "it names no package");
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Stanza {
    package: Package,
    status: String,
}

impl Stanza {
    fn line(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) else {
            return;
        };
        let target = match key {
            "Package" => &mut self.package.name,
            "Version" => &mut self.package.version,
            "Architecture" => &mut self.package.architecture,
            "Source" => &mut self.package.source_name,
            "Status" => &mut self.status,
            _ => return,
        };
        value.trim().clone_into(target);
    }

    fn finish(mut self, file: File<'_>, facts: &mut Facts) {
        // `install user installed`: what is wanted, flags, what is. Only the last counts.
        if !self.status.is_empty() && self.status.split_whitespace().last() != Some("installed") {
            return;
        }
        if self.package.name.is_empty() || self.package.version.is_empty() {
            return facts.problem("unreadable-database", file, "a package without a name or a version");
        }
        // OpenWrt writes the path of the recipe here.
        if let Some((_, name)) = self.package.source_name.rsplit_once('/') {
            self.package.source_name = name.to_owned();
        }
        if self.package.source_name == self.package.name {
            self.package.source_name.clear();
        }
        facts.package(file, self.package);
    }
}

fn package_url(package: &Package, distribution: Option<&Distribution>) -> String {
    let namespace = distribution.map_or("", |distribution| distribution.id.as_str());
    purl("opkg", &[namespace], &package.name, &package.version, &[("arch", &package.architecture)])
}

/// No distribution with opkg is in OSV.
fn advisory_keys(_package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    Vec::new()
}
