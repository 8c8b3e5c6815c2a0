//! A layer's bytes, or a part of them, as a stream that survives broken connections.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use reqwest::{Method, Response, StatusCode, header};
use strata_proto::{digest::Digest, reference::Reference};
use tokio::time::{Duration, Instant};

use super::{
    Registry, answer,
    answer::Asked,
    gate::Permit,
    host::Host,
    send::{Answered, Request, send},
};
use crate::{error::JobError, ports::Blob};

/// The wait before a broken download is taken up again, times the number of the try.
const RESUME_WAIT: Duration = Duration::from_millis(200);
/// How long a broken download waits for a registry that is left alone for a while.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Opens a blob of a repository.
///
/// # Errors
/// When the registry does not give it.
pub(super) async fn open(
    registry: &Arc<Registry>,
    host: Arc<Host>,
    reference: &Reference,
    digest: Digest,
    what: String,
) -> Result<Blob, JobError> {
    let source = Source::new(registry, host, reference, digest, what);
    let (response, permit, _) = source.ask(0).await?;
    let size = response.content_length();
    let stream = Download::new(source, 0, size, response, permit).stream();
    Ok(Blob { stream, size, digest_is_diff_id: false })
}

/// Opens a part of a blob of `size` bytes. `None` where the registry answers a request for a part with anything but that very
/// part: then it can only be read whole.
///
/// # Errors
/// When the registry does not give it.
pub(super) async fn part(
    registry: &Arc<Registry>,
    host: Arc<Host>,
    reference: &Reference,
    digest: Digest,
    (range, size): (Range<u64>, u64),
    what: String,
) -> Result<Option<Bytestream>, JobError> {
    let source = Source::new(registry, host, reference, digest, what);
    let source = Source { part: Some(Part { end: range.end, size }), ..source };
    let Some((response, permit)) = source.ask_part(range.start).await? else { return Ok(None) };
    Ok(Some(Download::new(source, range.start, Some(range.end), response, permit).stream()))
}

/// Bytes as they come; after an error no more do.
type Bytestream = BoxStream<'static, Result<Bytes, JobError>>;

type Body = BoxStream<'static, Result<Bytes, reqwest::Error>>;

fn body(response: Response) -> Body {
    response.bytes_stream().boxed()
}

/// Where a blob is asked for.
struct Source {
    registry: Arc<Registry>,
    host: Arc<Host>,
    path: String,
    scope: String,
    what: String,
    part: Option<Part>,
}

/// Of a blob that is not wanted to its end.
#[derive(Clone, Copy)]
struct Part {
    /// The byte after the last one.
    end: u64,
    /// Bytes of the blob.
    size: u64,
}

impl Source {
    fn new(
        registry: &Arc<Registry>,
        host: Arc<Host>,
        reference: &Reference,
        digest: Digest,
        what: String,
    ) -> Self {
        Self {
            registry: Arc::clone(registry),
            host,
            path: format!("/v2/{}/blobs/{digest}", reference.repository),
            scope: format!("repository:{}:pull", reference.repository),
            what,
            part: None,
        }
    }

    async fn send(&self, at: u64) -> Result<Answered, JobError> {
        let Self { registry, host, path, scope, what, part } = self;
        let end = part.map(|part| part.end);
        let request =
            Request { method: Method::GET, path, accept: "", from: at, end, scope, what, download: true };
        send(registry, host, &request).await
    }

    async fn refusal(&self, login: bool, response: Response) -> JobError {
        Asked { what: &self.what, host: &self.host.name, login }.refusal(response).await
    }

    /// Asks for the part's bytes from `at` on; `None` for an answer that is something else.
    async fn ask_part(&self, at: u64) -> Result<Option<(Response, Permit)>, JobError> {
        let Some(Part { end, size }) = self.part else { return Ok(None) };
        let Answered { response, login, permit } = self.send(at).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            // All of it, or nothing.
            StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE => return Ok(None),
            _ => return Err(self.refusal(login, response).await),
        }
        // RFC 9110, 14.4: the last byte is a part of the range, and the length may be unknown.
        let range = answer::text(&response, &header::CONTENT_RANGE).unwrap_or_default();
        let of = range.strip_prefix(&format!("bytes {at}-{}/", end.saturating_sub(1)));
        let is_it = of.is_some_and(|of| of == "*" || of.parse() == Ok(size))
            && response.content_length().is_none_or(|length| length == end.saturating_sub(at));
        Ok(is_it.then_some((response, permit)))
    }

    /// Asks for the bytes from `at` on; whether the answer starts there rather than at the beginning.
    async fn ask(&self, at: u64) -> Result<(Response, Permit, bool), JobError> {
        if self.part.is_some() {
            let (response, permit) = self.ask_part(at).await?.ok_or_else(|| self.another_part())?;
            return Ok((response, permit, true));
        }
        let Answered { response, login, permit } = self.send(at).await?;
        match response.status() {
            StatusCode::OK => Ok((response, permit, at == 0)),
            StatusCode::PARTIAL_CONTENT if at > 0 => {
                let range = answer::text(&response, &header::CONTENT_RANGE).unwrap_or_default();
                if range.starts_with(&format!("bytes {at}-")) {
                    return Ok((response, permit, true));
                }
                Err(self.another_part())
            }
            _ => Err(self.refusal(login, response).await),
        }
    }

    fn another_part(&self) -> JobError {
        let Self { what, host, .. } = self;
        let message = format!("failed to read {what}: {} sent another part than was asked for", host.name);
        JobError::later("network", message)
    }
}

