//! What clients may ask of a coordinator, without a network. The gRPC service is a thin shell over it, and the embedded
//! mode uses it directly.

mod audit;
mod id;
mod publish;
mod risks;
mod submitted;
mod tagged;
mod validate;
mod watch;

pub use self::audit::check_reason;

use std::{sync::Arc, time::Duration};

use strata_proto::{
    trace::TraceHeaders,
    v1::{
        FindTouchedRequest, FindTouchedResponse, Report, ReportSummary, Scan, ScanState,
        SearchReportsRequest, SubmitRequest, WatchRequest,
    },
};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::id::first_id;
pub use self::{risks::REASONS, tagged::tag, validate::ARCHIVES, watch::Events};
use crate::{
    access::sight::Sight,
    databases::Publisher,
    drive::{Input, Leading, LiveTable, Ports, now_ms},
    ports::{Archive, Lead, PortError},
    touched,
};

/// Most scans or reports in one answer.
const MOST: u32 = 1_000;
const USUAL: u32 = 50;

/// A call that did not do what it was asked. The texts are for people.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The request cannot be meant so.
    #[error("{0}")]
    Invalid(String),
    /// There is no such scan or report.
    #[error("{0}")]
    NotFound(String),
    /// The caller may not do this.
    #[error("{0}")]
    Denied(String),
    /// Another coordinator has it.
    #[error("{0}")]
    Elsewhere(String),
    /// The archive is away, or this coordinator is shutting down. Another try may work.
    #[error("{0}")]
    Unavailable(String),
}

