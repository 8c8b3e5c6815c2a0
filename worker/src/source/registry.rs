//! Registries (OCI distribution specification 1.1): a thin client of our own on reqwest, because a sweep needs what
//! general clients leave out: bounded bodies, `Retry-After`, pages, catalog scopes, renewed logins, resumed layers.
//! Pushing and pulling artifacts stays with oci-client where it is needed.
//!
//! Plain HTTP is spoken to loopback, HTTPS to all others; see [`host`] for `insecure`.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use reqwest::{Method, StatusCode, header};
use strata_proto::{
    digest::Digest,
    reference::{Reference, is_host, is_repository},
    v1::{Platform, SourceOptions},
};

pub use self::config::{PaceConfig, ProxyConfig, RegistryConfig};
use self::{
    answer::Asked,
    client::Clients,
    host::Host,
    send::{Answered, Request, send},
    token::Grants,
};
use super::{
    media, platform,
    walk::{self, Documents, Fetched, Wanted},
};
use crate::{
    error::JobError,
    ports::{Attached, Blob, Images, Page, Resolution, parse_reference},
};

mod address;
mod answer;
mod blob;
mod bulk;
pub mod challenge;
mod client;
mod config;
mod gate;
mod host;
mod lineage;
pub mod link;
mod pace;
mod page;
mod referrers;
pub mod retry_after;
mod scan;
mod send;
mod token;
pub mod way;

/// Registries that are remembered; beyond, the memory starts anew.
const MAX_HOSTS: usize = 1_000;

/// Access to registries. Cheap to clone; clones share connections, logins and tokens.
#[derive(Clone)]
pub struct Registries(Arc<Registry>);

/// What all requests share.
pub(crate) struct Registry {
    config: RegistryConfig,
    clients: Clients,
    grants: Grants,
    hosts: Mutex<HashMap<(String, bool), Arc<Host>>>,
}

impl Registries {
    /// Sets access up. A TLS provider must have been installed.
    ///
    /// # Errors
    /// When the settings do not make sense.
    pub fn new(config: RegistryConfig) -> Result<Self, JobError> {
        for (host, kind) in &config.kinds {
            if !bulk::is_known(kind) {
                return Err(JobError::never(
                    "configuration",
                    format!("failed to set up access to registries: {host} is of no known kind: {kind}"),
                ));
            }
        }
        let clients = Clients::new(&config)?;
        Ok(Self(Arc::new(Registry { config, clients, grants: Grants::default(), hosts: Mutex::default() })))
    }

    fn host(&self, name: &str, options: &SourceOptions) -> Arc<Host> {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MAX_HOSTS {
            hosts.clear();
        }
        let key = (name.to_owned(), options.insecure);
        hosts.entry(key).or_insert_with(|| Host::new(name, options.insecure, &self.0.config.pace)).clone()
    }

    /// A layer of an image, with its name for messages.
    fn layer(
        &self,
        reference: &str,
        digest: &str,
        options: &SourceOptions,
    ) -> Result<(Image, Digest, String), JobError> {
        let image = self.image(reference, options)?;
        let digest: Digest = digest.parse().map_err(|error| {
            JobError::never("bad-reference", format!("failed to read a layer of {reference}: {error}"))
        })?;
        let what = format!("layer {digest} of {}", image.what);
        Ok((image, digest, what))
    }

    fn image(&self, text: &str, options: &SourceOptions) -> Result<Image, JobError> {
        let reference = parse_reference(text)?;
        let host = self.host(&reference.host, options);
        Ok(Image { registry: Arc::clone(&self.0), host, what: reference.to_string(), reference })
    }
}

#[async_trait]
impl Images for Registries {
    async fn list(
        &self,
        host: &str,
        repository: &str,
        cursor: &str,
        options: &SourceOptions,
    ) -> Result<Page, JobError> {
        if !is_host(host) || !(repository.is_empty() || is_repository(repository)) {
            let shown: String = format!("{host}/{repository}").chars().take(300).collect();
            return Err(JobError::never(
                "bad-reference",
                format!("failed to list {shown}: it names no registry or repository"),
            ));
        }
        let host = self.host(host, options);
        match page::list(&self.0, &host, repository, cursor).await {
            Err(error) if error.code == "malformed" => page::list(&self.0, &host, repository, cursor).await,
            result => result,
        }
    }

    async fn digest(&self, reference: &str, options: &SourceOptions) -> Result<Option<String>, JobError> {
        self.image(reference, options)?.head().await
    }

    async fn resolve(
        &self,
        reference: &str,
        wanted: &str,
        options: &SourceOptions,
    ) -> Result<Resolution, JobError> {
        let image = self.image(reference, options)?;
        let platform = platform::parse(wanted)?;
        image.resolve(&platform).await
    }

    async fn platforms(&self, reference: &str, options: &SourceOptions) -> Result<Vec<String>, JobError> {
        let image = self.image(reference, options)?;
        let root = image.document(&image.reference.selector(), image.reference.digest.as_ref()).await?;
        walk::platforms(&root, &image.what)
    }

    async fn blob(&self, reference: &str, digest: &str, options: &SourceOptions) -> Result<Blob, JobError> {
        let (image, digest, what) = self.layer(reference, digest, options)?;
        blob::open(&self.0, image.host, &image.reference, digest, what).await
    }

