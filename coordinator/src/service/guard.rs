//! What every call passes before its method: who calls, whether the table lets it, how long it may take; and a method that
//! panics fails its own call and no other of the connection.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;
use tonic::{
    Request, Status,
    body::Body,
    codegen::{Service, http},
    server::NamedService,
};

use crate::{
    access::{
        Principal,
        gate::{Gate, Refusal},
        methods::{self, Method},
    },
    handle::Handle,
};

/// A service behind the gate.
#[derive(Clone)]
pub(super) struct Guard<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> Guard<S> {
    pub(super) const fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl<S: NamedService> NamedService for Guard<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Guard<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The one that was polled is ready; its clone may not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            let method = match method(request.uri().path()) {
                Ok(method) => method,
                Err(status) => return Ok(status.into_http()),
            };
            let given = given(request.headers());
            let limit = given.map_or_else(|| method.deadline(), |given| given.min(method.deadline()));
            if let Some(given) = given {
                request.extensions_mut().insert(Deadline(Instant::now() + given));
            }
            let answer = async {
                let shown = shown(request.headers())?;
                let principal = admit(&gate, method, shown).await?;
                request.extensions_mut().insert(principal);
                match inner.call(request).await {
                    Ok(answer) => Ok(answer),
                }
            };
            let answer = tokio::time::timeout(limit, AssertUnwindSafe(answer).catch_unwind()).await;
            let status = match answer {
                Ok(Ok(Ok(answer))) => return Ok(answer),
                Ok(Ok(Err(status))) => status,
                Ok(Err(_)) => {
                    tracing::error!("a call ended by a panic");
                    Status::internal("the call failed by a fault of the server: its log has more")
                }
                Err(_) => Status::deadline_exceeded(format!("the call took more than {limit:?}")),
            };
            Ok(status.into_http())
        })
    }
}

/// When the caller stops waiting for a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    /// Waits for it; for ever where the caller gave none.
    pub(super) async fn passed(deadline: Option<Self>) {
        match deadline {
            Some(Self(at)) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// How long the caller waits (gRPC over HTTP/2, `grpc-timeout`: up to eight digits and a unit). What is no such value is
/// none: the client then waits for as long as it likes.
fn given(headers: &http::HeaderMap) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(366 * 86_400);
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number =
        !digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| digits.parse().ok())??;
    let given = match unit {
        "H" => Duration::from_secs(number.checked_mul(3_600)?),
        "M" => Duration::from_secs(number.checked_mul(60)?),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    };
    Some(given.min(LONGEST))
}

fn method(path: &str) -> Result<&'static Method, Status> {
    let name = path.rsplit('/').next().unwrap_or_default();
    methods::of(name).ok_or_else(|| {
        let name: String = name.chars().take(60).collect();
        Status::unimplemented(format!("there is no method `{name}`"))
    })
}

fn shown(headers: &http::HeaderMap) -> Result<Option<String>, Status> {
    let mut shown = headers.get_all(http::header::AUTHORIZATION).iter();
    let text = |value: &http::HeaderValue| value.to_str().map(str::to_owned);
    match (shown.next(), shown.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => {
            text(one).map(Some).map_err(|_| Status::unauthenticated("the authorization is no text"))
        }
        _ => Err(Status::unauthenticated("there is more than one authorization")),
    }
}

async fn admit(gate: &Gate, method: &Method, shown: Option<String>) -> Result<Principal, Status> {
    let principal = gate.admit(shown.as_deref()).await.map_err(|refusal| match refusal {
        Refusal::Unauthenticated(text) => Status::unauthenticated(text),
        Refusal::Unavailable(text) => Status::unavailable(text),
    })?;
    method.check(&principal).map_err(Status::permission_denied)?;
    Ok(principal)
}

/// Who the guard let in. Without it a method answers nobody.
pub(super) fn principal<T>(request: &Request<T>) -> Result<&Principal, Status> {
    let found = request.extensions().get::<Principal>();
    found.ok_or_else(|| Status::internal("the call came past the gate"))
}

/// The coordinator as the caller sees it.
pub(super) fn seen<T>(handle: &Handle, request: &Request<T>) -> Result<Handle, Status> {
    Ok(handle.seen_by(principal(request)?.sight()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_time_is_read_as_the_protocol_says() {
        for (text, given_ms) in [
            ("0n", Some(0)),
            ("1500m", Some(1_500)),
            ("2S", Some(2_000)),
            ("3M", Some(180_000)),
            ("1H", Some(3_600_000)),
            ("5000u", Some(5)),
            ("99999999H", Some(366 * 86_400_000)),
            ("", None),
            ("S", None),
            ("-1S", None),
            ("+1S", None),
            ("1", None),
            ("1s", None),
            ("123456789S", None),
            ("1\u{e9}", None),
        ] {
            let mut headers = http::HeaderMap::new();
            let value = http::HeaderValue::from_bytes(text.as_bytes()).expect("a value");
            headers.insert("grpc-timeout", value);
            assert_eq!(given(&headers), given_ms.map(Duration::from_millis), "{text}");
        }
        assert_eq!(given(&http::HeaderMap::new()), None);
    }
}
