//! Follows a scan: every event is read from the archive, and the running coordinator only says how far that is. So there
//! is one source, no gap and nothing twice where the past meets the present, and a slow watcher costs no memory.

use std::time::Duration;

use strata_proto::v1::{Event, Progress, WatchRequest, event::Kind};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::{CallError, Handle};
use crate::drive::{Live, now_ms};

/// A scan's events.
pub type Events = ReceiverStream<Result<Event, CallError>>;

/// Events that wait for a slow watcher, at most.
const BUFFER: usize = 64;
/// Events read at once.
const PAGE: u32 = 256;
/// How often a scan that another process runs is looked at.
const ELSEWHERE: Duration = Duration::from_millis(500);

pub(super) fn follow(handle: Handle, request: WatchRequest) -> Events {
    let (sender, receiver) = mpsc::channel(BUFFER);
    tokio::spawn(async move {
        let _open = crate::measure::Stream::open();
        let gone = sender.clone();
        let mut follower =
            Follower { handle, after: request.after_sequence, with_reports: request.with_reports, sender };
        tokio::select! {
            () = gone.closed() => {}
            result = follower.run(&request.scan_id) => {
                if let Err(Ended::Failed(error)) = result {
                    // A watcher that went away needs no error.
                    let _ = gone.send(Err(error)).await;
                }
            }
        }
    });
    ReceiverStream::new(receiver)
}

struct Follower {
    handle: Handle,
    after: u64,
    with_reports: bool,
    sender: mpsc::Sender<Result<Event, CallError>>,
}

enum Ended {
    /// Nobody listens.
    Gone,
    Failed(CallError),
}

impl<E: Into<CallError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Follower {
    async fn run(&mut self, scan: &str) -> Result<(), Ended> {
        let mut shown = Progress::default();
        loop {
            // Subscribed before reading: what is recorded after the reading wakes the waiting.
            let live = self.handle.live.subscribe(scan);
            if self.catch_up(scan).await? {
                return Ok(());
            }
            match live {
                Some(mut live) => self.follow_live(scan, &mut live, &mut shown).await?,
                None => {
                    if self.ended_before(scan).await? {
                        return Ok(());
                    }
                    tokio::time::sleep(ELSEWHERE).await;
                }
            }
        }
    }

    /// Until the scan ends here or there are events to read.
    async fn follow_live(
        &mut self,
        scan: &str,
        live: &mut watch::Receiver<Live>,
        shown: &mut Progress,
    ) -> Result<(), Ended> {
        loop {
            let (sequence, progress) = {
                let now = live.borrow_and_update();
                (now.sequence, now.progress.clone())
            };
            if sequence > self.after {
                return Ok(());
            }
            if progress != *shown && progress.summary.is_some() {
                *shown = progress.clone();
                self.send_progress(scan, progress).await?;
            }
            if live.changed().await.is_err() {
                return Ok(()); // it has ended: the archive has the rest
            }
        }
    }

    /// Sends what the archive has; true after the scan's last event.
    async fn catch_up(&mut self, scan: &str) -> Result<bool, Ended> {
        loop {
            let events = self.handle.archive.events(scan, self.after, PAGE).await?;
            let full = u32::try_from(events.len()).is_ok_and(|count| count >= PAGE);
            for event in events {
                self.after = event.sequence;
                let last = matches!(event.kind, Some(Kind::Finished(_)));
                let event = self.dress(event).await?;
                self.send(event).await?;
                if last {
                    return Ok(true);
                }
            }
            if !full {
                return Ok(false);
            }
        }
    }

    /// Whether the watcher asked for events after the scan's last one.
    async fn ended_before(&self, scan: &str) -> Result<bool, Ended> {
        let record = self.handle.scan(scan).await?;
        let running = record.state() == strata_proto::v1::ScanState::Running;
        Ok(!running && record.last_sequence <= self.after)
    }

    async fn dress(&self, mut event: Event) -> Result<Event, CallError> {
        if self.with_reports
            && let Some(Kind::Reported(reported)) = &mut event.kind
        {
            reported.report = Some(self.handle.report(&reported.report_id).await?);
        }
        Ok(event)
    }

    async fn send_progress(&mut self, scan: &str, progress: Progress) -> Result<(), Ended> {
        let event = Event {
            sequence: self.after,
            scan_id: scan.to_owned(),
            time_unix_ms: now_ms(),
            kind: Some(Kind::Progress(progress)),
        };
        self.send(event).await
    }

    async fn send(&mut self, event: Event) -> Result<(), Ended> {
        self.sender.send(Ok(event)).await.map_err(|_| Ended::Gone)
    }
}
