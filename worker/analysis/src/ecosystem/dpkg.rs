//! Debian's package manager: deb-control(5) stanzas in `status`, one file for each package in `status.d` (distroless
//! images), and lists of the files that each package owns.

mod ubuntu;

use super::{AdvisoryKey, Candidate, Ecosystem, Facts, File, Want};
use crate::{
    model::{Distribution, Package},
    purl::purl,
    version,
};

/// dpkg's row.
pub(super) static ROW: Ecosystem = Ecosystem {
    name: "dpkg",
    revision: 3,
    reads: "`var/lib/dpkg/status`, `var/lib/dpkg/status.d/*`; owned files from `info/*.list` and `*.md5sums`; \
            Ubuntu Pro's `status.json`",
    wants,
    parse,
    purl: package_url,
    advisory_keys,
    order: &version::DEB,
    system: true,
};

/// Mail domains of maintainers that package for distributions that they do not make. The distribution's advisories do not
/// speak of the libraries inside such packages, so those stay visible.
const VENDORS: &[&str] = &[
    "amazon.com",
    "circleci.com",
    "cloudflare.com",
    "confluent.io",
    "datadoghq.com",
    "docker.com",
    "elastic.co",
    "facebook.com",
    "gitlab.com",
    "google.com",
    "grafana.com",
    "hashicorp.com",
    "influxdata.com",
    "microsoft.com",
    "mongodb.com",
    "mysql.com",
    "newrelic.com",
    "nginx.com",
    "nodesource.com",
    "nvidia.com",
    "oracle.com",
    "percona.com",
    "rabbitmq.com",
    "redhat.com",
    "vmware.com",
];

fn wants(candidate: Candidate<'_>) -> Want {
    if candidate.path == ubuntu::STATUS {
        return Want::Whole;
    }
    let Some(rest) = candidate.path.strip_prefix("var/lib/dpkg/") else { return Want::No };
    let wanted = match rest.split_once('/') {
        None => rest == "status",
        Some(("status.d", name)) => !name.contains('/'),
        Some(("info", name)) => !name.contains('/') && owner(name).is_some(),
        Some(_) => false,
    };
    if wanted { Want::Whole } else { Want::No }
}

fn parse(file: File<'_>, facts: &mut Facts) {
    if file.path == ubuntu::STATUS {
        return ubuntu::status(file, facts);
    }
    let name = file.path.rsplit('/').next().unwrap_or_default();
    match owner(name) {
        Some(owner) => {
            facts.owner = owner.to_owned();
            read_owned(file, facts);
        }
        None => read_status(file, facts),
    }
}

/// The package of a list of files: `libc6:amd64.list`, `tzdata.md5sums`.
fn owner(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(".list").or_else(|| name.strip_suffix(".md5sums"))?;
    stem.split(':').next()
}

/// One path a line; in md5sums, after the digest. A directory stands before what is in it and is left out.
fn read_owned(file: File<'_>, facts: &mut Facts) {
    for line in file.bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let path = line.split_once("  ").map_or(&*line, |(_, path)| path).trim();
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let is_inside =
            |parent: &String| path.strip_prefix(parent.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if facts.owned.last().is_some_and(is_inside) {
            facts.owned.pop();
        }
        if !path.is_empty() && path != "." {
            facts.own(file, path);
        }
    }
}

/// The fields of a stanza that matter.
#[derive(Default)]
struct Stanza {
    package: String,
    version: String,
    status: String,
    source: String,
    architecture: String,
    maintainer: String,
    /// A field that only packages from outside a distribution have: `fpm` and `nfpm` write it.
    vendor: String,
    lines: u64,
}

fn read_status(file: File<'_>, facts: &mut Facts) {
    let mut stanza = Stanza::default();
    for line in file.bytes.split(|byte| *byte == b'\n') {
        if line.trim_ascii().is_empty() {
            finish(std::mem::take(&mut stanza), file, facts);
            continue;
        }
        stanza.lines += 1;
        // A line that starts with a blank goes on with the field before: none of those that matter is ever folded.
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (key, value) = line.split_at_checked(colon).unwrap_or_default();
        let text = || String::from_utf8_lossy(value.get(1..).unwrap_or_default()).trim().to_owned();
        match key.to_ascii_lowercase().as_slice() {
            b"package" => stanza.package = text(),
            b"version" => stanza.version = text(),
            b"status" => stanza.status = text(),
            b"source" => stanza.source = text(),
            b"architecture" => stanza.architecture = text(),
            b"maintainer" => stanza.maintainer = text(),
            b"vendor" => stanza.vendor = text(),
            _ => {}
        }
    }
    finish(stanza, file, facts);
}