impl From<PortError> for CallError {
    fn from(error: PortError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Access to a coordinator. Clones share it.
#[derive(Clone)]
pub struct Handle {
    archive: Arc<dyn Archive>,
    inputs: mpsc::Sender<Input>,
    live: LiveTable,
    databases: Publisher,
    leading: Leading,
    lead: Option<Arc<dyn Lead>>,
    allow_archives: bool,
    sight: Arc<Sight>,
}

/// How long a caller waits for the leader to stop a scan.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

impl Handle {
    pub(crate) fn new(
        ports: &Ports,
        inputs: mpsc::Sender<Input>,
        live: LiveTable,
        leading: Leading,
        allow_archives: bool,
    ) -> Self {
        let (archive, lead) = (Arc::clone(&ports.archive), ports.lead.clone());
        let databases = ports.databases.clone();
        Self { archive, inputs, live, databases, leading, lead, allow_archives, sight: Arc::default() }
    }

    /// The same for one principal: what is hidden from it does not exist, and what it submits is its own.
    #[must_use]
    pub fn seen_by(&self, sight: Sight) -> Self {
        Self { sight: Arc::new(sight), ..self.clone() }
    }

    /// Records a scan, pinned to the database that is current now, and starts it. Its jobs belong to the trace of the
    /// headers. With an idempotency key that is known, returns the scan that has it.
    ///
    /// # Errors
    /// [`CallError::Invalid`] names what is wrong with the request.
    pub async fn submit(&self, request: SubmitRequest, trace: TraceHeaders) -> Result<Scan, CallError> {
        let request = validate::request(request, self.allow_archives).map_err(CallError::Invalid)?;
        let request = self.sight.limit(request).map_err(CallError::Denied)?;
        let created_unix_ms = now_ms();
        let mut scan = Scan {
            id: id::scan_id(created_unix_ms),
            request: Some(request),
            created_unix_ms,
            database_digest: self.databases.current().await?.map(|info| info.digest).unwrap_or_default(),
            owner: self.sight.owner.clone(),
            ..Scan::default()
        };
        scan.set_state(ScanState::Running);
        let recorded = self.archive.create_scan(&scan).await?;
        if recorded.id != scan.id {
            // Another's scan under the same key is not this caller's to know.
            let known = self.sight.sees(&recorded) && recorded.owner == self.sight.owner;
            return known.then_some(recorded).ok_or_else(|| {
                CallError::Invalid("the idempotency key belongs to another's scan: choose another".to_owned())
            });
        }
        // Whoever leads finds it in the archive.
        if !self.leading.get() {
            return Ok(recorded);
        }
        let (reply, replied) = oneshot::channel();
        self.send(Input::Submit { scan: Box::new(scan), trace, reply }).await?;
        replied.await.map_err(|_| stopping())?;
        Ok(recorded)
    }

    /// A scan's events in order from a sequence number on: those of the archive, then live ones until the scan has ended.
    /// Progress events come between them while it runs.
    ///
    /// # Errors
    /// [`CallError::NotFound`]; later errors are items of the stream, which ends with them.
    pub async fn watch(&self, request: WatchRequest) -> Result<Events, CallError> {
        self.scan(&request.scan_id).await?;
        Ok(watch::follow(self.clone(), request))
    }

    /// A scan as it is now.
    ///
    /// # Errors
    /// [`CallError::NotFound`].
    pub async fn scan(&self, id: &str) -> Result<Scan, CallError> {
        let live = self.live.subscribe(id).map(|live| live.borrow().scan.clone());
        let scan = match live {
            Some(scan) => Some(scan),
            None => self.archive.scan(id).await?,
        };
        let shown = scan.filter(|scan| self.sight.sees(scan));
        shown.ok_or_else(|| CallError::NotFound(format!("there is no scan `{id}`")))
    }

    /// Scans, newest first; 0 is a limit of 50, the most is 1000. `before` is the id of a scan, or empty.
    ///
    /// # Errors
    /// [`CallError::Unavailable`].
    pub async fn scans(&self, limit: u32, before: &str) -> Result<Vec<Scan>, CallError> {
        let limit = page(limit);
        let now = |scan: Scan| match self.live.subscribe(&scan.id) {
            Some(live) => live.borrow().scan.clone(),
            None => scan,
        };
        if self.sight.is_whole() {
            return Ok(self.archive.scans(limit, before).await?.into_iter().map(now).collect());
        }
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut shown, mut before) = (Vec::new(), before.to_owned());
        loop {
            let page = self.archive.scans(MOST, &before).await?;
            let Some(last) = page.last() else { return Ok(shown) };
            before.clone_from(&last.id);
            let room = wanted.saturating_sub(shown.len());
            shown.extend(page.into_iter().filter(|scan| self.sight.sees(scan)).take(room).map(now));
            if shown.len() >= wanted {
                return Ok(shown);
            }
        }
    }

    /// Stops a scan and returns it. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`CallError::NotFound`], or [`CallError::Elsewhere`] when another process runs it.
    pub async fn cancel(&self, id: &str) -> Result<Scan, CallError> {
        let scan = self.scan(id).await?;
        if scan.state() != ScanState::Running {
            return Ok(scan);
        }
        let (reply, replied) = oneshot::channel();
        self.send(Input::Cancel { scan: id.to_owned(), reply }).await?;
        let ours = replied.await.map_err(|_| stopping())?;
        let scan = self.scan(id).await?;
        if ours || scan.state() != ScanState::Running {
            return Ok(scan);
        }
        match &self.lead {
            Some(lead) => {
                lead.ask_to_cancel(id).await?;
                self.stopped(id).await
            }
            None => Err(CallError::Elsewhere(format!("scan `{id}` is not run by this coordinator"))),
        }
    }

    /// Waits until the leader has stopped a scan.
    async fn stopped(&self, id: &str) -> Result<Scan, CallError> {
        const LOOK: Duration = Duration::from_millis(100);
        let stopped = async {
            loop {
                let scan = self.scan(id).await?;
                if scan.state() != ScanState::Running {
                    return Ok(scan);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(CANCEL_PATIENCE, stopped).await.unwrap_or_else(|_| {
            let text = format!("scan `{id}` will be stopped as soon as a coordinator leads");
            Err(CallError::Unavailable(text))
        })
    }

    /// One report.
    ///
    /// # Errors
    /// [`CallError::NotFound`].
    pub async fn report(&self, id: &str) -> Result<Report, CallError> {
        if !self.sight.is_whole() && !self.archive.shows_report(id, &self.sight).await? {
            return Err(if self.sight.own_only {
                CallError::Denied("this token reads only the reports of scans that it submitted".to_owned())
            } else {
                CallError::NotFound(format!("there is no report `{id}`"))
            });
        }
        self.archive
            .report(id)
            .await?
            .ok_or_else(|| CallError::NotFound(format!("there is no report `{id}`")))
    }

    /// Reports that match every field that is set, newest first; 0 is a limit of 50, the most is 1000.
    ///
    /// # Errors
    /// [`CallError::Invalid`] for a commit that is none or a text beyond its bounds; [`CallError::Unavailable`].
    pub async fn search(&self, mut query: SearchReportsRequest) -> Result<Vec<ReportSummary>, CallError> {
        validate::query(&mut query).map_err(CallError::Invalid)?;
        let limit = page(query.limit);
        Ok(self.archive.search(&SearchReportsRequest { limit, ..query }, &self.sight).await?)
    }

    /// One step of the walk over all images: which of them the difference between two databases concerns.
    ///
    /// # Errors
    /// When the keys are not in order or too many, or the archive cannot be read.
    pub async fn find_touched(&self, request: &FindTouchedRequest) -> Result<FindTouchedResponse, CallError> {
        touched::check(request).map_err(CallError::Invalid)?;
        Ok(touched::step(&*self.archive, request, &self.sight).await?)
    }

    async fn send(&self, input: Input) -> Result<(), CallError> {
        self.inputs.send(input).await.map_err(|_| stopping())
    }
}

fn page(limit: u32) -> u32 {
    if limit == 0 { USUAL } else { limit.min(MOST) }
}

fn stopping() -> CallError {
    CallError::Unavailable("the coordinator is shutting down".to_owned())
}
