//! One layer: its name within a plan, and what it is made of.

use super::{
    blob::Compression,
    entry::{Entry, Filler, FillerKind},
    language, os,
    plan::{Plan, Sizes},
};
use crate::random::{Random, mix};

/// Processor architecture of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// `amd64` in OCI's words.
    Amd64,
    /// `arm64` in OCI's words.
    Arm64,
}

impl Arch {
    /// As image configurations spell it.
    #[must_use]
    pub const fn oci(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// A language runtime that an image may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Runtime {
    /// Node.js with npm.
    Node,
    /// Python with pip.
    Python,
}

/// Which layer of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LayerId {
    /// A distribution.
    Base {
        /// Which one: the name repeats after the number of known distributions.
        base: u32,
        /// Architecture.
        arch: Arch,
    },
    /// Security updates on a base: its package database again, some packages newer.
    Upgrade {
        /// The base below.
        base: u32,
        /// Architecture.
        arch: Arch,
    },
    /// A language runtime.
    Runtime {
        /// Which.
        runtime: Runtime,
        /// Architecture.
        arch: Arch,
    },
    /// What a group of applications is built on.
    Framework {
        /// Which.
        framework: u32,
        /// Which of its two layers.
        part: u32,
    },
    /// Dependencies of an application.
    Vendor {
        /// Index of the repository.
        repository: u32,
        /// Which set of dependencies.
        generation: u32,
        /// Which of the layers with dependencies.
        part: u32,
    },
    /// The application itself.
    App {
        /// Index of the repository.
        repository: u32,
        /// Which build.
        build: u32,
        /// Which of the application's layers.
        part: u32,
        /// Architecture.
        arch: Arch,
    },
}

impl LayerId {
    /// A number of its own within a seed.
    pub(crate) fn seed(self, seed: u64) -> u64 {
        let arch = |arch: Arch| u64::from(arch == Arch::Arm64);
        match self {
            Self::Base { base, arch: a } => mix(seed, &[10, base.into(), arch(a)]),
            Self::Upgrade { base, arch: a } => mix(seed, &[11, base.into(), arch(a)]),
            Self::Runtime { runtime, arch: a } => {
                mix(seed, &[12, u64::from(runtime == Runtime::Node), arch(a)])
            }
            Self::Framework { framework, part } => mix(seed, &[15, framework.into(), part.into()]),
            Self::Vendor { repository, generation, part } => {
                mix(seed, &[13, repository.into(), generation.into(), part.into()])
            }
            Self::App { repository, build, part, arch: a } => {
                mix(seed, &[14, repository.into(), build.into(), part.into(), arch(a)])
            }
        }
    }
}

/// What a layer is made of.
pub(crate) struct Recipe {
    pub(crate) entries: Vec<Entry>,
    pub(crate) compression: Compression,
}

/// The recipe of a layer; filler is only named in it.
pub(crate) fn recipe(plan: &Plan, layer: LayerId) -> Recipe {
    let mut entries = match layer {
        LayerId::Base { base, arch } => os::base(base, arch),
        LayerId::Upgrade { base, arch } => os::upgrade(base, arch),
        LayerId::Runtime { runtime, .. } => language::runtime(runtime),
        LayerId::Vendor { repository, generation, part } => {
            language::vendor(plan, repository, generation, part)
        }
        LayerId::App { repository, build, part: 0, .. } => language::change(plan, repository, build),
        LayerId::Framework { .. } | LayerId::App { .. } => Vec::new(),
    };
    match plan.sizes {
        Sizes::Even => entries.extend(filler(plan, layer)),
        Sizes::Graded => entries.push(name(plan, layer)),
    }
    Recipe { entries, compression: compression(plan, layer) }
}

/// The build step that made a layer, for the image's history.
pub(crate) fn created_by(layer: LayerId) -> String {
    match layer {
        LayerId::Base { base, .. } => format!("ADD rootfs-{}.tar /", Plan::base_name(base)),
        LayerId::Upgrade { .. } => "RUN install security updates".to_owned(),
        LayerId::Runtime { runtime, .. } => format!("COPY {runtime:?} /usr/local"),
        LayerId::Framework { framework, part } => format!("COPY framework-{framework}/{part} /opt"),
        LayerId::Vendor { part, .. } => format!("RUN install dependencies, part {}", part + 1),
        LayerId::App { build, part, .. } => format!("COPY build-{build}/{part} /srv"),
    }
}

/// Some of the layers that belong to one repository are zstd, where its manifests can say so.
fn compression(plan: &Plan, layer: LayerId) -> Compression {
    let (LayerId::Vendor { repository, .. } | LayerId::App { repository, .. }) = layer else {
        return Compression::Gzip;
    };
    // The shared filler is compressed once, and in one way.
    let zstd = plan.sizes == Sizes::Even
        && !plan.profile(repository).docker
        && mix(layer.seed(plan.seed), &[3]).is_multiple_of(4);
    if zstd { Compression::Zstd } else { Compression::Gzip }
}

/// A file of a layer's own, that makes layers of the same filler differ.
fn name(plan: &Plan, layer: LayerId) -> Entry {
    let seed = layer.seed(plan.seed);
    Entry::file(format!("srv/layer-{seed:016x}.txt"), format!("{layer:?}\n"))
}

/// Files that no scanner wants: two thirds text, one third binary, in files of up to a quarter of the layer.
fn filler(plan: &Plan, layer: LayerId) -> Vec<Entry> {
    let mut random = Random::new(layer.seed(plan.seed), &[4]);
    let directory = match layer {
        LayerId::Base { .. } | LayerId::Upgrade { .. } => "usr/lib/x",
        LayerId::Runtime { .. } => "usr/local/lib/x",
        LayerId::Framework { .. } => "opt/framework",
        LayerId::Vendor { .. } => "app/lib",
        LayerId::App { .. } => "srv/app",
    };
    let mut left = plan.filler_bytes(layer);
    let largest = (left / 4).max(1);
    let mut entries = Vec::new();
    while left > 0 {
        let bytes = (1 + random.below(largest)).min(left);
        let kind = if random.below(3) == 0 { FillerKind::Binary } else { FillerKind::Text };
        let suffix = if kind == FillerKind::Text { "txt" } else { "bin" };
        let path = format!("{directory}/{:016x}.{suffix}", random.next());
        entries.push(Entry::filler(path, Filler { seed: random.next(), bytes, kind }));
        left -= bytes;
    }
    entries
}
