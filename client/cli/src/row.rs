//! A finding with all that it points to, and the facts that several output formats tell of it in the same words.

use std::sync::LazyLock;

use strata_proto::{
    reference::Reference,
    v1::{Finding, FixState, Layer, Package, Problem, Report, Severity},
};

use crate::results::Image;

static NO_PACKAGE: LazyLock<Package> = LazyLock::new(Package::default);

/// One finding of an image.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The finding.
    pub finding: &'a Finding,
    /// Its package; without a name where the report points to none.
    pub package: &'a Package,
    /// The layer that brought the package.
    pub layer: Option<&'a Layer>,
}

/// Every finding of a report, in its order.
#[must_use]
pub fn rows(report: &Report) -> Vec<Row<'_>> {
    let package = |at: u32| usize::try_from(at).ok().and_then(|at| report.packages.get(at));
    report
        .findings
        .iter()
        .map(|finding| {
            let package = package(finding.package).unwrap_or(&NO_PACKAGE);
            Row { finding, package, layer: layer(report, package) }
        })
        .collect()
}

/// The layer that brought a package.
#[must_use]
pub fn layer<'a>(report: &'a Report, package: &Package) -> Option<&'a Layer> {
    usize::try_from(package.layer).ok().and_then(|at| report.layers.get(at))
}

/// The name by which an image is shown: its first reference, else its digest.
#[must_use]
pub fn name(image: &Image) -> &str {
    image.references.first().map_or(image.report.image_digest.as_str(), String::as_str)
}

/// The name with the platform, where images of several platforms are shown together.
#[must_use]
pub fn title(image: &Image) -> String {
    with_platform(name(image), image)
}

/// A name of an image with the platform, as in [`title`].
#[must_use]
pub fn with_platform(name: &str, image: &Image) -> String {
    image.platform.as_ref().map_or_else(|| name.to_owned(), |platform| format!("{name} ({platform})"))
}

/// `os/architecture[/variant]`; `/` where nothing is known.
#[must_use]
pub fn platform(report: &Report) -> String {
    let Some(platform) = &report.platform else { return "/".to_owned() };
    let variant = if platform.variant.is_empty() { String::new() } else { format!("/{}", platform.variant) };
    format!("{}/{}{variant}", platform.os, platform.architecture)
}

/// A problem's sentence with the file that it is about: by itself, `is not valid JSON` says nothing.
#[must_use]
pub fn said(problem: &Problem) -> String {
    match problem.file.as_str() {
        "" => problem.message.clone(),
        file => format!("{} [{file}]", problem.message),
    }
}

/// What stays the same of an image's name from one build to the next: the repository with its host; for an archive the
/// repository that is named in it, else the name of the file.
#[must_use]
pub fn repository(image: &Image) -> String {
    repository_of(name(image))
}

/// As [`repository`], of one reference.
#[must_use]
pub fn repository_of(name: &str) -> String {
    let name = of_engine(name).unwrap_or(name);
    let Some((path, tail)) = archive(name) else {
        return without_tag(name).unwrap_or_else(|| name.to_owned());
    };
    let file = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
    let inner = if tail.contains([':', '/']) { without_tag(tail) } else { None };
    inner.unwrap_or_else(|| file.to_owned())
}

/// A name as a registry would have it; of an archive the one that is named in it, if it is.
#[must_use]
pub fn registry_name(name: &str) -> Option<&str> {
    match archive(name) {
        Some((_, tail)) => tail.contains([':', '/']).then_some(tail),
        None => Some(of_engine(name).unwrap_or(name)),
    }
}

/// Scheme and path of an archive's name; `None` where it names none.
#[must_use]
pub fn file(name: &str) -> Option<&str> {
    let (path, tail) = archive(name)?;
    let selector = if tail.is_empty() { 0 } else { tail.len() + 1 };
    name.get(..name.len().checked_sub(selector)?).filter(|file| file.ends_with(path))
}

