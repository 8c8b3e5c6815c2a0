//! An OIDC issuer: where its keys are, how long they are believed, and which claims allow what. An unknown key has the set
//! read again, but not more often than every half minute, however many tokens with invented keys arrive.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use reqwest::{Certificate, Client, Url, redirect};
use serde_json::{Map, Value};
use tokio::{sync::Mutex, time::Instant};

use super::{
    Principal,
    gate::Refusal,
    jwks::{Jwks, MOST_BYTES},
    jwt::{self, Expected, JwtError},
    prefix::Prefix,
    scope::Scope,
};

/// Between two attempts to read the keys.
const PAUSE: Duration = Duration::from_secs(30);
/// After this the keys are read again, so that one that was withdrawn ends.
const FRESH: Duration = Duration::from_secs(600);
/// Without a successful reading the keys are believed for this long.
const STALE: Duration = Duration::from_secs(24 * 3600);
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, read again when a key is missing.
    File(PathBuf),
    /// `https://…`, or `http://` on loopback.
    Url(String),
    /// Where the issuer's `/.well-known/openid-configuration` says.
    Discovery,
}

/// One value of the claim, and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// One word of the claim.
    pub value: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Where; nothing is everywhere.
    pub prefix: Option<Prefix>,
}

impl std::str::FromStr for Grant {
    type Err = String;

    /// `VALUE=SCOPE[,SCOPE…][@HOST[/REPOSITORY]]`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not of the form VALUE=SCOPE[,SCOPE][@HOST[/REPOSITORY]]");
        let (value, rest) = text.rsplit_once('=').ok_or_else(wrong)?;
        let (scopes, prefix) =
            rest.split_once('@').map_or((rest, None), |(scopes, prefix)| (scopes, Some(prefix)));
        let scopes = scopes.split(',').map(str::parse).collect::<Result<Vec<Scope>, _>>()?;
        let prefix = prefix.map(str::parse).transpose()?;
        if value.is_empty() {
            return Err(wrong());
        }
        if prefix.is_some() && scopes.contains(&Scope::Admin) {
            return Err(format!("`{text}` limits an administrator, who can make tokens without a limit"));
        }
        Ok(Self { value: value.to_owned(), scopes, prefix })
    }
}

/// How an issuer is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcConfig {
    /// What tokens must say.
    pub expected: Expected,
    /// Where the keys are.
    pub keys: KeySource,
    /// The claim that holds values of the grants: a text of words, or a list.
    pub claim: String,
    /// What values allow.
    pub grants: Vec<Grant>,
    /// Authorities (PEM) that the certificate of whoever has the keys may come from, beside the system's.
    pub authorities: Option<Vec<u8>>,
}

/// An issuer whose tokens are accepted.
pub struct Oidc {
    config: OidcConfig,
    http: Client,
    cached: Mutex<Cached>,
}

#[derive(Default)]
struct Cached {
    keys: Option<(Arc<Jwks>, Instant)>,
    tried: Option<Instant>,
    wrong: String,
}

impl Oidc {
    /// Prepares the issuer. Keys in a file are read at once; a URL with the first token.
    ///
    /// # Errors
    /// Names what is wrong with the settings or the file.
    pub async fn new(config: OidcConfig) -> Result<Self, String> {
        let unusable = |error: reqwest::Error| format!("failed to prepare HTTPS: {error}");
        let authorities = config.authorities.as_deref().map(Certificate::from_pem_bundle);
        let http = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .tls_certs_merge(authorities.transpose().map_err(unusable)?.unwrap_or_default())
            .build()
            .map_err(unusable)?;
        match &config.keys {
            KeySource::File(_) => {}
            KeySource::Url(url) => drop(checked(url)?),
            KeySource::Discovery => drop(checked(&config.expected.issuer)?),
        }
        let oidc = Self { config, http, cached: Mutex::default() };
        if matches!(oidc.config.keys, KeySource::File(_)) {
            oidc.keys(false).await?;
        }
        Ok(oidc)
    }

