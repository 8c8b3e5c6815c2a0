//! Lua: the specification of each installed rock.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "lua",
    revision: 1,
    reads: "*.rockspec below a rocks directory",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::LUAROCKS,
    system: false,
};

fn wants(candidate: Candidate<'_>) -> Want {
    let rock = candidate.name.ends_with(".rockspec") && candidate.path.contains("/rocks");
    if rock { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    // Assignments at the start of a line only: the nested tables of dependencies are indented.
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.trim_start().strip_prefix('=')?.trim();
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, _) = value.get(1..)?.split_once(quote)?;
            (!value.is_empty()).then(|| value.to_owned())
        })
    };
    match (value("package"), value("version")) {
        (Some(name), Some(version)) => facts.package(file, Package::plain(name, version)),
        _ => facts.problem("malformed", file, "it has no name or no version"),
    }
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    purl("luarocks", &[], &package.name.to_lowercase(), &package.version, &[])
}

/// OSV has no ecosystem for rocks.
fn advisory_keys(_package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    Vec::new()
}