    async fn part(
        &self,
        reference: &str,
        digest: &str,
        part: (Range<u64>, u64),
        options: &SourceOptions,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, JobError>>>, JobError> {
        let (image, digest, what) = self.layer(reference, digest, options)?;
        blob::part(&self.0, image.host, &image.reference, digest, part, what).await
    }

    async fn attachments(
        &self,
        reference: &str,
        digest: &str,
        options: &SourceOptions,
    ) -> Result<Attached, JobError> {
        let image = self.image(reference, options)?;
        let subject: Digest = digest.parse().map_err(|error| {
            JobError::never(
                "bad-reference",
                format!("failed to read what is attached to {reference}: {error}"),
            )
        })?;
        referrers::attachments(&image, &subject).await
    }
}

/// One image's way into its registry.
struct Image {
    registry: Arc<Registry>,
    host: Arc<Host>,
    reference: Reference,
    what: String,
}

impl Image {
    async fn ask(&self, method: Method, path: &str, accept: &str, what: &str) -> Result<Answered, JobError> {
        let scope = format!("repository:{}:pull", self.reference.repository);
        let path = format!("/v2/{}/{path}", self.reference.repository);
        let request =
            Request { method, path: &path, accept, from: 0, end: None, scope: &scope, what, download: false };
        send(&self.registry, &self.host, &request).await
    }

    fn asked<'a>(&'a self, what: &'a str, login: bool) -> Asked<'a> {
        Asked { what, host: self.host.name.as_str(), login }
    }

    async fn resolve(&self, platform: &Platform) -> Result<Resolution, JobError> {
        let root = self.document(&self.reference.selector(), self.reference.digest.as_ref()).await?;
        let tag = self.reference.tag.as_deref();
        walk::walk(self, &Wanted { what: &self.what, tag, platform }, root).await
    }

    /// The digest that the registry names now; `None` where it does not say.
    async fn head(&self) -> Result<Option<String>, JobError> {
        let path = format!("manifests/{}", self.reference.selector());
        let Answered { response, login, permit: _held } =
            self.ask(Method::HEAD, &path, media::accept(), &self.what).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::METHOD_NOT_ALLOWED => return Ok(None),
            _ => return Err(self.asked(&self.what, login).refusal(response).await),
        }
        let digest = claimed(&response);
        match (&self.reference.digest, digest) {
            (Some(wanted), Some(found)) if *wanted != found => Err(JobError::never(
                "digest-mismatch",
                format!("failed to read {}: {} answers with {found}", self.what, self.host.name),
            )),
            (_, found) => Ok(found.map(|digest| digest.to_string())),
        }
    }

    /// A manifest, whose content is what was asked for and what the registry claims. It may be damaged on its way: it is read
    /// once more before it is refused for good.
    async fn document(&self, selector: &str, wanted: Option<&Digest>) -> Result<Fetched, JobError> {
        match self.read_document(selector, wanted).await {
            Err(error) if error.code == "digest-mismatch" => self.read_document(selector, wanted).await,
            result => result,
        }
    }

    async fn read_document(&self, selector: &str, wanted: Option<&Digest>) -> Result<Fetched, JobError> {
        let path = format!("manifests/{selector}");
        let Answered { response, login, permit: _held } =
            self.ask(Method::GET, &path, media::accept(), &self.what).await?;
        let asked = self.asked(&self.what, login);
        if response.status() != StatusCode::OK {
            return Err(asked.refusal(response).await);
        }
        let claimed = claimed(&response);
        let config = &self.registry.config;
        let content_type = answer::text(&response, &header::CONTENT_TYPE).unwrap_or_default().to_owned();
        let body = asked.body(response, config.manifest_bytes, config.request_timeout).await?;
        if let Some(digest) = wanted.or(claimed.as_ref()) {
            walk::verify(&body, digest, &self.what, "manifest")?;
        }
        Ok(Fetched { body, content_type })
    }
}

/// What the registry says that the digest is. Digests of other algorithms say nothing to us.
fn claimed(response: &reqwest::Response) -> Option<Digest> {
    let header = header::HeaderName::from_static("docker-content-digest");
    answer::text(response, &header)?.parse().ok()
}

#[async_trait]
impl Documents for Image {
    async fn manifest(&self, digest: &Digest) -> Result<Fetched, JobError> {
        self.document(&digest.to_string(), Some(digest)).await
    }

    async fn config(&self, digest: &Digest) -> Result<Bytes, JobError> {
        let config = self.read_config(digest).await?;
        if Digest::of(&config) == *digest { Ok(config) } else { self.read_config(digest).await }
    }

    async fn has_layer(&self, digest: &Digest) -> Result<bool, JobError> {
        let what = format!("layer {digest} of {}", self.what);
        let Answered { response, login, permit: _held } =
            self.ask(Method::HEAD, &format!("blobs/{digest}"), "", &what).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.asked(&what, login).refusal(response).await),
        }
    }
}

impl Image {
    async fn read_config(&self, digest: &Digest) -> Result<Bytes, JobError> {
        let what = format!("the configuration of {}", self.what);
        let Answered { response, login, permit: _held } =
            self.ask(Method::GET, &format!("blobs/{digest}"), "", &what).await?;
        let asked = self.asked(&what, login);
        if response.status() != StatusCode::OK {
            return Err(asked.refusal(response).await);
        }
        let config = &self.registry.config;
        asked.body(response, config.config_bytes, config.request_timeout).await
    }
}

#[cfg(test)]
mod tests;