/// The names of an image that are those of a registry; of an archive the one that is named in it.
#[must_use]
pub fn tags(image: &Image) -> Vec<&str> {
    image
        .references
        .iter()
        .filter_map(|name| registry_name(name))
        .filter(|name| !name.contains('@') && !name.starts_with("sha256:"))
        .collect()
}

/// The name of a container engine's image.
fn of_engine(name: &str) -> Option<&str> {
    ["docker-daemon:", "containerd:"].iter().find_map(|scheme| name.strip_prefix(scheme))
}

/// Path and selector of a reference to an archive.
fn archive(name: &str) -> Option<(&str, &str)> {
    let schemes = ["docker-archive:", "oci-archive:", "oci:", "sbom:", "dir:"];
    let rest = schemes.iter().find_map(|scheme| name.strip_prefix(scheme))?;
    Some(rest.split_once([':', '@']).unwrap_or((rest, "")))
}

fn without_tag(name: &str) -> Option<String> {
    let reference: Reference = name.parse().ok()?;
    // A report that is shown by its digest alone has no repository.
    if name.starts_with("sha256:") {
        return None;
    }
    Some(format!("{}/{}", reference.host, reference.repository))
}

/// Name and release of the distribution; empty when it is not known.
#[must_use]
pub fn system(report: &Report) -> String {
    let Some(found) = &report.distribution else { return String::new() };
    format!("{} {}", found.id, found.version).trim().to_owned()
}

/// Where people read about an identifier; `None` for one that has no page that is known.
#[must_use]
pub fn url(id: &str) -> Option<String> {
    let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
    let known = ["GHSA-", "PYSEC-", "GO-", "RUSTSEC-", "MAL-", "OSV-", "DSA-", "DLA-", "DEBIAN-", "ALPINE-"];
    match id {
        _ if !plain => None,
        _ if id.starts_with("CVE-") => Some(format!("https://nvd.nist.gov/vuln/detail/{id}")),
        _ if known.iter().any(|start| id.starts_with(start)) => {
            Some(format!("https://osv.dev/vulnerability/{id}"))
        }
        _ => None,
    }
}

/// Whether `file` is the package's own place rather than the database of a package manager.
#[must_use]
pub fn is_of_system(package: &Package) -> bool {
    ["apk", "bottlerocket", "chisel", "dpkg", "opkg", "pacman", "portage", "rpm"]
        .contains(&package.ecosystem.as_str())
}

impl Row<'_> {
    /// CVSS base score, 0 to 10; `None` where there is none.
    #[must_use]
    pub fn cvss(&self) -> Option<f64> {
        (self.finding.cvss_tenths > 0).then(|| f64::from(self.finding.cvss_tenths) / 10.0)
    }

    /// Probability of exploitation, 0 to 1; `None` where it is not known.
    #[must_use]
    pub fn epss(&self) -> Option<f64> {
        (self.finding.epss_millionths > 0).then(|| f64::from(self.finding.epss_millionths) / 1_000_000.0)
    }

    /// Risk in points of 100.
    #[must_use]
    pub fn risk(&self) -> f64 {
        f64::from(self.finding.risk_millionths) / 10_000.0
    }

    /// Whether a statement or an accepted risk says that it does not count.
    #[must_use]
    pub fn is_suppressed(&self) -> bool {
        !self.finding.suppressed.is_empty()
    }

    /// What to do, in one sentence.
    #[must_use]
    pub fn advice(&self) -> String {
        let package = &self.package.name;
        match self.finding.fix_state() {
            FixState::Fixed => format!("Update {package} to {} or later.", self.finding.fixed_version),
            FixState::NotFixed => format!("There is no fixed version of {package} yet."),
            FixState::WillNotFix => format!("The distributor will not fix {package}."),
            FixState::Deferred => format!("The distributor has put the fix of {package} off."),
            FixState::UnderInvestigation => {
                format!("The distributor has yet to tell whether {package} is affected.")
            }
            FixState::EndOfLife => {
                format!("{package} gets no more fixes: its release is at its end of life.")
            }
            FixState::Unspecified => format!("Nothing is known of a fix for {package}."),
        }
    }

    /// One line on the flaw: the advisory's title, else what is affected.
    #[must_use]
    pub fn title(&self) -> String {
        let Self { finding, package, .. } = self;
        if finding.title.is_empty() {
            format!("{} in {} {}", finding.id, package.name, package.version)
        } else {
            finding.title.clone()
        }
    }

    /// All names of the flaw but the first, each once.
    #[must_use]
    pub fn other_ids(&self) -> Vec<&str> {
        let finding = self.finding;
        let mut ids = Vec::new();
        for id in std::iter::once(&finding.advisory).chain(&finding.aliases) {
            if !id.is_empty() && *id != finding.id && !ids.contains(&id.as_str()) {
                ids.push(id.as_str());
            }
        }
        ids
    }
}

