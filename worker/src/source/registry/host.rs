//! One registry: how it is reached (scheme, certificate checks) and which login it asks for, found out once.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use reqwest::{Response, StatusCode, header};
use tokio::{sync::OnceCell, time::Instant};
use url::Url;

use super::{
    Registry,
    address::{self, Guard, Reach},
    answer::Asked,
    challenge,
    challenge::Challenge,
    gate::Gate,
    pace::PaceConfig,
};
use crate::{error::JobError, measure::RegistryRequests};

/// Docker Hub's registry has another name than its references say: an ecosystem name that code must match.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A registry that was or will be talked to.
pub(super) struct Host {
    /// As references name it.
    pub(super) name: String,
    /// Whether plain HTTP and any certificate will do.
    pub(super) insecure: bool,
    /// Every request to it passes here.
    pub(super) gate: Arc<Gate>,
    /// What was asked of it.
    pub(super) requests: RegistryRequests,
    endpoint: OnceCell<Endpoint>,
    // Why the last look at it failed: whoever asks soon after is told at once, rather than waiting in line to time out.
    failure: Mutex<Option<(Instant, JobError)>>,
    challenge: RwLock<Option<Challenge>>,
    // Until when tags are listed as everywhere: its own API refused.
    plain_until: Mutex<Option<Instant>>,
}

/// How long a registry's own API is left alone that refused.
const PLAIN: Duration = Duration::from_secs(600);
/// How long the first look at a registry may take: others wait for it.
const PROBE: Duration = Duration::from_secs(15);
/// How long a registry that could not be reached is not tried again.
const FAILURE_AGE: Duration = Duration::from_secs(2);

/// How a registry is reached.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// `scheme://host[:port]/`.
    pub(super) base: Url,
    /// How far its address reaches.
    pub(super) reach: Reach,
    /// Where it may lead.
    pub(super) guard: Guard,
    /// Whether its certificate is checked.
    pub(super) accept_any_certificate: bool,
}

impl Host {
    pub(super) fn new(name: &str, insecure: bool, pace: &PaceConfig) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            insecure,
            gate: Gate::new(pace),
            requests: RegistryRequests::new(name),
            endpoint: OnceCell::new(),
            failure: Mutex::default(),
            challenge: RwLock::new(None),
            plain_until: Mutex::default(),
        })
    }

    /// The login that the registry asks for, as far as it is known.
    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.challenge.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name that the registry's challenge gives itself; may be empty.
    pub(super) fn service(&self) -> String {
        match self.challenge() {
            Some(Challenge::Bearer { service, .. }) => service,
            Some(Challenge::Basic) | None => String::new(),
        }
    }

    /// Whether tags are listed as everywhere, for now.
    pub(super) fn is_plain(&self) -> bool {
        let until = *self.plain_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// From now on, for a while, tags are listed as everywhere.
    pub(super) fn list_plainly(&self) {
        *self.plain_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + PLAIN);
    }

    /// Learns from an answer what login the registry asks for; whether that is news.
    pub(super) fn learn(&self, response: &Response) -> bool {
        let headers = response.headers().get_all(header::WWW_AUTHENTICATE);
        let Some(found) = challenge::choose(headers.iter().filter_map(|value| value.to_str().ok())) else {
            return false;
        };
        let mut known = self.challenge.write().unwrap_or_else(PoisonError::into_inner);
        let is_news = known.as_ref() != Some(&found);
        *known = Some(found);
        is_news
    }

    /// How the registry is reached, by one request that concurrent callers share.
    ///
    /// # Errors
    /// When it cannot be reached. A later caller tries again.
    pub(super) async fn endpoint(&self, registry: &Registry, what: &str) -> Result<&Endpoint, JobError> {
        let looked = self.endpoint.get_or_try_init(|| async {
            let known = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some((until, error)) = known
                && Instant::now() < until
            {
                return Err(error);
            }
            self.probe(registry).await.inspect_err(|error| {
                let until = Instant::now() + FAILURE_AGE;
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, error.clone()));
            })
        });
        looked.await.map_err(|mut error| {
            // It names the registry; the caller's thing is what people asked for.
            if let Some(reason) = error.message.strip_prefix(&format!("failed to read {}: ", self.thing())) {
                error.message = format!("failed to read {what}: {reason}");
            }
            error
        })
    }

    fn thing(&self) -> String {
        format!("registry {}", self.name)
    }

    /// Loopback speaks plain HTTP, else HTTPS. Other registries speak HTTPS; with `insecure` first with any certificate, then
    /// plain HTTP.
    async fn probe(&self, registry: &Registry) -> Result<Endpoint, JobError> {
        let is_loopback = strata_proto::reference::is_loopback(&self.name);
        let candidates: &[(&str, bool)] = match (is_loopback, self.insecure) {
            (true, true) => &[("http", true), ("https", true)],
            (true, false) => &[("http", true), ("https", false)],
            (false, true) => &[("https", true), ("http", true)],
            (false, false) => &[("https", false)],
        };
        let what = self.thing();
        let asked = Asked { what: &what, host: &self.name, login: false };
        let (mut first_failure, mut not_plain) = (None, None);
        for (scheme, accept_any_certificate) in candidates {
            let base = self.base(scheme)?;
            let client =
                registry.clients.pick(&registry.config, &base, *accept_any_certificate, Guard::Anywhere)?;
            let request = client.get(join(&base, "/v2/")).timeout(registry.config.request_timeout.min(PROBE));
            match request.send().await {
                Ok(response)
                    if *scheme == "http" && is_loopback && response.status() == StatusCode::BAD_REQUEST =>
                {
                    // What a TLS server answers to plain HTTP.
                    not_plain = Some(asked.refusal(response).await);
                }
                Ok(response) => {
                    return self.reached(registry, response, base, *accept_any_certificate, asked).await;
                }
                Err(error) if error.is_connect() || error.is_request() => {
                    first_failure.get_or_insert(asked.network(&error));
                }
                Err(error) => return Err(asked.network(&error)),
            }
        }
        Err(first_failure.or(not_plain).unwrap_or_else(|| {
            JobError::later("network", format!("failed to read {what}: there is no way to reach it"))
        }))
    }

    async fn reached(
        &self,
        registry: &Registry,
        response: Response,
        base: Url,
        accept_any_certificate: bool,
        asked: Asked<'_>,
    ) -> Result<Endpoint, JobError> {
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(asked.refusal(response).await);
        }
        let reach = match response.remote_addr() {
            Some(peer) if !registry.clients.proxied => address::reach(peer.ip()),
            _ => address::literal(&base).unwrap_or(Reach::Public),
        };
        let guard = Guard::of(reach, registry.config.private_redirects);
        self.learn(&response);
        tracing::debug!(host = self.name, base = %base, %status, "reached the registry");
        Ok(Endpoint { base, reach, guard, accept_any_certificate })
    }

    fn base(&self, scheme: &str) -> Result<Url, JobError> {
        base(scheme, &self.name).map_err(|error| {
            JobError::never(
                "bad-reference",
                format!("failed to read the registry's host {}: {error}", self.name),
            )
        })
    }
}

fn base(scheme: &str, name: &str) -> Result<Url, url::ParseError> {
    let name = if name == HUB.0 { HUB.1 } else { name };
    Url::parse(&format!("{scheme}://{name}/"))
}

/// Whether an address is on the registry's own host rather than where it redirected to.
pub(super) fn is_home(name: &str, url: &Url) -> bool {
    base(url.scheme(), name).is_ok_and(|base| base.host() == url.host())
}

/// A path with an optional query below a registry's base: never another host.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    url.set_path(path);
    url.set_query(query);
    url
}
