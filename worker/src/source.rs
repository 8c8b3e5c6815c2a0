//! Where images come from: registries, docker-archives, OCI layouts and archives.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use strata_proto::v1::SourceOptions;

use self::{
    archive::{ArchiveConfig, Archives},
    registry::{Registries, RegistryConfig},
};
use crate::{
    error::JobError,
    ports::{Attached, Blob, Images, Made, Page, Resolution},
};

pub mod archive;
pub mod auth;
mod base;
pub mod facts;
pub mod manifest;
pub mod media;
pub mod platform;
pub mod registry;
pub mod secret;
mod table;
pub mod walk;

/// Settings of all sources.
#[derive(Debug, Clone, Default)]
pub struct SourceConfig {
    /// Registries.
    pub registry: RegistryConfig,
    /// Archives; `None` forbids them: a cluster's worker does not read paths that a client names.
    pub archives: Option<ArchiveConfig>,
}

/// Every source, chosen by a reference's scheme.
#[derive(Clone)]
pub struct Sources {
    registries: Registries,
    archives: Option<Archives>,
}

impl Sources {
    /// Sets all sources up. A TLS provider must have been installed.
    ///
    /// # Errors
    /// When the settings do not make sense.
    pub fn new(config: SourceConfig) -> Result<Self, JobError> {
        Ok(Self {
            registries: Registries::new(config.registry)?,
            archives: config.archives.map(Archives::new),
        })
    }

    /// Turns a command-line argument into explicit references, as [`Archives::expand`] does, and keeps open what it
    /// had to decompress.
    ///
    /// # Errors
    /// As there.
    pub async fn expand(&self, text: &str) -> Result<Vec<String>, JobError> {
        match &self.archives {
            Some(archives) => archives.expand(text).await,
            None => archive::expand(text).await,
        }
    }

    fn of(&self, reference: &str) -> Result<&dyn Images, JobError> {
        if archive::name::scheme(reference).is_none() {
            return Ok(&self.registries);
        }
        match &self.archives {
            Some(archives) => Ok(archives),
            None => {
                let shown: String = reference.chars().take(300).collect();
                Err(JobError::never(
                    "unsupported",
                    format!(
                        "failed to read {shown}: this worker reads registries only; scan archives without a server"
                    ),
                ))
            }
        }
    }
}

#[async_trait]
impl Images for Sources {
    async fn list(
        &self,
        host: &str,
        repository: &str,
        cursor: &str,
        options: &SourceOptions,
    ) -> Result<Page, JobError> {
        self.registries.list(host, repository, cursor, options).await
    }

    async fn digest(&self, reference: &str, options: &SourceOptions) -> Result<Option<String>, JobError> {
        self.of(reference)?.digest(reference, options).await
    }

    async fn resolve(
        &self,
        reference: &str,
        platform: &str,
        options: &SourceOptions,
    ) -> Result<Resolution, JobError> {
        self.of(reference)?.resolve(reference, platform, options).await
    }

    async fn platforms(&self, reference: &str, options: &SourceOptions) -> Result<Vec<String>, JobError> {
        self.of(reference)?.platforms(reference, options).await
    }

    async fn blob(&self, reference: &str, digest: &str, options: &SourceOptions) -> Result<Blob, JobError> {
        self.of(reference)?.blob(reference, digest, options).await
    }

    async fn made(&self, reference: &str, digest: &str) -> Result<Option<Made>, JobError> {
        self.of(reference)?.made(reference, digest).await
    }

    async fn part(
        &self,
        reference: &str,
        digest: &str,
        part: (Range<u64>, u64),
        options: &SourceOptions,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, JobError>>>, JobError> {
        self.of(reference)?.part(reference, digest, part, options).await
    }

    async fn attachments(
        &self,
        reference: &str,
        digest: &str,
        options: &SourceOptions,
    ) -> Result<Attached, JobError> {
        self.of(reference)?.attachments(reference, digest, options).await
    }
}
