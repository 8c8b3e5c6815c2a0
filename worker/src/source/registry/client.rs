//! The HTTP clients: with and without certificate checks, for any address and for those that a registry may lead to. None follows a
//! redirect by itself: [`send`](super::send) does, by rules.

use std::sync::{Arc, OnceLock};

use reqwest::{Certificate, Client, NoProxy, Proxy, redirect};
use url::Url;

use super::{
    address::{Guard, Guarded},
    config::RegistryConfig,
};
use crate::error::JobError;

const USER_AGENT: &str = concat!("strata/", env!("CARGO_PKG_VERSION"));

/// One client for each kind of connection, made when it is first needed: reading the platform's authorities takes longer than all
/// else that a scan does before its first request.
pub(super) struct Clients {
    made: [OnceLock<Client>; 9],
    /// Whether connections go through a proxy, so that addresses seen here say nothing about the other side.
    pub(super) proxied: bool,
}

/// Whom a connection trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// The platform's authorities and those of the settings.
    Checked,
    /// Whoever answers.
    Any,
    /// There is no TLS, and nothing to be read for it.
    Plain,
}

impl Clients {
    /// Checks the settings. A TLS provider must have been installed.
    ///
    /// # Errors
    /// When a certificate or the proxy's address is malformed.
    pub(super) fn new(config: &RegistryConfig) -> Result<Self, JobError> {
        roots(config)?;
        proxy(config)?;
        Ok(Self { made: Default::default(), proxied: config.proxy.is_some() })
    }

    /// The client for a kind of connection.
    ///
    /// # Errors
    /// When the platform has no authorities that could be read.
    pub(super) fn pick(
        &self,
        config: &RegistryConfig,
        url: &Url,
        accept_any_certificate: bool,
        guard: Guard,
    ) -> Result<&Client, JobError> {
        // The way to a proxy may be TLS though what is asked for is not.
        let trust = match (url.scheme() == "http" && !self.proxied, accept_any_certificate) {
            (true, _) => Trust::Plain,
            (false, true) => Trust::Any,
            (false, false) => Trust::Checked,
        };
        let [a, b, c, d, e, f, g, h, i] = &self.made;
        let slot = match (trust, guard) {
            (Trust::Checked, Guard::Anywhere) => a,
            (Trust::Checked, Guard::NotLocal) => b,
            (Trust::Checked, Guard::PublicOnly) => c,
            (Trust::Any, Guard::Anywhere) => d,
            (Trust::Any, Guard::NotLocal) => e,
            (Trust::Any, Guard::PublicOnly) => f,
            (Trust::Plain, Guard::Anywhere) => g,
            (Trust::Plain, Guard::NotLocal) => h,
            (Trust::Plain, Guard::PublicOnly) => i,
        };
        match slot.get() {
            Some(client) => Ok(client),
            None => {
                let client = build(config, trust, guard)?;
                Ok(slot.get_or_init(|| client))
            }
        }
    }
}

fn failed(what: &str, error: &reqwest::Error) -> JobError {
    JobError::never("configuration", format!("failed to set up access to registries: {what}: {error}"))
}

fn roots(config: &RegistryConfig) -> Result<Vec<Certificate>, JobError> {
    let mut roots = Vec::new();
    for pem in &config.extra_roots {
        roots.extend(Certificate::from_pem_bundle(pem).map_err(|error| failed("a certificate", &error))?);
    }
    Ok(roots)
}

fn proxy(config: &RegistryConfig) -> Result<Option<Proxy>, JobError> {
    let Some(proxy) = &config.proxy else { return Ok(None) };
    let except = format!("localhost,127.0.0.0/8,::1,{}", proxy.except);
    let rule = Proxy::all(&proxy.url).map_err(|error| failed("the proxy's address", &error.without_url()))?;
    Ok(Some(rule.no_proxy(NoProxy::from_string(&except))))
}

fn build(config: &RegistryConfig, trust: Trust, guard: Guard) -> Result<Client, JobError> {
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .connect_timeout(config.connect_timeout)
        .read_timeout(config.idle_timeout)
        .referer(false)
        .tls_danger_accept_invalid_certs(trust == Trust::Any)
        .no_proxy();
    builder = match trust {
        // Nobody is trusted, should it come to TLS after all.
        Trust::Plain => builder.tls_certs_only([]),
        Trust::Checked | Trust::Any => builder.tls_certs_merge(roots(config)?),
    };
    if let Some(rule) = proxy(config)? {
        builder = builder.proxy(rule);
    } else if guard != Guard::Anywhere {
        builder = builder.dns_resolver(Arc::new(Guarded(guard)));
    }
    builder.build().map_err(|error| failed("TLS", &error))
}
