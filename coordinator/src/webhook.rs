//! Registries tell of pushes over HTTP, and what was pushed is scanned at once. One path for each kind of registry; every
//! call needs the shared secret; a notification that comes again finds the scan of the first.

mod auth;
mod identity;
mod push;
mod variant;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Json, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use strata_proto::{
    subject::key_of,
    trace::TraceHeaders,
    v1::{Lane, SubmitRequest},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{
    auth::Proof,
    push::{Event, Push},
    variant::Variant,
};
pub use self::{
    auth::{BadSecret, Secrets},
    identity::{PushConfig, PushIdentity},
};
use crate::{
    access::gate::Refusal,
    handle::{CallError, Handle},
    http,
    tls::{ServerTls, TlsListener},
};

/// Longest notification, in bytes.
const MOST_BYTES: usize = 1 << 20;
/// How long a notification may take to arrive: who sends it is not known before.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most pushes in one notification.
const MOST_PUSHES: usize = 100;
/// Whose share of the interactive lane these scans take.
const TENANT: &str = "push";

/// Who is told, and whom that is believed.
pub struct Hooks {
    /// The coordinator.
    pub handle: Handle,
    /// What notifications must show.
    pub secrets: Secrets,
    /// What those of Pub/Sub must show instead.
    pub identity: Option<PushIdentity>,
    /// Without it notifications come in the clear.
    pub tls: Option<ServerTls>,
}

/// What whoever sets a webhook up may add to its address.
#[derive(Debug, Default, Deserialize)]
struct Settings {
    /// Name of the registry as workers know it, where that is not the one that clients push to.
    host: Option<String>,
    /// Plain HTTP or any certificate, as in a submission.
    #[serde(default)]
    insecure: bool,
    /// The secret, for those who can set no header.
    token: Option<String>,
}

/// What came of a notification.
#[derive(Debug, Default, Serialize)]
struct Answer {
    /// Scans, each once: those of an earlier notification of the same events too.
    scans: Vec<String>,
    /// How many events were left out, by reason.
    ignored: BTreeMap<&'static str, u64>,
}

/// Serves until the token is cancelled.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, hooks: Hooks, shutdown: CancellationToken) -> std::io::Result<()> {
    let tls = hooks.tls.clone();
    let app = Router::new().route("/hooks/{variant}", post(notified)).with_state(Arc::new(hooks));
    match tls {
        Some(tls) => http::serve(TlsListener::new(listener, &tls)?, app, shutdown).await,
        None => http::serve(listener, app, shutdown).await,
    }
    Ok(())
}

async fn notified(
    State(hooks): State<Arc<Hooks>>,
    Path(name): Path<String>,
    Query(settings): Query<Settings>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let refuse = |status: StatusCode, text: String| (status, text + "\n").into_response();
    let Some(variant) = variant::by_name(&name) else {
        return refuse(StatusCode::NOT_FOUND, format!("there is no kind of registry `{}`", short(&name)));
    };
    let body = match arrived(body).await {
        Ok(body) => body,
        Err((status, reason)) => return refuse(status, reason),
    };
    // Nothing of the body is looked at before its sender is known.
    if let Err((status, reason)) = known(&hooks, variant, &headers, settings.token.as_deref(), &body).await {
        crate::measure::notified(variant.name, "refused");
        return refuse(status, reason);
    }
    let events = match read(variant, &headers, &body) {
        Ok(events) => events,
        Err(reason) => {
            crate::measure::notified(variant.name, "malformed");
            return refuse(StatusCode::BAD_REQUEST, format!("failed to read the notification: {reason}"));
        }
    };
    match take(&hooks.handle, variant, &settings, events).await {
        Ok(answer) => (StatusCode::ACCEPTED, Json(answer)).into_response(),
        Err(CallError::Unavailable(text)) => refuse(StatusCode::SERVICE_UNAVAILABLE, text),
        Err(error) => refuse(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

/// The whole of a notification; else what to answer.
async fn arrived(body: Body) -> Result<Bytes, (StatusCode, String)> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, MOST_BYTES)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            let reason = format!("a notification has at most {MOST_BYTES} bytes");
            Err((StatusCode::PAYLOAD_TOO_LARGE, reason))
        }
        Err(_) => {
            let reason = format!("a notification arrives within {} s", PATIENCE.as_secs());
            Err((StatusCode::REQUEST_TIMEOUT, reason))
        }
    }
}

