//! The exchanges behind cloud logins: small requests to token services, each bounded in time and size. No redirect is
//! followed, and no answer or secret reaches an error's text.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, redirect};
use serde::de::DeserializeOwned;

use crate::error::JobError;

/// Bytes of an answer.
const MAX_ANSWER: usize = 256 << 10;
/// Time for one exchange.
const TIME: Duration = Duration::from_secs(15);
/// Time for a metadata service, which is next door or not there.
const NEAR: Duration = Duration::from_secs(2);

/// Whether a service is on this machine's own network and must never be asked through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A metadata service of the cloud that this machine runs in.
    Near,
    /// Anywhere.
    Far,
}

/// What came of an exchange.
pub(super) enum Answer {
    /// The body of a success.
    Body(Vec<u8>),
    /// Another status.
    Refused(u16),
    /// Nobody answered there: the machine is elsewhere.
    Absent,
}

/// A request to a token service.
///
/// # Errors
/// When the platform's certificates cannot be read.
pub(super) fn request(method: Method, url: &str, place: Place) -> Result<RequestBuilder, JobError> {
    let mut builder = Client::builder().redirect(redirect::Policy::none()).timeout(match place {
        Place::Near => NEAR,
        Place::Far => TIME,
    });
    if place == Place::Near {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(|error| {
        JobError::never("configuration", format!("failed to set up access to token services: {error}"))
    })?;
    Ok(client.request(method, url))
}

/// A form as a request's body.
pub(super) fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// Sends a request. `what` names it for messages: `the registry token of r.example`.
///
/// # Errors
/// When the answer breaks off or is too long.
pub(super) async fn send(request: RequestBuilder, what: &str) -> Result<Answer, JobError> {
    let broken = || JobError::later("credentials", format!("failed to get {what}: the connection broke"));
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_connect() || error.is_timeout() => return Ok(Answer::Absent),
        Err(_) => return Err(broken()),
    };
    if !response.status().is_success() {
        return Ok(Answer::Refused(response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| broken())? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(JobError::never(
                "credentials",
                format!("failed to get {what}: the answer is too long"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer::Body(body))
}

/// The body of an answer that must be a success.
///
/// # Errors
/// Refusals for good, except for those that may pass; an absent service may come back.
pub(super) fn body(answer: Answer, what: &str) -> Result<Vec<u8>, JobError> {
    match answer {
        Answer::Body(body) => Ok(body),
        Answer::Refused(status) if status == 429 || status >= 500 => Err(JobError::later(
            "credentials",
            format!("failed to get {what}: its service answered {status}"),
        )),
        Answer::Refused(status) => Err(JobError::never(
            "unauthorized",
            format!("failed to get {what}: its service answered {status}"),
        )),
        Answer::Absent => Err(JobError::later(
            "credentials",
            format!("failed to get {what}: its service cannot be reached"),
        )),
    }
}

/// A body's JSON.
///
/// # Errors
/// When it is not as expected. The text of it is not quoted: it may hold a secret.
pub(super) fn json<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, JobError> {
    serde_json::from_slice(body)
        .map_err(|_| JobError::never("credentials", format!("failed to get {what}: the answer is malformed")))
}

/// A file that a platform mounts: a token, a key.
///
/// # Errors
/// When it cannot be read or is larger than such files are.
pub(super) async fn file(path: &std::path::Path, what: &str) -> Result<Vec<u8>, JobError> {
    use tokio::io::AsyncReadExt as _;
    let failed = |reason: String| {
        JobError::never("credentials", format!("failed to get {what}: {}: {reason}", path.display()))
    };
    let file = tokio::fs::File::open(path).await.map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX);
    file.take(limit + 1).read_to_end(&mut bytes).await.map_err(|error| failed(error.to_string()))?;
    if bytes.len() > MAX_ANSWER {
        return Err(failed(format!("it is larger than {MAX_ANSWER} bytes")));
    }
    Ok(bytes)
}
