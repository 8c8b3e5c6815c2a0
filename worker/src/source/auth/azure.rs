//! Azure Container Registry: an Entra ID token (of an application with a secret or a federated token, or of the machine's
//! managed identity) is exchanged for the registry's refresh token, and that for access tokens as they are needed
//! (Azure/acr, "AAD-OAuth").

use std::path::PathBuf;

use futures::FutureExt as _;
use reqwest::Method;
use serde::Deserialize;

use super::{
    Credentials, Finding, Login, Secret,
    web::{self, Answer, Place},
};
use crate::error::JobError;

/// What the token is for: the registry accepts tokens of the resource manager.
const RESOURCE: &str = "https://management.azure.com/";

/// Where Azure's credentials are.
#[derive(Debug, Clone, Default)]
pub struct Azure {
    /// Tenant (`AZURE_TENANT_ID`).
    pub tenant: String,
    /// Application, or the managed identity's (`AZURE_CLIENT_ID`).
    pub client: String,
    /// The application's secret (`AZURE_CLIENT_SECRET`).
    pub secret: Option<Secret>,
    /// A pod's federated token (`AZURE_FEDERATED_TOKEN_FILE`).
    pub token_file: Option<PathBuf>,
    /// Entra ID (`AZURE_AUTHORITY_HOST`); empty: the public cloud's.
    pub authority: String,
    /// Metadata service; empty: not asked.
    pub metadata: String,
    /// Address of the registry instead of its host, for tests.
    pub registry: String,
}

/// Whether a host is an Azure Container Registry.
pub(crate) fn is_registry(host: &str) -> bool {
    [".azurecr.io", ".azurecr.cn", ".azurecr.us"].iter().any(|end| host.ends_with(end))
}

/// The login for a host of Azure's.
pub(super) fn find<'a>(credentials: &'a Credentials, host: &'a str) -> Finding<'a> {
    async move {
        if !is_registry(host) {
            return Ok(None);
        }
        match credentials.azure.identity().await? {
            Some(token) => credentials.azure.exchange(host, &token).await.map(Some),
            None => Ok(None),
        }
    }
    .boxed()
}

#[derive(Deserialize)]
struct Access {
    access_token: String,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

impl Azure {
    /// A token of Entra ID; `None` where nothing proves who this machine is.
    async fn identity(&self) -> Result<Option<Secret>, JobError> {
        let assertion = match (&self.secret, &self.token_file) {
            (Some(_), _) => None,
            (None, Some(path)) => {
                let token = web::file(path, "the token of this pod").await?;
                Some(String::from_utf8_lossy(&token).trim().to_owned())
            }
            (None, None) if self.metadata.is_empty() => return Ok(None),
            (None, None) => return self.machine().await,
        };
        let what = format!("the token of the application {}", self.client);
        let authority =
            if self.authority.is_empty() { "https://login.microsoftonline.com" } else { &self.authority };
        let tenant: String = url::form_urlencoded::byte_serialize(self.tenant.as_bytes()).collect();
        let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
        let scope = format!("{RESOURCE}.default");
        let mut fields =
            vec![("grant_type", "client_credentials"), ("client_id", &*self.client), ("scope", &*scope)];
        if let Some(secret) = &self.secret {
            fields.push(("client_secret", secret.expose()));
        }
        if let Some(assertion) = &assertion {
            fields.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            fields.push(("client_assertion", assertion));
        }
        let request = web::form(web::request(Method::POST, &url, Place::Far)?, &fields);
        let token: Access = web::json(&web::body(web::send(request, &what).await?, &what)?, &what)?;
        Ok(Some(Secret::new(token.access_token)))
    }

    async fn machine(&self) -> Result<Option<Secret>, JobError> {
        let what = "the token of this machine";
        let client = Some(("client_id", &*self.client)).filter(|(_, client)| !client.is_empty());
        let fields = [("api-version", "2018-02-01"), ("resource", RESOURCE)].into_iter().chain(client);
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let url = format!("http://{}/metadata/identity/oauth2/token?{query}", self.metadata);
        let request = web::request(Method::GET, &url, Place::Near)?.header("metadata", "true");
        match web::send(request, what).await? {
            // Not on Azure, or a machine without an identity.
            Answer::Absent | Answer::Refused(400 | 404) => Ok(None),
            answer => {
                let token: Access = web::json(&web::body(answer, what)?, what)?;
                Ok(Some(Secret::new(token.access_token)))
            }
        }
    }

    async fn exchange(&self, host: &str, token: &Secret) -> Result<Login, JobError> {
        let what = format!("the refresh token of {host}");
        let own = format!("https://{host}");
        let base = if self.registry.is_empty() { &own } else { &self.registry };
        let mut fields =
            vec![("grant_type", "access_token"), ("service", host), ("access_token", token.expose())];
        if !self.tenant.is_empty() {
            fields.push(("tenant", &self.tenant));
        }
        let request = web::request(Method::POST, &format!("{base}/oauth2/exchange"), Place::Far)?;
        let body = web::body(web::send(web::form(request, &fields), &what).await?, &what)?;
        let refresh: Refresh = web::json(&body, &what)?;
        Ok(Login::Identity(Secret::new(refresh.refresh_token)))
    }
}
