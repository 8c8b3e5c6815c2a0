//! What the synthetic registry holds: a few numbers and a seed, from which everything else follows.

use super::{
    layer::{Arch, LayerId, Runtime},
    os,
};
use crate::random::{Random, mix, unit};

/// The shape of a synthetic registry. The same plan gives the same digests on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Everything random follows from it.
    pub seed: u64,
    /// Number of repositories.
    pub repositories: u32,
    /// Tags of each repository, signatures not counted: one for each build, and `latest`, which is the last build again.
    pub tags_per_repository: u32,
    /// Distinct base images; they are shared unevenly, the first by the most repositories.
    pub bases: u32,
    /// Layers of dependencies of each image that a few builds of one repository share.
    pub vendor_layers: u32,
    /// Layers of each image that nobody shares.
    pub app_layers: u32,
    /// Mean uncompressed bytes of a layer that is not shared. A base has eight times as much.
    pub layer_bytes: u64,
    /// Every how many builds a repository has an image index for amd64 and arm64; 0 is never.
    pub index_every: u32,
    /// Every how many builds a signature is stored beside the image; 0 is never. A signature's tag holds its image's
    /// digest: listing the tags of a repository that has signatures costs making those images.
    pub signature_every: u32,
    /// How large layers are.
    pub sizes: Sizes,
    /// Distinct frameworks of two layers each, between a base and what is a repository's own, shared unevenly; 0 is none.
    pub frameworks: u32,
}

/// How large layers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Around [`Plan::layer_bytes`], every layer with filler of its own.
    Even,
    /// From kilobytes to two gibibytes: most are small, and twice the size is half as frequent. [`Plan::layer_bytes`] is the
    /// smallest. All layers have the same filler, so that digests are cheap.
    Graded,
}

/// What all builds of one repository have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) base: u32,
    pub(crate) runtime: Option<Runtime>,
    /// Manifests in Docker's media types instead of OCI's; then all layers are gzip.
    pub(crate) docker: bool,
}

/// How many builds share one set of dependencies.
const BUILDS_PER_GENERATION: u32 = 3;

const TEAMS: [&str; 6] = ["checkout", "platform", "search", "media", "data", "identity"];
const SERVICES: [&str; 12] = [
    "api",
    "worker",
    "gateway",
    "frontend",
    "scheduler",
    "indexer",
    "mailer",
    "reports",
    "proxy",
    "importer",
    "admin",
    "cron",
];

impl Plan {
    /// About sixty images that share some hundred layers: seconds to sweep.
    #[must_use]
    pub const fn demo() -> Self {
        Self {
            // One with which every distribution occurs and the well-known vulnerable versions are there.
            seed: 2031,
            repositories: 12,
            tags_per_repository: 6,
            bases: 5,
            vendor_layers: 1,
            app_layers: 1,
            layer_bytes: 96 << 10,
            index_every: 4,
            signature_every: 5,
            sizes: Sizes::Even,
            frameworks: 0,
        }
    }

    /// About this many images of some ten layers each, eleven tags in a repository, layers of the given mean size.
    #[must_use]
    pub fn scaled(images: u32, layer_bytes: u64) -> Self {
        Self {
            seed: 2026,
            repositories: images.div_ceil(10).max(1),
            tags_per_repository: 11,
            bases: 40.min(images.div_ceil(10)).max(1),
            vendor_layers: 4,
            app_layers: 3,
            layer_bytes,
            index_every: 0,
            signature_every: 0,
            sizes: Sizes::Even,
            frameworks: 0,
        }
    }

    /// The same number of images with layers from kilobytes to gigabytes and some ten layer references each: 100,000
    /// images have a million references to a third of a million layers.
    #[must_use]
    pub fn graded(images: u32) -> Self {
        Self {
            app_layers: 2,
            sizes: Sizes::Graded,
            frameworks: 300.min(images.div_ceil(20)).max(1),
            ..Self::scaled(images, 1 << 10)
        }
    }

    /// Builds of each repository: the distinct images of one platform.
    pub(crate) fn builds(&self) -> u32 {
        self.tags_per_repository.saturating_sub(1).max(1)
    }

