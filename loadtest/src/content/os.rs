//! Distributions: os-release files and package databases with the packages that `data/` lists.
//! Formats: deb-installed databases as dpkg writes them (`dpkg-query(1)`, `deb-control(5)`), apk's installed
//! database (v2), `os-release(5)`.

use super::{
    entry::{Entry, PackageFact},
    layer::Arch,
};

/// Which tool keeps the package database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manager {
    Dpkg,
    Apk,
}

/// A distribution's release.
pub(crate) struct Os {
    /// For people and histories: `debian-12`.
    pub(crate) name: &'static str,
    manager: Manager,
    release: &'static str,
    packages: &'static str,
    upgrades: &'static str,
}

macro_rules! os {
    ($name:literal, $manager:ident) => {
        Os {
            name: $name,
            manager: Manager::$manager,
            release: include_str!(concat!("../../data/", $name, "/os-release")),
            packages: include_str!(concat!("../../data/", $name, "/packages.txt")),
            upgrades: include_str!(concat!("../../data/", $name, "/upgrades.txt")),
        }
    };
}

const DEBIAN: Os = os!("debian-12", Dpkg);
const ALPINE: Os = os!("alpine-3.10", Apk);
const UBUNTU: Os = os!("ubuntu-22.04", Dpkg);
const WOLFI: Os = os!("wolfi", Apk);
const ALPINE_NEWER: Os = os!("alpine-3.19", Apk);

/// The distribution of a base. With more bases than distributions, several have the same packages and other filler.
pub(crate) const fn of(base: u32) -> &'static Os {
    match base % 5 {
        0 => &DEBIAN,
        1 => &ALPINE,
        2 => &UBUNTU,
        3 => &WOLFI,
        _ => &ALPINE_NEWER,
    }
}

/// A line of `packages.txt` or `upgrades.txt`.
#[derive(Debug, Clone, Copy)]
struct OsPackage<'a> {
    name: &'a str,
    version: &'a str,
    source: &'a str,
    source_version: &'a str,
}

impl Os {
    /// Value of a field of os-release, without its quotes.
    pub(crate) fn release_field(&self, key: &str) -> &'static str {
        self.release
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
            .trim_matches('"')
    }
}

/// The base layer itself.
pub(crate) fn base(base: u32, arch: Arch) -> Vec<Entry> {
    let os = of(base);
    let packages = parse(os.packages);
    let mut entries = match os.manager {
        Manager::Dpkg => dpkg(&packages, arch),
        Manager::Apk => apk(&packages, arch),
    };
    if os.name == "alpine-3.10" || os.name == "wolfi" {
        entries.push(Entry::file("etc/os-release", os.release));
    } else {
        entries.push(Entry::file("usr/lib/os-release", os.release));
        entries.push(Entry::symlink("etc/os-release", "../usr/lib/os-release"));
    }
    entries.push(Entry::file("var/cache/index.bin", "stale"));
    entries
}

/// The whole database again, with some packages newer, and the package manager's cache deleted.
pub(crate) fn upgrade(base: u32, arch: Arch) -> Vec<Entry> {
    let os = of(base);
    let upgrades = parse(os.upgrades);
    let newest =
        |old: OsPackage<'static>| upgrades.iter().copied().find(|new| new.name == old.name).unwrap_or(old);
    let packages: Vec<_> = parse(os.packages).into_iter().map(newest).collect();
    let mut entries = match os.manager {
        Manager::Dpkg => dpkg(&packages, arch),
        Manager::Apk => apk(&packages, arch),
    };
    entries.push(Entry::whiteout("var/cache/index.bin"));
    entries
}

fn parse(text: &'static str) -> Vec<OsPackage<'static>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(OsPackage {
                name: words.next()?,
                version: words.next()?,
                source: words.next()?,
                source_version: words.next()?,
            })
        })
        .collect()
}

fn facts(packages: &[OsPackage<'_>]) -> Vec<PackageFact> {
    let fact = |package: &OsPackage<'_>| PackageFact {
        name: package.name.to_owned(),
        version: package.version.to_owned(),
    };
    packages.iter().map(fact).collect()
}

fn dpkg(packages: &[OsPackage<'_>], arch: Arch) -> Vec<Entry> {
    let mut status = String::new();
    let mut entries = Vec::new();
    for package in packages {
        let OsPackage { name, version, source, source_version } = package;
        let source_line = match (source == name, source_version == version) {
            (true, true) => String::new(),
            (_, true) => format!("Source: {source}\n"),
            (_, false) => format!("Source: {source} ({source_version})\n"),
        };
        status.push_str(&format!(
            "Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: libs\n\
             Installed-Size: 1024\nMaintainer: Nobody <nobody@example.org>\nArchitecture: {}\nMulti-Arch: foreign\n\
             {source_line}Version: {version}\nDepends: libc6 (>= 2.34)\nDescription: synthetic {name}\n \
             Written by a generator.\n .\n Not the real package.\n\n",
            arch.oci()
        ));
        entries.push(Entry::file(
            format!("var/lib/dpkg/info/{name}.list"),
            format!("/.\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/{name}\n/usr/share/doc/{name}/copyright\n"),
        ));
        entries.push(Entry::file(format!("usr/share/doc/{name}/copyright"), format!("synthetic {name}\n")));
    }
    entries.push(Entry::file("var/lib/dpkg/status", status).saying("dpkg", facts(packages)));
    entries
}

fn apk(packages: &[OsPackage<'_>], arch: Arch) -> Vec<Entry> {
    let machine = match arch {
        Arch::Amd64 => "x86_64",
        Arch::Arm64 => "aarch64",
    };
    let mut installed = String::new();
    let mut entries = Vec::new();
    for package in packages {
        let OsPackage { name, version, source, .. } = package;
        installed.push_str(&format!(
            "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:{name}\nV:{version}\nA:{machine}\nS:1024\nI:4096\nT:synthetic {name}\n\
             U:https://example.org/{name}\nL:MIT\no:{source}\nm:Nobody <nobody@example.org>\nt:1704067200\n\
             F:usr/share/{name}\nR:data\na:0:0:644\nZ:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
        ));
        entries.push(Entry::file(format!("usr/share/{name}/data"), format!("synthetic {name}\n")));
    }
    entries.push(Entry::file("lib/apk/db/installed", installed).saying("apk", facts(packages)));
    entries
}
