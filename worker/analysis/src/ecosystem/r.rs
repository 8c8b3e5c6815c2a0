//! R: the description of each installed package. Only an installed one says with which R it was built.

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// The row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "r",
    revision: 1,
    reads: "DESCRIPTION of installed R packages",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::DOTTED,
    system: false,
};

fn wants(candidate: Candidate<'_>) -> Want {
    if candidate.name == "DESCRIPTION" { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    let Some(text) = facts.text(file) else { return };
    let field = |name: &str| {
        let value =
            |line: &'_ str| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_owned());
        text.lines().find_map(value).filter(|value| !value.is_empty())
    };
    // Other programs have files of this name too: without these two fields it is none of R's.
    let (Some(name), Some(_)) = (field("Package"), field("Built")) else { return };
    match field("Version") {
        Some(version) => {
            let repository = field("Repository").unwrap_or_default();
            facts.package(file, Package::plain(name, version).with("repository", &repository));
        }
        None => facts.problem("malformed", file, "it has no version"),
    }
}

fn package_url(package: &Package, _distribution: Option<&Distribution>) -> String {
    purl("cran", &[], &package.name, &package.version, &[])
}

fn advisory_keys(package: &Package, _distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    AdvisoryKey::plain("CRAN", package)
}