    /// Name of a repository.
    pub(crate) fn repository(&self, index: u32) -> String {
        let pick =
            |words: &[&'static str], at: usize| words.get(at % words.len().max(1)).copied().unwrap_or("x");
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let (team, service) = (pick(&TEAMS, at), pick(&SERVICES, at / TEAMS.len() + 2 * at));
        if self.repositories <= 12 {
            format!("{team}/{service}")
        } else {
            format!("{team}/{service}-{index:06}")
        }
    }

    /// Tag of a build.
    pub(crate) fn tag(build: u32) -> String {
        format!("1.{}.{}", build / 10, build % 10)
    }

    /// The build of a tag, when [`Plan::tag`] writes it like this.
    pub(crate) fn build(tag: &str) -> Option<u32> {
        let (tens, ones) = tag.strip_prefix("1.")?.split_once('.')?;
        let build = tens.parse::<u32>().ok()?.checked_mul(10)?.checked_add(ones.parse().ok()?)?;
        (Self::tag(build) == tag).then_some(build)
    }

    /// What a repository's builds have in common.
    pub(crate) fn profile(&self, repository: u32) -> Profile {
        let mut random = Random::new(self.seed, &[1, repository.into()]);
        let base = draw(self.bases, unit(random.next()));
        let runtime = match random.below(8) {
            0..=3 => Some(Runtime::Node),
            4..=6 => Some(Runtime::Python),
            _ => None,
        };
        Profile { base, runtime, docker: random.below(3) == 0 }
    }

    /// Whether a build is an image index for two architectures.
    pub(crate) fn is_index(&self, repository: u32, build: u32) -> bool {
        every(self.index_every, repository, build)
    }

    /// Whether a signature is stored beside a build.
    pub(crate) fn is_signed(&self, repository: u32, build: u32) -> bool {
        every(self.signature_every, repository, build)
    }

    /// Layers of an image, lowest first.
    pub(crate) fn layers(&self, repository: u32, build: u32, arch: Arch) -> Vec<LayerId> {
        let profile = self.profile(repository);
        let mut layers = vec![LayerId::Base { base: profile.base, arch }];
        // Later builds install the distribution's security updates.
        if build * 2 >= self.builds() {
            layers.push(LayerId::Upgrade { base: profile.base, arch });
        }
        if let Some(runtime) = profile.runtime {
            layers.push(LayerId::Runtime { runtime, arch });
        }
        if self.frameworks > 0 {
            let framework = draw(self.frameworks, unit(mix(self.seed, &[5, repository.into()])));
            layers.extend((0..2).map(|part| LayerId::Framework { framework, part }));
        }
        let generation = Self::generation(build);
        layers.extend((0..self.vendor_layers).map(|part| LayerId::Vendor { repository, generation, part }));
        layers.extend((0..self.app_layers).map(|part| LayerId::App { repository, build, part, arch }));
        layers
    }

    /// Which set of dependencies a build has.
    pub(crate) const fn generation(build: u32) -> u32 {
        build / BUILDS_PER_GENERATION
    }

    /// Uncompressed filler of a layer: a quarter of the mean to four times as much.
    pub(crate) fn filler_bytes(&self, layer: LayerId) -> u64 {
        let seed = layer.seed(self.seed);
        if self.sizes == Sizes::Graded {
            return self.graded_bytes(layer, mix(seed, &[2]));
        }
        let share = match layer {
            LayerId::Base { .. } => 8.0,
            LayerId::Runtime { .. } => 6.0,
            LayerId::Upgrade { .. } | LayerId::Framework { .. } => 1.0,
            // 4^x for x from -1 to 1 has a mean of about 1.35.
            LayerId::Vendor { .. } | LayerId::App { .. } => {
                4_f64.powf(2.0 * unit(mix(seed, &[2])) - 1.0) / 1.35
            }
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a size that is random anyway"
        )]
        let bytes = (self.layer_bytes as f64 * share) as u64;
        bytes
    }

    /// Bases of 20 to 120 MiB, runtimes of 40 to 80, updates and frameworks of 1 to 16; of what is a repository's own, the share
    /// that is larger than x times the smallest is 1/x. Of four thousand repositories one ships a model of a gibibyte or two.
    fn graded_bytes(&self, layer: LayerId, random: u64) -> u64 {
        const MIB: u64 = 1 << 20;
        let from = |least: u64, more: u64| least * MIB + random % (more * MIB);
        match layer {
            LayerId::Base { .. } => from(20, 100),
            LayerId::Runtime { .. } => from(40, 40),
            LayerId::Upgrade { .. } | LayerId::Framework { .. } => from(1, 15),
            LayerId::App { repository, build: 0, part: 0, .. } if repository % 4096 == 7 => from(1024, 1023),
            LayerId::Vendor { .. } | LayerId::App { .. } => {
                let times = 1.0 / unit(random).max(1e-6);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a size that is random anyway"
                )]
                let bytes = (self.layer_bytes as f64 * times) as u64;
                bytes.min(2 << 30)
            }
        }
    }

    /// Name of a base, for the image's history.
    pub(crate) fn base_name(base: u32) -> &'static str {
        os::of(base).name
    }
}

/// Draws one of so many by Zipf's law: the k-th has a weight of 1/k.
fn draw(count: u32, random: f64) -> u32 {
    let weight = |one: u32| 1.0 / (f64::from(one) + 1.0);
    let total: f64 = (0..count).map(weight).sum();
    let mut left = random * total;
    for one in 0..count {
        left -= weight(one);
        if left < 0.0 {
            return one;
        }
    }
    count.saturating_sub(1)
}

fn every(period: u32, repository: u32, build: u32) -> bool {
    period > 0 && (repository + build) % period == period - 1
}
