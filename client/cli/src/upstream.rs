//! The source packages of distributions' packages in bills of materials: what advisories are about, and so what a reader needs.

use strata_proto::v1::Package;

use crate::text;

/// Name and version of the source package; those of the package itself where the report names no other.
pub(crate) fn source(package: &Package) -> (&str, &str) {
    let Package { name, version, source_name, source_version, .. } = package;
    (
        if source_name.is_empty() { name } else { source_name },
        if source_version.is_empty() { version } else { source_version },
    )
}

/// The package URL with the source package in the qualifier `upstream`, as Syft writes and Grype reads it: `glibc`, `perl@5.36`, of
/// an rpm the source's file. A package that is its own source has none.
pub(crate) fn with_source(package: &Package) -> String {
    if package.source_name.is_empty() && package.source_version.is_empty() {
        return package.purl.clone();
    }
    let (name, version) = source(package);
    let is_rpm = package.purl.starts_with("pkg:rpm/");
    let upstream = match (is_rpm, epoch(version) == epoch(&package.version)) {
        (true, true) => {
            let version = version.split_once(':').map_or(version, |(_, version)| version);
            format!("{name}-{version}.src.rpm")
        }
        _ if package.source_version.is_empty() => name.to_owned(),
        _ => format!("{name}@{version}"),
    };
    let (path, qualifiers) = package.purl.split_once('?').unwrap_or((&package.purl, ""));
    let mut qualifiers: Vec<String> =
        qualifiers.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
    qualifiers.push(format!("upstream={}", text::uri_part(&upstream)));
    qualifiers.sort_unstable();
    format!("{path}?{}", qualifiers.join("&"))
}

fn epoch(version: &str) -> &str {
    version.split_once(':').map_or("0", |(epoch, _)| epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_a_qualifier_where_it_differs() {
        for ([purl, name, version, source_name, source_version], expected) in [
            (
                ["pkg:deb/debian/bash@5.2?arch=amd64", "bash", "5.2", "", ""],
                "pkg:deb/debian/bash@5.2?arch=amd64",
            ),
            (
                ["pkg:deb/debian/libc6@2.36?arch=amd64&distro=debian-12", "libc6", "2.36", "glibc", ""],
                "pkg:deb/debian/libc6@2.36?arch=amd64&distro=debian-12&upstream=glibc",
            ),
            (
                ["pkg:deb/debian/libstdc%2B%2B6@1", "libstdc++6", "1", "gcc-12", "2:1.0-1"],
                "pkg:deb/debian/libstdc%2B%2B6@1?upstream=gcc-12%402%3A1.0-1",
            ),
            (
                ["pkg:rpm/rhel/openssl-libs@3.0-1?epoch=1", "openssl-libs", "1:3.0-1", "openssl", ""],
                "pkg:rpm/rhel/openssl-libs@3.0-1?epoch=1&upstream=openssl-3.0-1.src.rpm",
            ),
            (
                ["pkg:rpm/rhel/a@3.0-1?vendor=x", "a", "3.0-1", "b", "2:3.1-1"],
                "pkg:rpm/rhel/a@3.0-1?upstream=b%402%3A3.1-1&vendor=x",
            ),
        ] {
            let package = Package {
                purl: purl.to_owned(),
                name: name.to_owned(),
                version: version.to_owned(),
                source_name: source_name.to_owned(),
                source_version: source_version.to_owned(),
                ..Package::default()
            };
            assert_eq!(with_source(&package), expected);
        }
    }
}
