//! The values that flow between the verbs. Plain data with public fields; whoever puts them on a wire writes its own mirror.

use std::{borrow::Cow, collections::BTreeMap};

/// A package as one file names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Name as the ecosystem's own tools print it.
    pub name: String,
    /// Whole version, epoch and release included.
    pub version: String,
    /// Source package's name, where it differs from `name`; else empty.
    pub source_name: String,
    /// Source package's version, where it differs from `version`; else empty.
    pub source_version: String,
    /// Architecture as the ecosystem spells it; empty where it has none.
    pub architecture: String,
    /// What only some ecosystems know: `modularity`, `vendor`, `origin`.
    pub properties: BTreeMap<String, String>,
}

impl Package {
    /// Bytes of all its texts.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let own = [&self.name, &self.version, &self.source_name, &self.source_version, &self.architecture];
        let properties = self.properties.iter().flat_map(|(key, value)| [key, value]);
        own.into_iter().chain(properties).map(String::len).sum()
    }
}

/// What one file of a layer says to one row. A wanted file that says nothing stands in [`Inventory::others`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFacts {
    /// Normalised path: no leading `/` or `./`, no `..`, no empty component.
    pub path: String,
    /// Name of the ecosystem's row.
    pub ecosystem: String,
    /// Packages, in the file's order.
    pub packages: Vec<Package>,
    /// Paths that installed packages own (an OS package database names them), normalised and in order. Only those
    /// that a language row could want: nothing else is ever asked of them.
    pub owned: Vec<String>,
    /// The package that owns `owned`, where the file itself names none (dpkg's `info/*.list`); else empty.
    pub owner: String,
    /// What the file says of the image rather than of a package: `content-sets`, `repositories`.
    pub notes: BTreeMap<String, String>,
}

/// A link in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Normalised path of the link.
    pub path: String,
    /// Target as the archive spells it: relative or absolute for a symbolic link, a member name for a hard one.
    pub target: String,
    /// Whether it is a hard link.
    pub hard: bool,
}

/// A release file, still unjudged: which one counts is decided once the image is squashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Normalised path: `etc/os-release`, `etc/alpine-release`.
    pub path: String,
    /// Its fields that tell a distribution, by os-release's own keys, or `TEXT` for a file that is one line.
    pub fields: BTreeMap<String, String>,
}

/// Something that could not be known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Stable code: `unreadable-database`, `malformed`, `limit`, `unknown-distribution`, `no-packages`,
    /// `mixed-releases`, `no-source-packages`, `unread-link`, `escaping-path`, `no-end-marker`, `parser-failed`, `unverified-layer`.
    pub code: Cow<'static, str>,
    /// One sentence for people.
    pub message: String,
    /// Path in the image, or empty.
    pub file: String,
}

/// What one layer contains: a pure function of its bytes and the fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Wanted files that say something, ordered by path, then ecosystem.
    pub files: Vec<FileFacts>,
    /// Paths that the layer deletes from the layers below, in order.
    pub whiteouts: Vec<String>,
    /// Directories whose content from below the layer hides, in order.
    pub opaques: Vec<String>,
    /// Links of the layer that may matter, in order of path: those with a wanted name and those that may stand where
    /// a lower layer has a directory.
    pub links: Vec<Link>,
    /// Other entries without facts that replace what a lower layer has at their path, in order: wanted files
    /// without packages, executables, and files that may stand where a lower layer has a directory.
    pub others: Vec<String>,
    /// Release files, in order of path.
    pub releases: Vec<Release>,
    /// What could not be read, in order.
    pub problems: Vec<Problem>,
    /// Entries of the tar.
    pub entries: u64,
    /// Uncompressed bytes of the tar.
    pub bytes: u64,
}

/// The distribution of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// `ID` of os-release, lower case: `debian`.
    pub id: String,
    /// `VERSION_ID` of os-release: `12`, `3.10.2`.
    pub version: String,
    /// `PRETTY_NAME`, for people.
    pub title: String,
    /// The fields of the file that decided (`ID_LIKE`, `VERSION_CODENAME`, `CPE_NAME`), and the notes of the system rows.
    pub fields: BTreeMap<String, String>,
}

/// One package of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What the file says.
    pub package: Package,
    /// Name of the ecosystem's row.
    pub ecosystem: &'static str,
    /// Package URL.
    pub purl: String,
    /// Path of the file.
    pub file: String,
    /// Index of the layer that brought the package, lowest is 0.
    pub layer: usize,
}

/// What an image contains: its inventories, squashed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// `None` is unknown, and never guessed.
    pub distribution: Option<Distribution>,
    /// Ordered by file, ecosystem, name, version.
    pub packages: Vec<Installed>,
    /// Problems of the image and of its layers (with the layer's index where one is to blame).
    pub problems: Vec<(Problem, Option<usize>)>,
}
