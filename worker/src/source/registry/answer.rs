//! What a registry's answers and failures mean, each as one sentence that names the thing.

use std::{error::Error as _, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use reqwest::{Response, StatusCode, header};
use serde::Deserialize;

use super::{address, host, retry_after};
use crate::error::JobError;

/// Bytes of an error's body that are read.
const MAX_ERROR_BODY: usize = 16 << 10;

/// What was asked of whom, for messages.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// What was to be read: `r.example/app:1`, `layer sha256:… of r.example/app:1`.
    pub(super) what: &'a str,
    /// The registry's host.
    pub(super) host: &'a str,
    /// Whether a login was sent.
    pub(super) login: bool,
}

impl Asked<'_> {
    /// A connection that could not be made or broke.
    pub(super) fn network(&self, error: &reqwest::Error) -> JobError {
        let Self { what, host, .. } = self;
        if address::is_refusal(error) {
            return JobError::never(
                "redirect-refused",
                format!("failed to read {what}: {host} leads to an address that it may not lead to"),
            );
        }
        if error.is_timeout() {
            return JobError::later(
                "network",
                format!("failed to read {what}: {host} did not answer in time"),
            );
        }
        let reason = root_cause(error);
        if error.is_connect() && reason.contains("certificate") {
            return JobError::never(
                "tls",
                format!(
                    "failed to read {what}: {host} is not trusted: {reason}; name its authority with --registry-cacert, or use --insecure"
                ),
            );
        }
        if error.is_connect() && reason.contains("InvalidContentType") {
            return JobError::never(
                "tls",
                format!(
                    "failed to read {what}: {host} does not speak HTTPS; use --insecure to allow plain HTTP"
                ),
            );
        }
        let action = if error.is_connect() { "cannot be reached" } else { "broke the connection" };
        JobError::later("network", format!("failed to read {what}: {host} {action}: {reason}"))
    }

    /// An answer that is not the wanted one.
    pub(super) async fn refusal(&self, response: Response) -> JobError {
        let status = response.status();
        let wait = wait(&response);
        let is_redirected = !host::is_home(self.host, response.url());
        let said = said(response).await;
        let Self { what, host, .. } = self;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if is_redirected => JobError::later(
                "network",
                format!("failed to read {what}: the storage behind {host} answered {status}{said}"),
            ),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.unauthorized(&said),
            StatusCode::NOT_FOUND => {
                JobError::never("not-found", format!("failed to read {what}: {host} does not have it{said}"))
            }
            StatusCode::TOO_MANY_REQUESTS => JobError::later(
                "rate-limited",
                format!("failed to read {what}: {host} asks to slow down{said}"),
            )
            .after(wait),
            _ if is_passing(status) => {
                JobError::later("network", format!("failed to read {what}: {host} answered {status}{said}"))
                    .after(wait)
            }
            _ => JobError::never("refused", format!("failed to read {what}: {host} answered {status}{said}")),
        }
    }

    /// A login that was refused, or is missing.
    pub(super) fn unauthorized(&self, said: &str) -> JobError {
        let Self { what, host, login } = self;
        let message = if *login {
            format!(
                "failed to read {what}: {host} refused the login; run `docker login {host}` or give credentials{said}"
            )
        } else {
            format!(
                "failed to read {what}: {host} wants a login; run `docker login {host}` or give credentials{said}"
            )
        };
        JobError::never("unauthorized", message)
    }

    /// The whole body of a small answer.
    pub(super) async fn body(
        &self,
        response: Response,
        limit: usize,
        time: Duration,
    ) -> Result<Bytes, JobError> {
        let Self { what, host, .. } = self;
        tokio::time::timeout(time, self.read(response, limit)).await.unwrap_or_else(|_| {
            Err(JobError::later("network", format!("failed to read {what}: {host} did not answer in time")))
        })
    }

    async fn read(&self, response: Response, limit: usize) -> Result<Bytes, JobError> {
        let Self { what, host, .. } = self;
        let too_long = || {
            JobError::never(
                "limit",
                format!("failed to read {what}: the answer of {host} is longer than {limit} bytes"),
            )
        };
        let promised = response.content_length();
        if promised.is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
            return Err(too_long());
        }
        let mut body = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| self.network(&error))?;
            if body.len() + chunk.len() > limit {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// Statuses that may be gone the next time.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY)
}

/// A header as text.
pub(super) fn text<'a>(response: &'a Response, name: &header::HeaderName) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// How long an answer asks to wait.
pub(super) fn wait(response: &Response) -> Option<Duration> {
    retry_after::wait(text(response, &header::RETRY_AFTER)?, text(response, &header::DATE))
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What a registry says about its refusal (distribution specification, error codes), as the end of a sentence.
pub(super) async fn said(response: Response) -> String {
    let mut body = BytesMut::new();
    let mut stream = response.bytes_stream();
    while let Some(Ok(chunk)) = stream.next().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ERROR_BODY {
            return String::new();
        }
    }
    let errors = serde_json::from_slice::<Errors>(&body).map(|body| body.errors).unwrap_or_default();
    let Some(first) = errors.first() else { return String::new() };
    let text = [first.code.as_str(), first.message.as_str()].join(" ");
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    match text.trim() {
        "" => String::new(),
        text => format!(" ({text})"),
    }
}

/// The innermost reason: the outer ones only say that something failed, and name addresses that may hold signatures.
fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else { return "the connection failed".to_owned() };
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}
