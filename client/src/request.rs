//! What to scan, built by name instead of by field: images, or a registry.

use strata_proto::v1::{Lane, RegistryTarget, SourceContext, SubmitRequest};

/// Options that every scan has.
macro_rules! options {
    ($what:ty) => {
        impl $what {
            /// Platform to choose from an image index, `os/architecture[/variant]`, instead of `linux/amd64`.
            #[must_use]
            pub fn platform(mut self, platform: impl Into<String>) -> Self {
                self.0.platform = platform.into();
                self
            }

            /// Which queue its jobs take, instead of the usual one.
            #[must_use]
            pub fn lane(mut self, lane: Lane) -> Self {
                self.0.lane = lane.into();
                self
            }

            /// Talks plain HTTP to, or accepts any certificate of, registries that are not on loopback.
            #[must_use]
            pub fn insecure(mut self) -> Self {
                self.0.insecure = true;
                self
            }

            /// Lets VEX documents that are attached to an image in its registry suppress findings.
            #[must_use]
            pub fn attached_vex(mut self) -> Self {
                self.0.attached_vex = true;
                self
            }

            /// A second submission with this key is the first one's scan: a job that runs twice scans once. Without a key,
            /// each submission gets a random one.
            #[must_use]
            pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
                self.0.idempotency_key = key.into();
                self
            }

            /// Who asks, for fairness between clients of one lane.
            #[must_use]
            pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
                self.0.tenant = tenant.into();
                self
            }

            /// Where what is scanned was built from. Kept with the scan.
            #[must_use]
            pub fn source(mut self, source: SourceContext) -> Self {
                self.0.source = Some(source);
                self
            }
        }

        impl From<$what> for SubmitRequest {
            fn from(built: $what) -> Self {
                built.0
            }
        }
    };
}

/// A scan of images by reference.
///
/// ```
/// use strata_client::{ImageScan, v1::SubmitRequest};
///
/// let scan = ImageScan::new(["registry.example/app:1"]).and("registry.example/db:2").platform("linux/arm64");
/// let request = SubmitRequest::from(scan);
/// assert_eq!(request.images, ["registry.example/app:1", "registry.example/db:2"]);
/// assert_eq!(request.platform, "linux/arm64");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ImageScan(SubmitRequest);

impl ImageScan {
    /// These references: `host/repository:tag` or `host/repository@sha256:…`.
    #[must_use]
    pub fn new<I: Into<String>>(references: impl IntoIterator<Item = I>) -> Self {
        let images = references.into_iter().map(Into::into).collect();
        Self(SubmitRequest { images, lane: Lane::Interactive.into(), ..SubmitRequest::default() })
    }

    /// And this one.
    #[must_use]
    pub fn and(mut self, reference: impl Into<String>) -> Self {
        self.0.images.push(reference.into());
        self
    }
}

options!(ImageScan);

/// A scan of a registry, or of a part of it.
///
/// ```
/// use strata_client::{RegistrySweep, v1::SubmitRequest};
///
/// let sweep = RegistrySweep::new("registry.example:5000").below("team").include("*:release-*").exclude("*:*-debug");
/// let target = SubmitRequest::from(sweep).registry.expect("a target");
/// assert_eq!((target.prefix.as_str(), target.whole), ("team", true));
/// assert_eq!(target.include, ["*:release-*"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RegistrySweep(SubmitRequest);

impl RegistrySweep {
    /// The whole registry: `registry.example:5000`.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        let target = RegistryTarget { host: host.into(), ..RegistryTarget::default() };
        let lane = Lane::Sweep.into();
        Self(SubmitRequest { registry: Some(target), lane, ..SubmitRequest::default() })
    }

    /// Only repositories whose name starts with this: `team` is also `teamwork`.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.target(|target| (target.prefix, target.whole) = (prefix.into(), false))
    }

    /// Only this repository and those below it: `team` is `team` and `team/…`.
    #[must_use]
    pub fn below(self, path: impl Into<String>) -> Self {
        self.target(|target| (target.prefix, target.whole) = (path.into(), true))
    }

    /// This repository instead of what the registry's catalog lists; may be called again.
    #[must_use]
    pub fn repository(self, name: impl Into<String>) -> Self {
        self.target(|target| target.repositories.push(name.into()))
    }

    /// Only references that match this glob over `repository:tag`, or another one.
    #[must_use]
    pub fn include(self, glob: impl Into<String>) -> Self {
        self.target(|target| target.include.push(glob.into()))
    }

    /// Leaves out references that match this glob.
    #[must_use]
    pub fn exclude(self, glob: impl Into<String>) -> Self {
        self.target(|target| target.exclude.push(glob.into()))
    }

    fn target(mut self, edit: impl FnOnce(&mut RegistryTarget)) -> Self {
        edit(self.0.registry.get_or_insert_default());
        self
    }
}

options!(RegistrySweep);
