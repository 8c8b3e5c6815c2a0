//! Logins towards one registry: Basic, or tokens from its token service (distribution token specification; OAuth2
//! refresh for identity tokens). One exchange for each registry and scope, shared by whoever waits for it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::{
    Registry,
    address::Reach,
    answer,
    answer::Asked,
    challenge::Challenge,
    host::{Endpoint, Host},
};
use crate::{
    error::JobError,
    source::{auth, auth::Login, secret::Secret},
};

/// Tokens that are kept; beyond, the cache starts anew.
const MAX_TOKENS: usize = 10_000;
/// Bytes of a token service's answer.
const MAX_ANSWER: usize = 256 << 10;
/// How long a login is used before it is looked up again.
const LOGIN_AGE: Duration = Duration::from_secs(300);
/// A token's life where its service does not say (distribution token specification).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// The longest life that is believed.
const MAX_LIFE: Duration = Duration::from_secs(3_600);

/// What goes into a request's `Authorization`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authorization {
    /// Nothing.
    None,
    /// A login with every request.
    Login(Login),
    /// A token of the registry's service; whether a login stood behind it.
    Token(Secret, bool),
}

impl Authorization {
    /// Puts it into a request.
    pub(super) fn apply(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::None | Self::Login(Login::Identity(_)) => request,
            Self::Login(Login::Basic { username, password }) => {
                request.basic_auth(username, Some(password.expose()))
            }
            Self::Login(Login::Bearer(token)) | Self::Token(token, _) => request.bearer_auth(token.expose()),
        }
    }

    /// Whether a login of the user stands behind it.
    pub(super) const fn is_login(&self) -> bool {
        matches!(self, Self::Login(_) | Self::Token(_, true))
    }
}

/// An authorization, and whether it was made for this request rather than kept from an earlier one.
pub(super) struct Granted {
    /// What to send.
    pub(super) authorization: Authorization,
    /// Whether asking again would give the same.
    pub(super) fresh: bool,
}

type Cell<T> = Arc<tokio::sync::Mutex<Option<(T, Instant)>>>;

/// A token, or why it could not be had just now.
type TokenCell = Cell<Result<Authorization, JobError>>;

/// A failure that may pass is shared by those who wait for the same token: else each would wait for its own.
const FAILURE_AGE: Duration = Duration::from_secs(1);

/// Logins and tokens, kept until they expire or are refused.
#[derive(Default)]
pub(super) struct Grants {
    logins: Mutex<HashMap<String, Cell<Option<Login>>>>,
    tokens: Mutex<HashMap<(String, bool, String), TokenCell>>,
}

impl Grants {
    /// What to send to a registry for a scope, as far as it is known which login the registry asks for.
    ///
    /// # Errors
    /// When a login cannot be looked up or the token service refuses.
    pub(super) async fn get(
        &self,
        registry: &Registry,
        host: &Host,
        scope: &str,
        what: &str,
    ) -> Result<Granted, JobError> {
        let Some(challenge) = host.challenge() else {
            return Ok(Granted { authorization: Authorization::None, fresh: true });
        };
        let Challenge::Bearer { realm, service } = challenge else {
            let (login, fresh) = self.login(registry, &host.name).await?;
            return Ok(Granted {
                authorization: login.map_or(Authorization::None, Authorization::Login),
                fresh,
            });
        };
        let cell = self.token_cell(host, scope);
        let mut slot = cell.lock().await;
        if let Some((known, until)) = slot.as_ref()
            && *until > Instant::now()
        {
            let known = known.clone().map_err(|mut error| {
                error.message = format!("failed to read {what}: {}", error.message);
                error
            });
            return Ok(Granted { authorization: known?, fresh: false });
        }
        let (login, _) = self.login(registry, &host.name).await?;
        let exchange = Exchange { registry, host, service: &service, scope, what, login: login.as_ref() };
        let (authorization, life) = exchange.run(&realm).await.inspect_err(|error| {
            if error.later {
                let mut kept = error.clone();
                let reason = error.message.strip_prefix(&format!("failed to read {what}: "));
                kept.message = reason.unwrap_or(&error.message).to_owned();
                *slot = Some((Err(kept), Instant::now() + FAILURE_AGE));
            }
        })?;
        *slot = Some((Ok(authorization.clone()), Instant::now() + life));
        Ok(Granted { authorization, fresh: true })
    }

    /// The login itself, for a registry's own API beside the distribution one.
    ///
    /// # Errors
    /// When it cannot be looked up.
    pub(super) async fn login_of(&self, registry: &Registry, host: &Host) -> Result<Authorization, JobError> {
        let (login, _) = self.login(registry, &host.name).await?;
        Ok(login.map_or(Authorization::None, Authorization::Login))
    }

    /// Drops what a registry refused, unless someone has renewed it already.
    pub(super) async fn forget(&self, host: &Host, scope: &str, refused: &Authorization) {
        let cell = self.token_cell(host, scope);
        let mut slot = cell.lock().await;
        if slot.as_ref().is_some_and(|(kept, _)| kept.as_ref() == Ok(refused)) {
            *slot = None;
        }
        drop(slot);
        lock(&self.logins).remove(&host.name);
    }

