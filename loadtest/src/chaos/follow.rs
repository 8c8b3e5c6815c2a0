//! A client that follows a scan to its end whatever breaks: it goes on at any of the coordinators after the last number
//! that it saw, and complains of a gap or of an event that comes twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use futures::StreamExt as _;
use strata_client::{
    Client, RetryPolicy,
    v1::{Event, LedgerLine, ScanState, SubmitRequest, Summary, event::Kind},
};
use strata_proto::digest::Digest;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// How far a sweep has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Images reported.
    pub reported: usize,
    /// Whether the sweep is over, or was given up.
    pub over: bool,
}

/// What a client saw of a scan.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// The id of the scan.
    pub scan: String,
    /// Digest of each report by the digest of its image.
    pub reports: BTreeMap<String, String>,
    /// Layers of each reported image.
    pub layers: BTreeSet<String>,
    /// References with a report.
    pub references: BTreeSet<String>,
    /// Failures: references, code, message.
    pub failures: Vec<(Vec<String>, String, String)>,
    /// The account at the end.
    pub summary: Summary,
    /// How it ended; `None` when the client's time was over.
    pub state: Option<ScanState>,
    /// Connections that ended before the scan.
    pub breaks: u32,
    /// Digest of each numbered event in order, reports included.
    pub sequence: Vec<String>,
}

/// How a client follows.
#[derive(Debug, Clone)]
pub struct Follow {
    /// The coordinators.
    pub urls: Vec<String>,
    /// When it gives up.
    pub deadline: Instant,
    /// Whether it goes away on purpose after every so many numbered events.
    pub leave_every: Option<usize>,
}

const RETRY: RetryPolicy =
    RetryPolicy { attempts: 2, shortest: Duration::from_millis(50), longest: Duration::from_millis(200) };
/// Between two attempts at all coordinators.
const PAUSE: Duration = Duration::from_millis(200);

impl Follow {
    fn client(&self, attempt: usize) -> anyhow::Result<Client> {
        let url = self.urls.get(attempt % self.urls.len().max(1)).context("find a coordinator")?;
        Ok(Client::connect_lazy(url).context("name a coordinator")?.with_retry(RETRY))
    }

    /// Submits, trying again while nobody answers.
    ///
    /// # Errors
    /// When nobody takes the scan before the deadline.
    pub async fn submit(&self, request: &SubmitRequest) -> anyhow::Result<String> {
        for attempt in 0.. {
            match self.client(attempt)?.submit(request.clone()).await {
                Ok(id) => return Ok(id),
                Err(error) if Instant::now() >= self.deadline => return Err(error).context("submit"),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        bail!("submit")
    }

    /// Follows a scan to its end, or to the deadline.
    ///
    /// # Errors
    /// When an event is missing or comes twice.
    pub async fn follow(&self, scan: &str, progress: &watch::Sender<Progress>) -> anyhow::Result<Seen> {
        let mut seen = Seen { scan: scan.to_owned(), ..Seen::default() };
        let mut last = 0;
        let mut attempt = 0;
        while seen.state.is_none() && Instant::now() < self.deadline {
            let before = last;
            let mut events = self.client(attempt)?.watch(scan, last, true);
            let mut taken = 0;
            while let Ok(Some(Ok(event))) = timeout_at(self.deadline, events.next()).await {
                if matches!(event.kind, Some(Kind::Progress(_))) {
                    continue;
                }
                ensure!(event.sequence == last + 1, "read event {}: after {last}", event.sequence);
                last = event.sequence;
                seen.take(event)?;
                taken += 1;
                progress.send_modify(|progress| progress.reported = seen.reports.len());
                if self.leave_every.is_some_and(|most| taken >= most) {
                    break;
                }
            }
            if seen.state.is_none() {
                seen.breaks += 1;
                attempt += usize::from(last == before || self.leave_every.is_none());
                if last == before {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        progress.send_modify(|progress| progress.over = true);
        Ok(seen)
    }
}

impl Seen {
    fn take(&mut self, event: Event) -> anyhow::Result<()> {
        use prost::Message as _;
        self.sequence.push(Digest::of(&event.encode_to_vec()).to_string());
        match event.kind {
            Some(Kind::Reported(reported)) => {
                for reference in reported.references {
                    ensure!(
                        self.references.insert(reference.clone()),
                        "count {reference}: it was reported twice"
                    );
                }
                let report = reported.report.context("find the report of an event")?;
                self.layers.extend(report.layers.iter().map(|layer| layer.digest.clone()));
                let digest = Digest::of(&report.encode_to_vec()).to_string();
                let other = self.reports.insert(reported.image_digest.clone(), digest.clone());
                ensure!(
                    other.is_none_or(|other| other == digest),
                    "compare reports of {}: there are two",
                    reported.image_digest
                );
            }
            Some(Kind::Failed(failed)) => {
                self.failures.push((failed.references, failed.code, failed.message))
            }
            Some(Kind::ListingFailed(failed)) => {
                self.failures.push((vec![failed.target], failed.code, failed.message));
            }
            Some(Kind::Finished(finished)) => {
                self.state = Some(finished.state());
                self.summary = finished.summary.unwrap_or_default();
            }
            Some(Kind::Started(_) | Kind::Skipped(_) | Kind::Progress(_)) | None => {}
        }
        Ok(())
    }
}

/// The sum of some lines of a ledger.
#[must_use]
pub fn total(lines: &[LedgerLine]) -> u64 {
    lines.iter().map(|line| line.count).sum()
}
