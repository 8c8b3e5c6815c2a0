//! Alpine's package manager and those who took it over: `installed`, one stanza of one-letter fields for each package.

mod repositories;

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// apk's row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "apk",
    revision: 2,
    reads: "`lib/apk/db/installed`, `usr/lib/apk/db/installed`; the release from `etc/apk/repositories`, `repositories.d/*.list`",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::APK,
    system: true,
};

fn wants(candidate: Candidate<'_>) -> Want {
    match candidate.path {
        "lib/apk/db/installed" | "usr/lib/apk/db/installed" => Want::Whole,
        path if repositories::wants(path) => Want::Whole,
        _ => Want::No,
    }
}

/// The property that names the tag of the repository to which a package is pinned.
const TAG: &str = "repository-tag";

fn parse(file: File<'_>, facts: &mut Facts) {
    if repositories::wants(file.path) {
        return repositories::parse(file, facts);
    }
    let mut package = Package::default();
    let mut directory = String::new();
    let mut lines = 0_u64;
    for line in file.bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        if line.trim().is_empty() {
            if lines > 0 {
                finish(std::mem::take(&mut package), file, facts);
            }
            lines = 0;
            directory.clear();
            continue;
        }
        lines += 1;
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match key {
            "P" => value.clone_into(&mut package.name),
            "V" => value.clone_into(&mut package.version),
            "A" => value.clone_into(&mut package.architecture),
            "o" => value.clone_into(&mut package.source_name),
            "s" if !value.is_empty() => drop(package.properties.insert(TAG.to_owned(), value.to_owned())),
            "F" => value.clone_into(&mut directory),
            "R" if directory.is_empty() => facts.own(file, value),
            "R" => facts.own(file, format!("{directory}/{value}")),
            _ => {}
        }
    }
    if lines > 0 {
        finish(package, file, facts);
    }
}

fn finish(mut package: Package, file: File<'_>, facts: &mut Facts) {
    if package.name.is_empty() || package.version.is_empty() {
        let name = if package.name.is_empty() { "without a name" } else { package.name.as_str() };
        facts.problem("malformed", file, format!("the entry of package {name} has no version or no name"));
        return;
    }
    if package.source_name == package.name {
        package.source_name.clear();
    }
    facts.package(file, package);
}

fn package_url(package: &Package, distribution: Option<&Distribution>) -> String {
    let id = distribution.map_or("", |distribution| distribution.id.as_str());
    let distro = distribution.filter(|distribution| !distribution.version.is_empty());
    let distro = distro.map_or_else(String::new, |distro| format!("{}-{}", distro.id, distro.version));
    let qualifiers = [("arch", package.architecture.as_str()), ("distro", distro.as_str())];
    purl("apk", &[id], &package.name, &package.version, &qualifiers)
}

/// Advisories name the origin: the recipe from which packages are built.
fn advisory_keys(package: &Package, distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    let Some(distribution) = distribution else { return Vec::new() };
    let name = if package.source_name.is_empty() { &package.name } else { &package.source_name };
    let key = |ecosystem| AdvisoryKey { ecosystem, name: name.clone(), version: package.version.clone() };
    let tag = package.properties.get(TAG).map(String::as_str);
    ecosystems(distribution, tag).into_iter().map(key).collect()
}

/// OSV's ecosystems of the release. Alpine's is that of the repositories, where they name one.
fn ecosystems(distribution: &Distribution, tag: Option<&str>) -> Vec<String> {
    let repositories = distribution.fields.get(repositories::NOTE).map_or("", String::as_str);
    let repository = tag
        .and_then(|tag| repositories::release(repositories, Some(tag)))
        .or_else(|| repositories::release(repositories, None));
    if distribution.id == "alpine"
        && let Some(release) = repository
    {
        return vec![format!("Alpine:{release}")];
    }
    let mut release = distribution.version.split('.');
    let major = release.next().unwrap_or_default();
    match distribution.id.as_str() {
        // The rolling branch calls itself the release to come: 3.19_alpha20230901.
        "alpine" if distribution.version.contains("_alpha") => vec!["Alpine:edge".to_owned()],
        "alpine" => release.next().map(|minor| format!("Alpine:v{major}.{minor}")).into_iter().collect(),
        "wolfi" => vec!["Wolfi".to_owned()],
        // Built from the same recipes: both feeds speak of its packages.
        "chainguard" => vec!["Chainguard".to_owned(), "Wolfi".to_owned()],
        "minimos" => vec!["MinimOS".to_owned()],
        "alpaquita" if !major.is_empty() => vec![format!("Alpaquita:{major}")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::ecosystems;
    use crate::model::Distribution;

    #[test]
    fn releases() {
        for (id, version, expected) in [
            ("alpine", "3.10.2", &["Alpine:v3.10"][..]),
            ("alpine", "3.23.0_alpha20250612", &["Alpine:edge"]),
            ("alpine", "", &[]),
            ("wolfi", "20230201", &["Wolfi"]),
            ("chainguard", "20230214", &["Chainguard", "Wolfi"]),
            ("alpaquita", "stream", &["Alpaquita:stream"]),
            ("postmarketos", "v23.06", &[]),
        ] {
            let (id, version) = (id.to_owned(), version.to_owned());
            assert_eq!(ecosystems(&Distribution { id, version, ..Distribution::default() }, None), expected);
        }
    }

    #[test]
    fn repositories_say_which_release() {
        for (id, note, tag, expected) in [
            ("alpine", "v3.19/main", None, &["Alpine:v3.19"][..]),
            ("alpine", "edge/main\nedge/community", None, &["Alpine:edge"]),
            ("alpine", "v3.18/main\n@new edge/main", Some("new"), &["Alpine:edge"]),
            ("alpine", "v3.18/main\n@new edge/main", Some("gone"), &["Alpine:v3.18"]),
            ("alpine", "edge/testing", None, &["Alpine:v3.18"]),
            ("wolfi", "v3.19/main", None, &["Wolfi"]),
        ] {
            let fields = [("repositories".to_owned(), note.to_owned())].into();
            let (id, version) = (id.to_owned(), "3.18.4".to_owned());
            let distribution = Distribution { id, version, fields, ..Distribution::default() };
            assert_eq!(ecosystems(&distribution, tag), expected, "{note}");
        }
    }
}