/// The word for a fix state in documents for programs.
#[must_use]
pub const fn fix_state(state: FixState) -> &'static str {
    match state {
        FixState::Unspecified => "unknown",
        FixState::Fixed => "fixed",
        FixState::NotFixed => "not-fixed",
        FixState::WillNotFix => "will-not-fix",
        FixState::Deferred => "deferred",
        FixState::UnderInvestigation => "under-investigation",
        FixState::EndOfLife => "end-of-life",
    }
}

/// `Critical`, as GitLab and people write it.
#[must_use]
pub const fn capitalised(severity: Severity) -> &'static str {
    match severity {
        Severity::Unspecified => "Unknown",
        Severity::Negligible => "Info",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_the_same_for_every_build() {
        for (reference, expected) in [
            ("127.0.0.1:5917/acme/app:1.2", "127.0.0.1:5917/acme/app"),
            ("docker.io/library/alpine:3.20", "docker.io/library/alpine"),
            ("docker-archive:/builds/1/image.tar", "image.tar"),
            ("docker-archive:/builds/1/image.tar@0", "image.tar"),
            ("docker-archive:/builds/1/image.tar:ghcr.io/acme/app:abc123", "ghcr.io/acme/app"),
            ("oci:/builds/layout:v1", "layout"),
            ("oci-archive:/x/a.tar", "a.tar"),
            ("docker-daemon:ghcr.io/acme/app:1", "ghcr.io/acme/app"),
            ("containerd:ghcr.io/acme/app:1", "ghcr.io/acme/app"),
            ("not a reference", "not a reference"),
        ] {
            let image = Image {
                references: vec![reference.to_owned()],
                report_id: String::new(),
                report: Report::default(),
                unchanged: false,
                platform: None,
            };
            assert_eq!(repository(&image), expected, "{reference}");
        }
    }

    #[test]
    fn an_archive_has_a_file_and_perhaps_a_name() {
        for (reference, name, path) in [
            ("r.example/a:1", Some("r.example/a:1"), None),
            ("containerd:r.example/a:1", Some("r.example/a:1"), None),
            ("docker-archive:/b/i.tar", None, Some("docker-archive:/b/i.tar")),
            ("docker-archive:/b/i.tar@0", None, Some("docker-archive:/b/i.tar")),
            ("docker-archive:/b/i.tar:r.example/a:1", Some("r.example/a:1"), Some("docker-archive:/b/i.tar")),
            ("oci:/b/layout:v1", None, Some("oci:/b/layout")),
        ] {
            assert_eq!((registry_name(reference), file(reference)), (name, path), "{reference}");
        }
    }

    #[test]
    fn only_plain_identifiers_become_addresses() {
        assert_eq!(url("CVE-2021-1").as_deref(), Some("https://nvd.nist.gov/vuln/detail/CVE-2021-1"));
        assert_eq!(url("GHSA-a-b").as_deref(), Some("https://osv.dev/vulnerability/GHSA-a-b"));
        for id in ["", "CVE-1\" onload=", "CVE-1/../x", "TEST-1", "javascript:1"] {
            assert_eq!(url(id), None, "{id}");
        }
    }
}
