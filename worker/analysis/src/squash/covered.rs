//! What two files say of one thing is listed once.
//!
//! * A package that dpkg's database names is not listed again from chisel's manifest, which does not know its source.
//! * A Go program that is a product is not listed again as its main module.
//! * A product that a bill of materials names is not listed again by the signature in its binary: its maker knows better.
//! * A language package that lies in the image is not listed again from a bill of materials: the file says where it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ecosystem::{self, AdvisoryKey, binary},
    model::{Distribution, Installed},
    version::{BITNAMI, Scheme},
};

/// Where products are told by the bill of materials of their maker.
const PRODUCTS: &str = "sbom-bitnami";

/// Removes what is listed twice.
pub(super) fn remove(packages: &mut Vec<Installed>, distribution: Option<&Distribution>) {
    let keys: Vec<Vec<AdvisoryKey>> = packages.iter().map(|package| keys(package, distribution)).collect();
    let known = Known::new(packages, &keys);
    let covered: Vec<bool> =
        packages.iter().zip(&keys).map(|(package, keys)| known.covers(package, keys)).collect();
    let mut covered = covered.iter();
    packages.retain(|_| !covered.next().copied().unwrap_or_default());
}

fn keys(package: &Installed, distribution: Option<&Distribution>) -> Vec<AdvisoryKey> {
    // Of operating systems' packages the names are compared, and they are most of all packages.
    match ecosystem::by_name(package.ecosystem) {
        Some(row) if !row.system => (row.advisory_keys)(&package.package, distribution),
        _ => Vec::new(),
    }
}

/// What can make another listing superfluous.
struct Known<'p> {
    /// Names, versions and architectures in dpkg's databases.
    dpkg: BTreeSet<(&'p str, &'p str, &'p str)>,
    /// Files and modules of Go programs that are products.
    modules: BTreeSet<(&'p str, &'p str)>,
    /// Products that bills of materials name, with their versions and the directories of the bills.
    products: BTreeMap<&'p str, Vec<(&'p str, &'p str)>>,
    /// Keys of language packages that lie in the image.
    files: BTreeSet<&'p AdvisoryKey>,
}

impl<'p> Known<'p> {
    fn new(packages: &'p [Installed], keys: &'p [Vec<AdvisoryKey>]) -> Self {
        let mut known = Self {
            dpkg: BTreeSet::new(),
            modules: BTreeSet::new(),
            products: BTreeMap::new(),
            files: BTreeSet::new(),
        };
        for (Installed { package, ecosystem, file, .. }, keys) in packages.iter().zip(keys) {
            match *ecosystem {
                "dpkg" => {
                    known.dpkg.insert((&package.name, &package.version, &package.architecture));
                }
                "binary" => known.modules.extend(
                    package.properties.get(binary::MODULE).map(|module| (file.as_str(), module.as_str())),
                ),
                PRODUCTS => {
                    let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
                    known.products.entry(&package.name).or_default().push((&package.version, directory));
                }
                row if !is_bill(row) => known.files.extend(keys),
                _ => {}
            }
        }
        known
    }

    fn covers(&self, Installed { package, ecosystem, file, .. }: &Installed, keys: &[AdvisoryKey]) -> bool {
        match *ecosystem {
            "chisel" => {
                let architecture = package.architecture.as_str();
                self.dpkg.contains(&(package.name.as_str(), package.version.as_str(), architecture))
            }
            "go" => self.modules.contains(&(file.as_str(), package.name.as_str())),
            "binary" => keys.iter().filter(|key| key.ecosystem == "Bitnami").any(|key| {
                let named = self.products.get(key.name.as_str()).into_iter().flatten();
                let mut named = named.map(|(version, directory)| {
                    is_same(&BITNAMI, &key.version, version) || is_below(file, directory)
                });
                named.any(|covers| covers)
            }),
            PRODUCTS => false,
            row if is_bill(row) => keys.iter().any(|key| self.files.contains(key)),
            _ => false,
        }
    }
}

fn is_bill(row: &str) -> bool {
    row.starts_with("sbom-")
}