struct Download {
    source: Source,
    at: u64,
    /// Where it ends: the blob's size, unless a part is read.
    end: Option<u64>,
    resumes: u32,
    deadline: Instant,
    body: Option<Body>,
    /// Its turn at the registry's gate, as long as bytes come.
    permit: Option<Permit>,
}

impl Download {
    fn new(source: Source, at: u64, end: Option<u64>, response: Response, permit: Permit) -> Self {
        let config = &source.registry.config;
        let (resumes, deadline) = (config.resumes, Instant::now() + config.blob_timeout);
        Self { source, at, end, resumes, deadline, body: Some(body(response)), permit: Some(permit) }
    }

    fn stream(self) -> Bytestream {
        let stream = stream::unfold(Some(self), |download| async {
            let mut download = download?;
            match download.next().await {
                Ok(Some(chunk)) => Some((Ok(chunk), Some(download))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        stream.boxed()
    }

    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, JobError> {
        loop {
            if Instant::now() >= self.deadline {
                return Err(self.broken("it took too long"));
            }
            let chunk = match &mut self.body {
                Some(body) => body.next().await,
                None => Some(Ok(Bytes::new())),
            };
            match chunk {
                Some(Ok(chunk)) if chunk.is_empty() && self.body.is_some() => {}
                Some(Ok(chunk)) if self.body.is_some() => return self.account(chunk).map(Some),
                None if self.end.is_none_or(|end| self.at >= end) => return Ok(None),
                _ => self.resume().await?,
            }
        }
    }

    fn account(&mut self, chunk: Bytes) -> Result<Bytes, JobError> {
        self.at += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if self.end.is_some_and(|end| self.at > end) {
            return Err(JobError::never(
                "malformed",
                format!(
                    "failed to read {}: {} sent more bytes than it announced",
                    self.source.what, self.source.host.name
                ),
            ));
        }
        Ok(chunk)
    }

    /// Asks again for what is missing. The digest names the content, so both parts are of one blob, or the reader's check fails.
    async fn resume(&mut self) -> Result<(), JobError> {
        self.body = None;
        if let Some(permit) = self.permit.take() {
            permit.blame();
        }
        if self.resumes == 0 {
            return Err(self.broken("the connection broke"));
        }
        let tries = self.source.registry.config.resumes - self.resumes;
        self.resumes -= 1;
        tokio::time::sleep(RESUME_WAIT * tries).await;
        tracing::debug!(what = self.source.what, at = self.at, "taking a broken download up again");
        let (response, permit, is_here) = match self.source.ask(self.at).await {
            Ok(answer) => answer,
            // The next turn tries again, if one is left.
            Err(error) if error.later && error.wait.is_none() && self.resumes > 0 => return Ok(()),
            Err(JobError { code: "busy", wait, .. }) if self.resumes > 0 => {
                tokio::time::sleep(wait.unwrap_or_default().min(LONGEST_REST)).await;
                return Ok(());
            }
            // Whatever the registry bears now: this download did break.
            Err(JobError { code: "busy", .. }) => return Err(self.broken("the connection broke")),
            Err(error) => return Err(error),
        };
        self.permit = Some(permit);
        if is_here {
            self.body = Some(body(response));
            return Ok(());
        }
        let mut again = body(response);
        let mut left = self.at;
        while left > 0 {
            let Some(Ok(mut chunk)) = again.next().await else { return Ok(()) };
            let skip = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            left -= u64::try_from(skip).unwrap_or(left);
            let rest = chunk.split_off(skip);
            if !rest.is_empty() {
                again = stream::iter([Ok(rest)]).chain(again).boxed();
            }
        }
        self.body = Some(again);
        Ok(())
    }

    fn broken(&self, reason: &str) -> JobError {
        let of = self.end.map_or_else(String::new, |end| format!(" of {end}"));
        JobError::later(
            "network",
            format!(
                "failed to read {}: {reason} after {}{of} bytes from {}",
                self.source.what, self.at, self.source.host.name
            ),
        )
    }
}
