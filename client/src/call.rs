//! One call: within its deadline, at the server that answered last and then at the others, again where that is safe.

use std::{future::Future, time::Duration};

use strata_proto::{trace, v1::strata_client::StrataClient};
use tokio::time::{Instant, timeout};
use tonic::{Code, Request, Response, Status, transport::Channel};

use crate::{Client, Error, retry::Pushback, servers::Server};

/// How long an ordinary call may take, its further attempts included.
pub(crate) const ORDINARY: Duration = Duration::from_secs(60);
/// How long it may take to send an advisory database.
pub(crate) const UPLOAD: Duration = Duration::from_secs(15 * 60);

/// A deadline beyond this is none, and would be too large for a clock.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

impl Client {
    /// Makes a call that may be made twice. Every server is asked once before it is time to wait.
    pub(crate) async fn call<T, R, F>(
        &self,
        action: &'static str,
        message: T,
        send: impl Fn(StrataClient<Channel>, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let allowed = self.allowed(ORDINARY);
        let end = Instant::now() + allowed;
        let servers = u32::try_from(self.servers.count()).unwrap_or(u32::MAX);
        let mut failures = 0;
        loop {
            let server = self.servers.current();
            let left = end.saturating_duration_since(Instant::now());
            let call = send(server.client(), self.timed(message.clone(), left));
            let status = match within(left, call).await {
                Ok(answer) => return Ok(answer),
                Err(status) => status,
            };
            let pushback = Pushback::of(&status);
            let error = self.failed(action, &server, status, Some(allowed));
            failures += 1;
            let round = failures / servers;
            if !self.is_worth_another(&error, pushback) || round > self.calls.attempts {
                return Err(error);
            }
            if failures.is_multiple_of(servers) {
                let wait = match pushback {
                    Pushback::After(wait) => wait,
                    _ => self.calls.wait(round - 1),
                };
                if Instant::now() + wait >= end {
                    return Err(error);
                }
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Makes a call that must not be made twice, at one server.
    pub(crate) async fn call_once<R, F>(
        &self,
        action: &'static str,
        usual: Duration,
        send: impl FnOnce(StrataClient<Channel>, Duration) -> F,
    ) -> Result<R, Error>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let allowed = self.allowed(usual);
        let server = self.servers.current();
        let answer = within(allowed, send(server.client(), allowed)).await;
        answer.map_err(|status| self.failed(action, &server, status, Some(allowed)))
    }

    fn allowed(&self, usual: Duration) -> Duration {
        self.deadline.unwrap_or(usual).min(LONGEST)
    }

    /// What a deadline ended is not tried again: nobody waits for it any more.
    fn is_worth_another(&self, error: &Error, pushback: Pushback) -> bool {
        pushback != Pushback::Never && error.is_transient() && !matches!(error, Error::TimedOut { .. })
    }

    /// A request that carries the caller's trace context and token.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let context = trace::inject();
        match &self.traceparent {
            Some(traceparent) if context.0.is_empty() => {
                request.metadata_mut().insert("traceparent", traceparent.clone());
            }
            _ => trace::into_metadata(&context, request.metadata_mut()),
        }
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }

    /// The same, and the server is told how long somebody waits (`grpc-timeout`).
    pub(crate) fn timed<T>(&self, message: T, left: Duration) -> Request<T> {
        let mut request = self.request(message);
        request.set_timeout(left);
        request
    }

    /// A failed call as an error. Who is away is not asked first the next time.
    pub(crate) fn failed(
        &self,
        action: &'static str,
        server: &Server,
        status: Status,
        allowed: Option<Duration>,
    ) -> Error {
        let error = match (status.code(), allowed) {
            (Code::DeadlineExceeded, Some(allowed)) => {
                Error::TimedOut { action, url: server.url().to_owned(), allowed }
            }
            _ => Error::from_status(action, server.url(), status),
        };
        if error.is_transient() {
            self.servers.pass_over(server);
        }
        error
    }
}

/// The answer, or `DEADLINE_EXCEEDED` whoever noticed first: the channel says that of its own timer in other words.
async fn within<R>(
    left: Duration,
    call: impl Future<Output = Result<Response<R>, Status>>,
) -> Result<R, Status> {
    let end = Instant::now() + left;
    match timeout(left, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) if status.code() != Code::Cancelled || Instant::now() < end => Err(status),
        _ => Err(Status::deadline_exceeded("the time is over")),
    }
}