    fn token_cell(&self, host: &Host, scope: &str) -> TokenCell {
        let mut tokens = lock(&self.tokens);
        if tokens.len() >= MAX_TOKENS {
            tokens.clear();
        }
        tokens.entry((host.name.clone(), host.insecure, scope.to_owned())).or_default().clone()
    }

    async fn login(&self, registry: &Registry, host: &str) -> Result<(Option<Login>, bool), JobError> {
        let cell = lock(&self.logins).entry(host.to_owned()).or_default().clone();
        let mut slot = cell.lock().await;
        if let Some((login, until)) = slot.as_ref()
            && *until > Instant::now()
        {
            return Ok((login.clone(), false));
        }
        let login = auth::find(&registry.config.credentials, host).await?;
        *slot = Some((login.clone(), Instant::now() + LOGIN_AGE));
        Ok((login, true))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a login for a registry may go to that realm.
///
/// # Errors
/// When it may not.
pub(super) fn check_realm(
    registry: &Registry,
    host: &Host,
    endpoint: &Endpoint,
    realm: &str,
    what: &str,
) -> Result<(), JobError> {
    let exchange = Exchange { registry, host, service: "", scope: "", what, login: None };
    exchange.realm(realm, endpoint).map(|_| ())
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

struct Exchange<'a> {
    registry: &'a Registry,
    host: &'a Host,
    service: &'a str,
    scope: &'a str,
    what: &'a str,
    login: Option<&'a Login>,
}

impl Exchange<'_> {
    async fn run(&self, realm: &str) -> Result<(Authorization, Duration), JobError> {
        if let Some(Login::Bearer(token)) = self.login {
            return Ok((Authorization::Login(Login::Bearer(token.clone())), MAX_LIFE));
        }
        let endpoint = self.host.endpoint(self.registry, self.what).await?;
        let realm = self.realm(realm, endpoint)?;
        let response =
            self.request(realm, endpoint)?.timeout(self.registry.config.request_timeout).send().await;
        let asked = self.asked();
        let response = response.map_err(|error| asked.network(&error))?;
        match response.status() {
            status if status.is_success() => {}
            // Some services say 400 to a wrong login; a 404 is about the account or the repository.
            StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND => {
                return Err(asked.unauthorized(&answer::said(response).await));
            }
            _ => return Err(asked.refusal(response).await),
        }
        let body = asked.body(response, MAX_ANSWER, self.registry.config.request_timeout).await?;
        let malformed = || {
            JobError::never(
                "malformed",
                format!(
                    "failed to read {}: the token service of {} gave no token",
                    self.what, self.host.name
                ),
            )
        };
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| malformed())?;
        let token = answer.token.filter(|token| !token.is_empty()).or(answer.access_token);
        let token = token.filter(|token| !token.is_empty()).ok_or_else(malformed)?;
        let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs).min(MAX_LIFE);
        // A tenth less, so that a token does not expire on its way.
        Ok((Authorization::Token(Secret::new(token), self.login.is_some()), life - life / 10))
    }

    fn asked(&self) -> Asked<'_> {
        Asked { what: self.what, host: &self.host.name, login: self.login.is_some() }
    }

    /// The realm, if a login may go there: by HTTPS, or to the registry's own host, or within this machine.
    fn realm(&self, realm: &str, endpoint: &Endpoint) -> Result<Url, JobError> {
        let refused = |reason: &str| {
            let shown: String = realm.chars().filter(|c| !c.is_control()).take(200).collect();
            JobError::never(
                "realm-refused",
                format!("failed to read {}: {} sends logins to {shown}, {reason}", self.what, self.host.name),
            )
        };
        let url = Url::parse(realm).map_err(|_| refused("which is no address"))?;
        let name = url.host_str().unwrap_or_default();
        let is_local = strata_proto::reference::is_loopback(name);
        let is_home = url.host() == endpoint.base.host() || (is_local && endpoint.reach == Reach::Loopback);
        match url.scheme() {
            "https" => {}
            "http" if endpoint.base.scheme() == "http" && (is_home || self.host.insecure) => {}
            _ => return Err(refused("which is neither HTTPS nor its own host")),
        }
        if !endpoint.guard.admits_url(&url) {
            return Err(refused("where it may not lead"));
        }
        Ok(url)
    }

    fn request(&self, mut realm: Url, endpoint: &Endpoint) -> Result<RequestBuilder, JobError> {
        let registry = self.registry;
        let (any, guard) = (endpoint.accept_any_certificate, endpoint.guard);
        let client = registry.clients.pick(&registry.config, &realm, any, guard)?;
        if let Some(Login::Identity(token)) = self.login {
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "strata")
                .append_pair("service", self.service)
                .append_pair("scope", self.scope)
                .append_pair("refresh_token", token.expose())
                .finish();
            let request = client.request(Method::POST, realm);
            return Ok(request.header("content-type", "application/x-www-form-urlencoded").body(form));
        }
        {
            let mut query = realm.query_pairs_mut();
            if !self.service.is_empty() {
                query.append_pair("service", self.service);
            }
            query.append_pair("scope", self.scope);
        }
        Ok(match self.login {
            Some(login @ Login::Basic { .. }) => Authorization::Login(login.clone()).apply(client.get(realm)),
            _ => client.get(realm),
        })
    }
}
