//! Following a scan through broken connections.

use std::{pin::Pin, time::Duration};

use futures::stream::{self, Stream};
use strata_proto::v1::{Event, ScanFinished, WatchRequest, event::Kind};
use tonic::Streaming;

use crate::{Client, Error, servers::Server};

/// A scan's events: each once, in order. [`Kind::Progress`] hints come between them without a number of their own.
pub type Events = Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>;

/// How long a broken stream is retried before the caller learns of it.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Attempts in a row without an event in between; 0 gives up at the first break.
    pub attempts: u32,
    /// Wait before the first further attempt; doubles up to `longest`.
    pub shortest: Duration,
    /// Longest wait between two attempts.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 30, shortest: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }
}

impl RetryPolicy {
    fn wait(&self, attempt: u32) -> Duration {
        self.shortest.saturating_mul(1 << attempt.min(16)).min(self.longest)
    }
}

struct Follower {
    client: Client,
    request: WatchRequest,
    /// The open stream, and whose it is.
    stream: Option<(Streaming<Event>, Server)>,
    failures: u32,
    ended: bool,
}

pub(crate) fn events(client: Client, request: WatchRequest) -> Events {
    let follower = Follower { client, request, stream: None, failures: 0, ended: false };
    Box::pin(stream::unfold(follower, |mut follower| async move {
        if follower.ended {
            return None;
        }
        let item = follower.next().await;
        Some((item?, follower))
    }))
}

impl Follower {
    /// The next event that the caller has not seen; `None` only after the scan's last one.
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            let error = match self.poll().await {
                Ok(Some(event)) => {
                    if let Some(fresh) = self.accept(event) {
                        return Some(Ok(fresh));
                    }
                    continue;
                }
                // The caller had seen the last event before it asked.
                Ok(None) => return None,
                Err(error) => error,
            };
            self.stream = None;
            // Every server is asked once before it is time to wait.
            let servers = u32::try_from(self.client.servers.count()).unwrap_or(u32::MAX);
            let round = self.failures / servers;
            if !error.is_transient() || round >= self.client.retry.attempts {
                self.ended = true;
                return Some(Err(error));
            }
            self.failures += 1;
            if self.failures.is_multiple_of(servers) {
                tokio::time::sleep(self.client.retry.wait(round)).await;
            }
        }
    }

    async fn poll(&mut self) -> Result<Option<Event>, Error> {
        const ACTION: &str = "watch the scan";
        let (stream, server) = match &mut self.stream {
            Some(open) => open,
            none => {
                let server = self.client.servers.current();
                let answer = server.client().watch(self.client.request(self.request.clone())).await;
                let stream = answer.map_err(|status| self.client.failed(ACTION, &server, status))?;
                none.insert((stream.into_inner(), server))
            }
        };
        match stream.message().await {
            Ok(Some(event)) => Ok(Some(event)),
            Ok(None) => {
                let server = server.clone();
                self.ended_early(&server).await
            }
            Err(status) => Err(self.client.failed(ACTION, server, status)),
        }
    }

    /// A stream may end because the scan has no later event, or because the server went away politely.
    async fn ended_early(&mut self, server: &Server) -> Result<Option<Event>, Error> {
        let scan = self.client.get_scan(&self.request.scan_id).await?;
        if scan.finished_unix_ms != 0 && scan.last_sequence <= self.request.after_sequence {
            return Ok(None);
        }
        let early = tonic::Status::unavailable("the stream ended early");
        Err(self.client.failed("watch the scan", server, early))
    }

    /// Moves the cursor; `None` for an event that came twice.
    fn accept(&mut self, event: Event) -> Option<Event> {
        self.failures = 0;
        if matches!(event.kind, Some(Kind::Progress(_))) {
            return Some(event);
        }
        if event.sequence <= self.request.after_sequence {
            return None;
        }
        self.request.after_sequence = event.sequence;
        self.ended = matches!(event.kind, Some(Kind::Finished(ScanFinished { .. })));
        Some(event)
    }
}
