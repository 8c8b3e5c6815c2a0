//! The HTTP clients: with and without certificate checks, for any address and for those that a registry may lead to. None follows a
//! redirect by itself: [`send`](super::send) does, by rules.

use std::sync::{Arc, OnceLock};

use reqwest::{Certificate, Client, NoProxy, Proxy, redirect};

use super::{
    address::{Guard, Guarded},
    config::RegistryConfig,
};
use crate::error::JobError;

const USER_AGENT: &str = concat!("strata/", env!("CARGO_PKG_VERSION"));

/// One client for each kind of connection, made when it is first needed: reading the platform's authorities takes time.
pub(super) struct Clients {
    checked: Client,
    others: [OnceLock<Client>; 5],
    /// Whether connections go through a proxy, so that addresses seen here say nothing about the other side.
    pub(super) proxied: bool,
}

impl Clients {
    /// Checks the settings. A TLS provider must have been installed.
    ///
    /// # Errors
    /// When a certificate or the proxy's address is malformed.
    pub(super) fn new(config: &RegistryConfig) -> Result<Self, JobError> {
        Ok(Self {
            checked: build(config, false, Guard::Anywhere)?,
            others: Default::default(),
            proxied: config.proxy.is_some(),
        })
    }

    /// The client for a kind of connection.
    ///
    /// # Errors
    /// Never for settings that were checked once, unless the platform's authorities vanish.
    pub(super) fn pick(
        &self,
        config: &RegistryConfig,
        accept_any_certificate: bool,
        guard: Guard,
    ) -> Result<&Client, JobError> {
        let [a, b, c, d, e] = &self.others;
        let slot = match (accept_any_certificate, guard) {
            (false, Guard::Anywhere) => return Ok(&self.checked),
            (true, Guard::Anywhere) => a,
            (false, Guard::NotLocal) => b,
            (true, Guard::NotLocal) => c,
            (false, Guard::PublicOnly) => d,
            (true, Guard::PublicOnly) => e,
        };
        match slot.get() {
            Some(client) => Ok(client),
            None => {
                let client = build(config, accept_any_certificate, guard)?;
                Ok(slot.get_or_init(|| client))
            }
        }
    }
}

fn build(config: &RegistryConfig, accept_any_certificate: bool, guard: Guard) -> Result<Client, JobError> {
    let failed = |what: &str, error: reqwest::Error| {
        JobError::never("configuration", format!("failed to set up access to registries: {what}: {error}"))
    };
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .connect_timeout(config.connect_timeout)
        .read_timeout(config.idle_timeout)
        .referer(false)
        .tls_danger_accept_invalid_certs(accept_any_certificate)
        .no_proxy();
    if let Some(proxy) = &config.proxy {
        let except = format!("localhost,127.0.0.0/8,::1,{}", proxy.except);
        let rule =
            Proxy::all(&proxy.url).map_err(|error| failed("the proxy's address", error.without_url()))?;
        builder = builder.proxy(rule.no_proxy(NoProxy::from_string(&except)));
    } else if guard != Guard::Anywhere {
        builder = builder.dns_resolver(Arc::new(Guarded(guard)));
    }
    for pem in &config.extra_roots {
        let roots = Certificate::from_pem_bundle(pem).map_err(|error| failed("a certificate", error))?;
        builder = builder.tls_certs_merge(roots);
    }
    builder.build().map_err(|error| failed("TLS", error))
}
