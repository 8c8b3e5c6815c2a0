//! What a registry is to others than the sweep: how it is reached, for clients that are not this one and are held to the same
//! rules before they begin; and manifests of artefacts.

use bytes::Bytes;
use strata_proto::v1::SourceOptions;

use super::{
    Registries,
    challenge::Challenge,
    token::{self, Authorization},
};
use crate::{error::JobError, source::secret::Secret};

/// What was found out about a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Plain HTTP.
    pub plain: bool,
    /// Any certificate is taken.
    pub any_certificate: bool,
}

impl Registries {
    /// Looks how a registry is reached, and whether a login may go where it sends logins.
    ///
    /// # Errors
    /// When it cannot be reached, its certificate is not trusted, or its token service is where no login may go.
    pub async fn way(&self, host: &str, insecure: bool) -> Result<Way, JobError> {
        let host = self.host(host, &SourceOptions { insecure });
        let what = format!("registry {}", host.name);
        let endpoint = host.endpoint(&self.0, &what).await?;
        if let Some(Challenge::Bearer { realm, .. }) = host.challenge() {
            token::check_realm(&self.0, &host, endpoint, &realm, &what)?;
        }
        Ok(Way { plain: endpoint.base.scheme() == "http", any_certificate: endpoint.accept_any_certificate })
    }

    /// A token with which another client may push to a repository for as long as it lives: what the registry's token service gives
    /// for the login of this user. `None` where the registry asks for no token.
    ///
    /// # Errors
    /// When the registry cannot be reached, or its token service refuses.
    pub async fn push_token(
        &self,
        host: &str,
        repository: &str,
        insecure: bool,
    ) -> Result<Option<Secret>, JobError> {
        let host = self.host(host, &SourceOptions { insecure });
        let what = format!("registry {}", host.name);
        host.endpoint(&self.0, &what).await?;
        let scope = format!("repository:{repository}:pull,push");
        match self.0.grants.get(&self.0, &host, &scope, &what).await?.authorization {
            Authorization::Token(token, _) => Ok(Some(token)),
            Authorization::None | Authorization::Login(_) => Ok(None),
        }
    }

    /// The manifest that a reference names, as it is: of an artefact that is no image.
    ///
    /// # Errors
    /// When it cannot be had, is too large, or is not what its digest says.
    pub async fn manifest(&self, reference: &str, insecure: bool) -> Result<Bytes, JobError> {
        let image = self.image(reference, &SourceOptions { insecure })?;
        let fetched = image.document(&image.reference.selector(), image.reference.digest.as_ref()).await?;
        Ok(fetched.body)
    }
}
