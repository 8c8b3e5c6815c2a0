//! Following a scan through broken connections.

use std::pin::Pin;

use futures::stream::{self, Stream};
use strata_proto::v1::{Event, ScanFinished, WatchRequest, event::Kind};
use tonic::Streaming;

use crate::{Client, Error, servers::Server};

/// A scan's events: each once, in order. [`Kind::Progress`] hints come between them without a number of their own.
pub type Events = Pin<Box<dyn Stream<Item = Result<Event, Error>> + Send>>;

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
            if !error.is_transient() || round >= self.client.streams.attempts {
                self.ended = true;
                return Some(Err(error));
            }
            self.failures += 1;
            if self.failures.is_multiple_of(servers) {
                tokio::time::sleep(self.client.streams.wait(round)).await;
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
                let stream = answer.map_err(|status| self.client.failed(ACTION, &server, status, None))?;
                none.insert((stream.into_inner(), server))
            }
        };
        match stream.message().await {
            Ok(Some(event)) => Ok(Some(event)),
            Ok(None) => {
                let server = server.clone();
                self.ended_early(&server).await
            }
            Err(status) => Err(self.client.failed(ACTION, server, status, None)),
        }
    }

    /// A stream may end because the scan has no later event, or because the server went away politely.
    async fn ended_early(&mut self, server: &Server) -> Result<Option<Event>, Error> {
        let scan = self.client.get_scan(&self.request.scan_id).await?;
        if scan.finished_unix_ms != 0 && scan.last_sequence <= self.request.after_sequence {
            return Ok(None);
        }
        let early = tonic::Status::unavailable("the stream ended early");
        Err(self.client.failed("watch the scan", server, early, None))
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