/// Whether a notification is believed; else what to answer.
async fn known(
    hooks: &Hooks,
    variant: &Variant,
    headers: &HeaderMap,
    token: Option<&str>,
    body: &[u8],
) -> Result<(), (StatusCode, String)> {
    if let (Proof::Push, Some(identity)) = (variant.proof, &hooks.identity) {
        return identity.check(headers).await.map_err(|refusal| match refusal {
            Refusal::Unauthenticated(reason) => (StatusCode::UNAUTHORIZED, reason),
            Refusal::Unavailable(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
        });
    }
    if hooks.secrets.allow(variant.proof, headers, token, body) {
        return Ok(());
    }
    Err((StatusCode::UNAUTHORIZED, "the webhook's secret is missing or wrong".to_owned()))
}

fn read(variant: &Variant, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Event>, String> {
    let value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let delivery = headers.get("x-github-delivery").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let events = (variant.read)(&value, delivery)?;
    let pushes = events.iter().filter(|event| matches!(event, Event::Push(_))).count();
    if pushes > MOST_PUSHES {
        return Err(format!("{pushes} pushes are more than {MOST_PUSHES}"));
    }
    Ok(events)
}

async fn take(
    handle: &Handle,
    variant: &Variant,
    settings: &Settings,
    events: Vec<Event>,
) -> Result<Answer, CallError> {
    let mut answer = Answer::default();
    let mut refused = None;
    for event in events {
        match event {
            Event::Ignored(reason) => {
                crate::measure::notified(variant.name, reason);
                *answer.ignored.entry(reason).or_default() += 1;
            }
            Event::Push(push) => {
                let request = request(variant, settings, &push);
                let scan = match handle.submit(request, TraceHeaders::default()).await {
                    Ok(scan) => scan,
                    Err(error @ CallError::Unavailable(_)) => return Err(error),
                    // What cannot be meant says nothing about the pushes beside it.
                    Err(error) => {
                        crate::measure::notified(variant.name, "malformed");
                        tracing::warn!(
                            registry = variant.name,
                            "failed to take a push of {:?}: {error}",
                            push.repository
                        );
                        *answer.ignored.entry("malformed").or_default() += 1;
                        refused.get_or_insert(error);
                        continue;
                    }
                };
                crate::measure::notified(variant.name, "scan");
                tracing::info!(scan = scan.id, registry = variant.name, "pushed: {}", push.repository);
                if !answer.scans.contains(&scan.id) {
                    answer.scans.push(scan.id);
                }
            }
        }
    }
    match refused {
        // Nothing came of it: whoever set the webhook up should see that.
        Some(error) if answer.scans.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

/// One scan for each push. A registry tells again what it believes not to have been heard: the same event, the same key.
fn request(variant: &Variant, settings: &Settings, push: &Push) -> SubmitRequest {
    let host = settings.host.as_deref().unwrap_or(&push.host);
    let image = push.reference(host);
    // A tag alone, of an event without a name, may be another image each time.
    let is_named = !push.id.is_empty() || !push.digest.is_empty();
    let key = format!("push:{}", key_of(&[variant.name, &push.id, &image]));
    let mut request = SubmitRequest {
        idempotency_key: if is_named { key } else { String::new() },
        images: vec![image],
        insecure: settings.insecure,
        tenant: TENANT.to_owned(),
        ..SubmitRequest::default()
    };
    request.set_lane(Lane::Interactive);
    request
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests;