fn is_below(file: &str, directory: &str) -> bool {
    !directory.is_empty() && file.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a product's version and the one that its package has are one: the package counts its revisions after a hyphen.
fn is_same(scheme: &Scheme, product: &str, package: &str) -> bool {
    let release =
        package.rsplit_once('-').filter(|(_, revision)| revision.bytes().all(|byte| byte.is_ascii_digit()));
    let release = release.map_or(package, |(release, _)| release);
    (scheme.compare)(product, release) == Some(std::cmp::Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use crate::{
        model::{FileFacts, Inventory, Package},
        squash::squash,
    };

    /// `row path name version [module]` on each line → what is listed, in the same form, problems after it.
    fn listed(lines: &[&str]) -> Vec<String> {
        let mut layer = Inventory::default();
        for line in lines {
            let fields: Vec<&str> = line.split(' ').collect();
            let mut package = Package::plain(fields[2], fields[3]);
            if let Some(module) = fields.get(4) {
                package = package.with("module", module);
            }
            let (path, ecosystem) = (fields[1].to_owned(), fields[0].to_owned());
            layer.files.push(FileFacts { path, ecosystem, packages: vec![package], ..FileFacts::default() });
        }
        layer.files.sort_by(|a, b| (&a.path, &a.ecosystem).cmp(&(&b.path, &b.ecosystem)));
        let contents = squash(&[&layer]);
        contents.packages.iter().map(|found| format!("{} {}", found.ecosystem, found.package.name)).collect()
    }

    /// Lines of packages, and what is listed of them.
    const CASES: &[(&[&str], &[&str])] = &[
        // The same version, wherever the binary is; or any version of the product below the bill's directory.
        (
            &["sbom-bitnami opt/r/.spdx-redis.spdx redis 7.2.4-3", "binary usr/bin/redis-server redis 7.2.4"],
            &["sbom-bitnami redis"],
        ),
        (
            &[
                "sbom-bitnami opt/r/.spdx-redis.spdx redis 7.2.4-3",
                "binary opt/r/bin/redis-server redis 7.2.3",
            ],
            &["sbom-bitnami redis"],
        ),
        (
            &["sbom-bitnami opt/r/.spdx-redis.spdx redis 7.2.4-3", "binary usr/bin/redis-server redis 7.2.3"],
            &["sbom-bitnami redis", "binary redis"],
        ),
        (
            &["sbom-bitnami opt/r/.spdx-redis.spdx redis 7.2.4-3", "binary opt/r/bin/openssl openssl 3.0.1"],
            &["sbom-bitnami redis", "binary openssl"],
        ),
        // The bill calls Apache's server otherwise.
        (
            &["sbom-bitnami opt/a/.spdx-apache.spdx apache 2.4.58-0", "binary opt/a/bin/httpd httpd 2.4.58"],
            &["sbom-bitnami apache"],
        ),
        (
            &[
                "go bin/etcd go.etcd.io/etcd (devel)",
                "binary bin/etcd etcd 3.4.23 go.etcd.io/etcd",
                "go bin/etcd2 go.etcd.io/etcd v3.4.1",
            ],
            &["binary etcd", "go go.etcd.io/etcd"],
        ),
        (
            &["sbom-pypi a.cdx.json zope-interface 5.0", "python x.dist-info/METADATA Zope.Interface 5.0"],
            &["python Zope.Interface"],
        ),
        (
            &["sbom-pypi a.cdx.json zope-interface 5.1", "python x.dist-info/METADATA Zope.Interface 5.0"],
            &["sbom-pypi zope-interface", "python Zope.Interface"],
        ),
        (&["sbom-maven a.cdx.json g:a 1", "sbom-npm a.cdx.json a 1"], &["sbom-maven g:a", "sbom-npm a"]),
    ];

    #[test]
    fn one_thing_is_listed_once() {
        for (lines, expected) in CASES {
            assert_eq!(listed(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn what_dpkg_names_is_not_listed_from_chisel() {
        let lines = ["chisel var/lib/chisel/manifest.wall libc6 2.39", "dpkg var/lib/dpkg/status libc6 2.39"];
        assert_eq!(listed(&lines), ["dpkg libc6"]);
        let lines = ["chisel var/lib/chisel/manifest.wall libc6 2.40", "dpkg var/lib/dpkg/status libc6 2.39"];
        assert_eq!(listed(&lines), ["chisel libc6", "dpkg libc6"]);
    }
}
