//! One request: authorised, renewed once, redirected by rules.

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use url::Url;

use super::{
    Registry,
    address::{self, Guard, Reach},
    answer,
    answer::Asked,
    gate::Permit,
    host::{Endpoint, Host},
    token::Authorization,
};
use crate::error::JobError;

/// Redirects that are followed.
const MAX_REDIRECTS: u32 = 5;

/// A request to a registry.
pub(super) struct Request<'a> {
    /// GET or HEAD.
    pub(super) method: Method,
    /// Path and query on the registry.
    pub(super) path: &'a str,
    /// `Accept`; empty for none.
    pub(super) accept: &'a str,
    /// The first byte that is wanted.
    pub(super) from: u64,
    /// The one after the last; `None` wants all that follow.
    pub(super) end: Option<u64>,
    /// Scope of the token; empty where a login is sent rather than a token.
    pub(super) scope: &'a str,
    /// For messages.
    pub(super) what: &'a str,
    /// Whether its answer is a layer, which may take long.
    pub(super) download: bool,
}

/// An answer that is no redirect, with any status.
pub(super) struct Answered {
    /// The answer.
    pub(super) response: Response,
    /// Whether a login was sent, for messages.
    pub(super) login: bool,
    /// The request's turn at the registry's gate: kept until the answer is read.
    pub(super) permit: Permit,
}

/// Sends a request when its turn comes. A refusal (401, or 403 to a token that was kept) renews the login and the token once.
///
/// # Errors
/// When the registry cannot be reached, its token service refuses, or a redirect breaks a rule.
pub(super) async fn send(
    registry: &Registry,
    host: &Host,
    request: &Request<'_>,
) -> Result<Answered, JobError> {
    let mut permit = host.gate.enter(request.download, &host.name, request.what).await?;
    let mut login = false;
    let result = authorized(registry, host, request, &mut login).await;
    permit.settle(&result);
    Ok(Answered { response: result?, login, permit })
}

async fn authorized(
    registry: &Registry,
    host: &Host,
    request: &Request<'_>,
    login: &mut bool,
) -> Result<Response, JobError> {
    let endpoint = host.endpoint(registry, request.what).await?;
    if request.scope.is_empty() {
        let authorization = registry.grants.login_of(registry, host).await?;
        *login = authorization.is_login();
        return follow(registry, host, endpoint, request, &authorization).await;
    }
    let mut granted = registry.grants.get(registry, host, request.scope, request.what).await?;
    let mut response = follow(registry, host, endpoint, request, &granted.authorization).await?;
    let is_home = response.url().host() == endpoint.base.host();
    let is_refused = is_home
        && match response.status() {
            StatusCode::UNAUTHORIZED => host.learn(&response) || !granted.fresh,
            StatusCode::FORBIDDEN => !granted.fresh && granted.authorization != Authorization::None,
            _ => false,
        };
    if is_refused {
        registry.grants.forget(host, request.scope, &granted.authorization).await;
        granted = registry.grants.get(registry, host, request.scope, request.what).await?;
        if granted.authorization != Authorization::None {
            response = follow(registry, host, endpoint, request, &granted.authorization).await?;
        }
    }
    tracing::debug!(host = host.name, path = request.path, status = %response.status(), "asked the registry");
    *login = granted.authorization.is_login();
    Ok(response)
}

async fn follow(
    registry: &Registry,
    host: &Host,
    endpoint: &Endpoint,
    request: &Request<'_>,
    authorization: &Authorization,
) -> Result<Response, JobError> {
    let asked = Asked { what: request.what, host: &host.name, login: authorization.is_login() };
    let mut url = super::host::join(&endpoint.base, request.path);
    // What the name resolved to when the registry was first reached holds for every later look-up of it.
    let mut guard = endpoint.guard;
    let mut authorize = true;
    for _ in 0..=MAX_REDIRECTS {
        let client = registry.clients.pick(&registry.config, &url, endpoint.accept_any_certificate, guard)?;
        let mut builder = with_headers(client.request(request.method.clone(), url), request);
        if authorize {
            builder = authorization.apply(builder);
        }
        let response = tokio::time::timeout(registry.config.request_timeout, builder.send())
            .await
            .map_err(|_| {
                JobError::later(
                    "network",
                    format!("failed to read {}: {} did not answer in time", request.what, host.name),
                )
            })
            .and_then(|answer| answer.map_err(|error| asked.network(&error)));
        host.requests.count(response.as_ref().ok().map(|answer| answer.status().as_u16()));
        let response = response?;
        if !is_redirect(response.status()) {
            return Ok(response);
        }
        let refused = |reason: &str| {
            JobError::never(
                "redirect-refused",
                format!("failed to read {}: {} redirects {reason}", request.what, host.name),
            )
        };
        // The client follows nothing by itself: this is what was asked.
        let asked_url = response.url();
        let target = answer::text(&response, &header::LOCATION).and_then(|to| asked_url.join(to).ok());
        let target = target.ok_or_else(|| refused("to no address"))?;
        match target.scheme() {
            "https" => {}
            "http" if endpoint.base.scheme() == "http" || host.insecure => {}
            _ => return Err(refused("from HTTPS to something less safe")),
        }
        let reach = match response.remote_addr() {
            Some(peer) if !registry.clients.proxied => address::reach(peer.ip()),
            _ => address::literal(asked_url).unwrap_or(Reach::Public),
        };
        guard = guard.max(Guard::of(reach, registry.config.private_redirects));
        if !guard.admits_url(&target) {
            return Err(refused("to an address that it may not lead to"));
        }
        // A login is for the host that it was made for, and for no other.
        authorize &= same_origin(asked_url, &target);
        url = target;
    }
    Err(JobError::never(
        "redirect-refused",
        format!("failed to read {}: {} redirects more than {MAX_REDIRECTS} times", request.what, host.name),
    ))
}

fn with_headers(mut builder: RequestBuilder, request: &Request<'_>) -> RequestBuilder {
    if !request.accept.is_empty() {
        builder = builder.header(header::ACCEPT, request.accept);
    }
    match request.end {
        // RFC 9110, 14.1.2: the last byte is a part of the range.
        Some(end) => {
            builder.header(header::RANGE, format!("bytes={}-{}", request.from, end.saturating_sub(1)))
        }
        None if request.from > 0 => builder.header(header::RANGE, format!("bytes={}-", request.from)),
        None => builder,
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}
