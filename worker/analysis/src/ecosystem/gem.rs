//! Ruby: the specifications that RubyGems writes for each installed gem.
//!
//! A specification is Ruby; RubyGems itself generates it, one attribute a line, so lines are enough.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "gem",
    revision: 1,
    reads: "specifications/**/*.gemspec",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::GEM,
    system: false,
};

fn wants(candidate: Candidate<'_>) -> Want {
    let specification = candidate.name.ends_with(".gemspec") && candidate.path.contains("specifications/");
    if specification { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    let mut variable = "";
    let (mut name, mut version, mut platform) = (None, None, None);
    for line in text.lines() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("Gem::Specification.new") {
            variable = rest.split('|').nth(1).unwrap_or_default().trim();
            continue;
        }
        let attribute = line.strip_prefix(variable).and_then(|rest| rest.strip_prefix('.'));
        let Some((key, value)) =
            attribute.filter(|_| !variable.is_empty()).and_then(|rest| rest.split_once('='))
        else {
            continue;
        };
        match key.trim() {
            "name" => name = name.or(literal(value)),
            "version" => version = version.or(literal(value)),
            "platform" => platform = platform.or(literal(value)),
            _ => {}
        }
    }
    match (name, version) {
        (Some(name), Some(version)) => {
            let platform = platform.filter(|&platform| platform != "ruby").unwrap_or_default();
            facts.package(file, Package::plain(name, version).with("platform", platform));
        }
        _ => facts.problem("malformed", file, "it has no name or no version"),
    }
}

/// The first string literal: `"rake".freeze`, `Gem::Version.new("1.0")`.
fn literal(value: &str) -> Option<&str> {
    let start = value.find(['"', '\''])?;
    let quote = value.get(start..)?.chars().next()?;
    let (literal, _) = value.get(start + 1..)?.split_once(quote)?;
    (!literal.is_empty()).then_some(literal)
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let platform = package.properties.get("platform").map_or("", String::as_str);
    purl("gem", &[], &package.name, &package.version, &[("platform", platform)])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    AdvisoryKey::plain("RubyGems", package)
}