    /// Who shows this token.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn verify(&self, text: &str, now_unix_ms: i64) -> Result<Principal, Refusal> {
        self.principal(&self.claims(text, now_unix_ms).await?)
    }

    /// What this token says, which the issuer signed for this audience.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn claims(&self, text: &str, now_unix_ms: i64) -> Result<Map<String, Value>, Refusal> {
        let now = now_unix_ms.div_euclid(1000);
        let refused =
            |error: JwtError| Refusal::Unauthenticated(format!("this token does not count: {error}"));
        let keys = self.keys(false).await.map_err(Refusal::Unavailable)?;
        match jwt::verify(text, &keys, &self.config.expected, now) {
            Err(JwtError::UnknownKey) => {
                let keys = self.keys(true).await.map_err(Refusal::Unavailable)?;
                jwt::verify(text, &keys, &self.config.expected, now).map_err(refused)
            }
            other => other.map_err(refused),
        }
    }

    /// What the claims allow.
    fn principal(&self, claims: &Map<String, Value>) -> Result<Principal, Refusal> {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        if subject.is_empty() || subject.len() > 255 {
            return Err(Refusal::Unauthenticated("this token does not count: it has no subject".to_owned()));
        }
        let held = words(claims.get(&self.config.claim));
        let granted: Vec<&Grant> =
            self.config.grants.iter().filter(|grant| held.contains(grant.value.as_str())).collect();
        let scopes: BTreeSet<Scope> = granted.iter().flat_map(|grant| grant.scopes.iter().copied()).collect();
        // A grant without a limit must not lift the limit of another's scope: where both are held, the narrow one counts.
        let prefixes: Vec<Prefix> = if scopes.contains(&Scope::Admin) {
            Vec::new()
        } else {
            granted.iter().filter_map(|grant| grant.prefix.clone()).collect()
        };
        let expires = claims.get("exp").and_then(jwt::seconds).unwrap_or(0);
        Ok(Principal {
            id: format!("oidc:{subject}"),
            name: subject.to_owned(),
            scopes,
            prefixes,
            expires_unix_ms: expires.saturating_mul(1000),
        })
    }

    /// The issuer's keys; `newer` asks for a set that was read after this call began, if it is time for that.
    async fn keys(&self, newer: bool) -> Result<Arc<Jwks>, String> {
        let asked = Instant::now();
        // One reads, all others wait for what it finds.
        let mut cached = self.cached.lock().await;
        let read_at = cached.keys.as_ref().map(|(_, at)| *at);
        let due = match read_at {
            None => true,
            Some(at) => at.elapsed() > FRESH || (newer && at < asked),
        };
        let rested = cached.tried.is_none_or(|tried| tried.elapsed() >= PAUSE);
        if due && rested {
            cached.tried = Some(asked);
            match self.read().await {
                Ok(keys) => cached.keys = Some((Arc::new(keys), Instant::now())),
                Err(error) => {
                    tracing::warn!(%error, "the OIDC issuer's keys could not be read");
                    cached.wrong = error;
                }
            }
        }
        match &cached.keys {
            Some((keys, at)) if at.elapsed() < STALE => Ok(Arc::clone(keys)),
            _ => Err(cached.wrong.clone()),
        }
    }

    async fn read(&self) -> Result<Jwks, String> {
        let (name, bytes) = match &self.config.keys {
            KeySource::File(path) => {
                let bytes = tokio::fs::read(path).await;
                (path.display().to_string(), bytes.map_err(|error| error.to_string()))
            }
            KeySource::Url(url) => (url.clone(), self.get(url).await),
            KeySource::Discovery => {
                let issuer = self.config.expected.issuer.trim_end_matches('/');
                let url = self.discover(&format!("{issuer}/.well-known/openid-configuration")).await?;
                let bytes = self.get(&url).await;
                (url, bytes)
            }
        };
        let keys = bytes.and_then(|bytes| Jwks::parse(&bytes));
        keys.map_err(|error| format!("failed to read the issuer's keys from {name}: {error}"))
    }

    /// The place of the keys (OpenID Connect Discovery 1.0, 4.3: the document must be the issuer's own).
    async fn discover(&self, url: &str) -> Result<String, String> {
        let failed = |error: String| format!("failed to read the issuer's configuration from {url}: {error}");
        let document: Value = serde_json::from_slice(&self.get(url).await.map_err(failed)?)
            .map_err(|error| failed(error.to_string()))?;
        if document.get("issuer").and_then(Value::as_str) != Some(&self.config.expected.issuer) {
            return Err(failed("it is another issuer's".to_owned()));
        }
        let keys = document.get("jwks_uri").and_then(Value::as_str);
        keys.map(str::to_owned).ok_or_else(|| failed("it has no jwks_uri".to_owned()))
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let text = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = self.http.get(checked(url)?).send().await.map_err(text)?;
        if !answer.status().is_success() {
            return Err(format!("the answer is {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(text)? {
            if body.len().saturating_add(chunk.len()) > MOST_BYTES {
                return Err(format!("it has more than {MOST_BYTES} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Keys decide who may do what: they come over TLS, or from this machine.
fn checked(url: &str) -> Result<Url, String> {
    let parsed = Url::parse(url).map_err(|error| format!("`{url}` is no URL: {error}"))?;
    let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if here => Ok(parsed),
        _ => Err(format!("`{url}` is not https://: keys that anybody could have changed prove nothing")),
    }
}

/// A claim's words: of a text, or the texts of a list.
fn words(claim: Option<&Value>) -> BTreeSet<&str> {
    match claim {
        Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests;
