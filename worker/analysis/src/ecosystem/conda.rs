//! Conda: one record of an installed package in each file of `conda-meta`.

use serde::Deserialize;

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    json,
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "conda",
    revision: 1,
    reads: "conda-meta/*.json",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::CONDA,
    system: false,
};

#[derive(Deserialize)]
struct Record {
    name: String,
    version: String,
    #[serde(default)]
    build: String,
    #[serde(default)]
    subdir: String,
    #[serde(default)]
    channel: String,
}

fn wants(candidate: Candidate<'_>) -> Want {
    let directory = candidate.path.strip_suffix(candidate.name).unwrap_or_default();
    let record = candidate.name.ends_with(".json") && directory.ends_with("conda-meta/");
    if record { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    match json::read::<Record>(file, "malformed", facts) {
        Some(record) if !record.name.is_empty() && !record.version.is_empty() => {
            let package =
                Package { architecture: record.subdir, ..Package::plain(record.name, record.version) };
            let channel = record.channel.trim_end_matches('/');
            let channel =
                channel.strip_suffix(&package.architecture).unwrap_or(channel).trim_end_matches('/');
            let channel = channel.rsplit('/').next().unwrap_or_default();
            facts.package(file, package.with("build", &record.build).with("channel", channel));
        }
        Some(_) => facts.problem("malformed", file, "it has no name or no version"),
        None => {}
    }
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    let property = |key: &str| package.properties.get(key).map_or("", String::as_str);
    let qualifiers = [
        ("build", property("build")),
        ("channel", property("channel")),
        ("subdir", package.architecture.as_str()),
    ];
    purl("conda", &[], &package.name, &package.version, &qualifiers)
}

/// No advisories name conda's packages; what they install for Python is found on its own.
fn advisory_keys(_package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    Vec::new()
}
