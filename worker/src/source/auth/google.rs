//! Google's registries (Artifact Registry, Container Registry): an access token as the password of `oauth2accesstoken`,
//! from a key file (RFC 7523: a signed assertion; or a user's refresh token) or from the metadata service.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::FutureExt as _;
use reqwest::Method;
use rustls::{
    SignatureScheme,
    crypto::CryptoProvider,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};
use serde::Deserialize;

use super::{
    Credentials, Finding, Login, Secret, sigv4,
    web::{self, Answer, Place},
};
use crate::error::JobError;

/// What the token is for: reading storage is what pulling needs.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The user name that marks a password as an access token.
const TOKEN_USER: &str = "oauth2accesstoken";

/// Where Google's credentials are.
#[derive(Debug, Clone, Default)]
pub struct Google {
    /// Key file (`GOOGLE_APPLICATION_CREDENTIALS`).
    pub key_file: Option<PathBuf>,
    /// Host of the metadata service (`GCE_METADATA_HOST`); empty: not asked.
    pub metadata: String,
}

/// Whether a host is one of Google's registries.
pub(crate) fn is_registry(host: &str) -> bool {
    host == "gcr.io" || host.ends_with(".gcr.io") || host.ends_with("-docker.pkg.dev")
}

/// The login for a host of Google's.
pub(super) fn find<'a>(credentials: &'a Credentials, host: &'a str) -> Finding<'a> {
    async move {
        if !is_registry(host) {
            return Ok(None);
        }
        let token = credentials.google.token().await?;
        Ok(token.map(|password| Login::Basic { username: TOKEN_USER.to_owned(), password }))
    }
    .boxed()
}

#[derive(Deserialize)]
struct Key {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    client_secret: String,
    #[serde(default)]
    refresh_token: String,
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

impl Google {
    /// An access token; `None` where nothing proves who this machine is.
    ///
    /// # Errors
    /// When the key file or its service does not give one.
    async fn token(&self) -> Result<Option<Secret>, JobError> {
        match &self.key_file {
            Some(path) => self.of_key(path).await.map(Some),
            None if self.metadata.is_empty() => Ok(None),
            None => self.of_machine().await,
        }
    }

    async fn of_key(&self, path: &std::path::Path) -> Result<Secret, JobError> {
        let what = format!("the access token of {}", path.display());
        let key: Key = web::json(&web::file(path, &what).await?, &what)?;
        let uri = key.token_uri.clone().unwrap_or_else(|| "https://oauth2.googleapis.com/token".to_owned());
        let safe = url::Url::parse(&uri).is_ok_and(|url| {
            let local = url.host_str().is_some_and(strata_proto::reference::is_loopback);
            url.scheme() == "https" || (url.scheme() == "http" && local)
        });
        if !safe {
            return Err(JobError::never(
                "credentials",
                format!("failed to get {what}: its service is not HTTPS"),
            ));
        }
        let request = web::request(Method::POST, &uri, Place::Far)?;
        let request = match key.kind.as_str() {
            "service_account" => {
                let assertion = assertion(&key, &uri, sigv4::now(), &what)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                web::form(request, &[("grant_type", grant), ("assertion", &assertion)])
            }
            "authorized_user" => web::form(
                request,
                &[
                    ("grant_type", "refresh_token"),
                    ("client_id", &key.client_id),
                    ("client_secret", &key.client_secret),
                    ("refresh_token", &key.refresh_token),
                ],
            ),
            _ => {
                let message = format!("failed to get {what}: keys of this kind are not supported");
                return Err(JobError::never("credentials", message));
            }
        };
        let token: Token = web::json(&web::body(web::send(request, &what).await?, &what)?, &what)?;
        Ok(Secret::new(token.access_token))
    }

    async fn of_machine(&self) -> Result<Option<Secret>, JobError> {
        let what = "the access token of this machine";
        let path = "computeMetadata/v1/instance/service-accounts/default/token";
        let request = web::request(Method::GET, &format!("http://{}/{path}", self.metadata), Place::Near)?;
        match web::send(request.header("metadata-flavor", "Google"), what).await? {
            // Not on Google's cloud, or a machine without an account.
            Answer::Absent | Answer::Refused(404) => Ok(None),
            answer => {
                let token: Token = web::json(&web::body(answer, what)?, what)?;
                Ok(Some(Secret::new(token.access_token)))
            }
        }
    }
}

/// A JWT (RFC 7519) that a service account signs for its token service.
fn assertion(key: &Key, audience: &str, unix: u64, what: &str) -> Result<String, JobError> {
    let failed = |reason: &str| JobError::never("credentials", format!("failed to get {what}: {reason}"));
    let header = serde_json::json!({ "alg": "RS256", "typ": "JWT", "kid": key.private_key_id });
    let claims = serde_json::json!({
        "iss": key.client_email, "scope": SCOPE, "aud": audience, "iat": unix, "exp": unix + 3_600,
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let der = PrivateKeyDer::from_pem_slice(key.private_key.as_bytes())
        .map_err(|_| failed("its private key is malformed"))?;
    let provider = CryptoProvider::get_default().ok_or_else(|| failed("no TLS provider is installed"))?;
    let private =
        provider.key_provider.load_private_key(der).map_err(|_| failed("its private key is malformed"))?;
    let signer = private.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]);
    let signer = signer.ok_or_else(|| failed("its private key is not an RSA key"))?;
    let signature = signer.sign(text.as_bytes()).map_err(|_| failed("its private key does not sign"))?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