fn finish(stanza: Stanza, file: File<'_>, facts: &mut Facts) {
    if stanza.lines == 0 || !is_installed(&stanza.status) {
        return;
    }
    if stanza.package.is_empty() || stanza.version.is_empty() {
        let name = if stanza.package.is_empty() { "without a name" } else { stanza.package.as_str() };
        facts.problem("malformed", file, format!("the entry of package {name} has no version or no name"));
        return;
    }
    let (source_name, source_version) = source(&stanza.source);
    let vendor = vendor(&stanza);
    let mut package = Package {
        source_name: if source_name == stanza.package { String::new() } else { source_name.to_owned() },
        source_version: if source_version == stanza.version {
            String::new()
        } else {
            source_version.to_owned()
        },
        name: stanza.package,
        version: stanza.version,
        architecture: stanza.architecture,
        ..Package::default()
    };
    if !vendor.is_empty() {
        package.properties.insert("vendor".to_owned(), vendor);
    }
    facts.package(file, package);
}

/// Whether files of the package are there: every state but `not-installed` and `config-files`, whatever the administrator
/// wants to become of it (`hold`, `deinstall`). A package that is only half installed may have left its files, so
/// it counts. Distroless images leave the field out.
fn is_installed(status: &str) -> bool {
    !matches!(status.split_whitespace().nth(2), Some("not-installed" | "config-files"))
}

/// `Source: name (version)`, the version only where it differs from the package's own.
fn source(field: &str) -> (&str, &str) {
    match field.split_once('(') {
        Some((name, version)) => (name.trim(), version.trim_end_matches(')').trim()),
        None => (field, ""),
    }
}

/// Who made the package, when that was not the distribution.
fn vendor(stanza: &Stanza) -> String {
    if !stanza.vendor.is_empty() {
        return stanza.vendor.clone();
    }
    let domain = stanza.maintainer.rsplit_once('@').map_or("", |(_, domain)| domain.trim_end_matches('>'));
    let known = VENDORS.iter().find(|vendor| {
        domain.strip_suffix(**vendor).is_some_and(|host| host.is_empty() || host.ends_with('.'))
    });
    known.map_or_else(String::new, |vendor| (*vendor).to_owned())
}

pub(super) fn package_url(package: &Package, distribution: Option<&Distribution>) -> String {
    let id = distribution.map_or("", |distribution| distribution.id.as_str());
    let distro = distribution.filter(|distribution| !distribution.version.is_empty());
    let distro = distro.map_or_else(String::new, |distro| format!("{}-{}", distro.id, distro.version));
    let qualifiers = [("arch", package.architecture.as_str()), ("distro", distro.as_str())];
    purl("deb", &[id], &package.name, &package.version, &qualifiers)
}

/// Advisories name source packages and their versions.
pub(super) fn advisory_keys(package: &Package, distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    let Some(distribution) = distribution else { return Vec::new() };
    let or = |value: &str, other: &str| if value.is_empty() { other.to_owned() } else { value.to_owned() };
    let name = or(&package.source_name, &package.name);
    let version = or(&package.source_version, &package.version);
    let ecosystems = match distribution.id.as_str() {
        "debian" => debian(distribution).into_iter().collect(),
        "ubuntu" => ubuntu::channels(distribution, &name, &version),
        _ => Vec::new(),
    };
    let key = |ecosystem| AdvisoryKey { ecosystem, name: name.clone(), version: version.clone() };
    ecosystems.into_iter().map(key).collect()
}

/// Debian's advisories go by the major release; only 6 was still called `6.0`. Testing and unstable have no release
/// number yet, but the code name says which one they will be.
fn debian(distribution: &Distribution) -> Option<String> {
    let release = match distribution.version.split('.').next().unwrap_or_default() {
        "" => match distribution.fields.get("VERSION_CODENAME")?.as_str() {
            "buster" => "10",
            "bullseye" => "11",
            "bookworm" => "12",
            "trixie" => "13",
            "forky" => "14",
            "duke" => "15",
            _ => return None,
        },
        "6" => "6.0",
        major => major,
    };
    Some(format!("Debian:{release}"))
}

#[cfg(test)]
mod tests {
    use super::{is_installed, source};

    #[test]
    fn states() {
        for (status, expected) in [
            ("install ok installed", true),
            ("hold ok installed", true),
            ("deinstall ok installed", true),
            ("install ok unpacked", true),
            ("install ok half-configured", true),
            ("install ok triggers-pending", true),
            ("install reinstreq half-installed", true),
            ("", true),
            ("deinstall ok config-files", false),
            ("purge ok not-installed", false),
            ("unknown ok not-installed", false),
        ] {
            assert_eq!(is_installed(status), expected, "{status}");
        }
    }

    #[test]
    fn source_field() {
        assert_eq!(source("util-linux"), ("util-linux", ""));
        assert_eq!(source("gcc-8 (8-20180414-1ubuntu2)"), ("gcc-8", "8-20180414-1ubuntu2"));
        assert_eq!(source(""), ("", ""));
    }
}
