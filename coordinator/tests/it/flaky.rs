//! An archive that fails, or does not answer, when a test wants it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use strata_coordinator::{
    access::sight::Sight,
    archive::sqlite::SqliteArchive,
    ports::{
        Archive, AskedReport, Check, Checked, CopyReport, Holds, IndexMember, Naming, NewTag, NewestReport,
        Outlined, Outlines, PortError, PutReport, Risks, Submission, Submissions, Tagged, Tags, Taken,
    },
};
use strata_proto::v1::{AcceptedRisk, Event, Report, ReportHold, ReportSummary, Scan, SearchReportsRequest};
use tokio::sync::watch;

use crate::model::Model;

/// An archive that refuses while the test says so, and writes no event of the scan that is to wait.
pub(crate) struct Flaky {
    pub(crate) inner: Arc<SqliteArchive>,
    pub(crate) refuses: AtomicBool,
    pub(crate) refused: AtomicUsize,
    pub(crate) model: Model,
    pub(crate) waits: watch::Sender<Option<String>>,
    /// Writings of its events that began.
    pub(crate) waiting: AtomicUsize,
}

impl Flaky {
    pub(crate) fn new(model: &Model, inner: Arc<SqliteArchive>) -> Arc<Self> {
        let (refuses, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (waits, waiting) = (watch::Sender::new(None), AtomicUsize::new(0));
        Arc::new(Self { inner, refuses, refused, model: model.clone(), waits, waiting })
    }

    async fn until_its_turn(&self, events: &[Event]) {
        let of_it = |scan: &Option<String>| events.iter().any(|event| Some(&event.scan_id) == scan.as_ref());
        if of_it(&self.waits.borrow()) {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            self.model.touch();
        }
        self.waits.subscribe().wait_for(|scan| !of_it(scan)).await.expect("the archive is there");
    }

    fn gate(&self) -> Result<(), PortError> {
        if !self.refuses.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::SeqCst);
        self.model.touch();
        Err(PortError { action: "write", reason: "the test says so".to_owned() })
    }
}

#[async_trait]
impl Outlines for Flaky {
    async fn use_outline(&self, digest: &str, scheme: u32, at_unix_ms: i64) -> Result<bool, PortError> {
        self.inner.use_outline(digest, scheme, at_unix_ms).await
    }
    async fn put_outline(&self, of: &Outlined, outline: &[u8], at_unix_ms: i64) -> Result<(), PortError> {
        self.inner.put_outline(of, outline, at_unix_ms).await
    }
    async fn outlines(&self) -> Result<Vec<Outlined>, PortError> {
        self.inner.outlines().await
    }
    async fn outline(&self, digest: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.inner.outline(digest).await
    }
    async fn asked_reports(&self, ids: &[String]) -> Result<Vec<AskedReport>, PortError> {
        self.inner.asked_reports(ids).await
    }
    async fn newest_reports(
        &self,
        before: u64,
        limit: u32,
        sight: &Sight,
    ) -> Result<Vec<NewestReport>, PortError> {
        self.inner.newest_reports(before, limit, sight).await
    }
}

#[async_trait]
impl Submissions for Flaky {
    async fn submit_report(&self, submission: &Submission) -> Result<Taken, PortError> {
        self.inner.submit_report(submission).await
    }
}

#[async_trait]
impl Check for Flaky {
    async fn check(&self, after: i64) -> Result<(Vec<Checked>, Option<i64>), PortError> {
        self.inner.check(after).await
    }
}

#[async_trait]
impl Tags for Flaky {
    async fn tag_image(&self, tag: &NewTag) -> Result<Tagged, PortError> {
        self.inner.tag_image(tag).await
    }
    async fn note_members(&self, members: &[IndexMember]) -> Result<(), PortError> {
        self.gate()?;
        self.inner.note_members(members).await
    }
}

#[async_trait]
impl Holds for Flaky {
    async fn hold_report(&self, hold: &ReportHold) -> Result<Option<ReportHold>, PortError> {
        self.inner.hold_report(hold).await
    }
    async fn release_report(&self, id: &str, by: &str, at: i64) -> Result<Option<ReportHold>, PortError> {
        self.inner.release_report(id, by, at).await
    }
}

#[async_trait]
impl Risks for Flaky {
    async fn accept_risk(&self, risk: &AcceptedRisk) -> Result<(), PortError> {
        self.inner.accept_risk(risk).await
    }
    async fn accepted_risks(&self) -> Result<Vec<AcceptedRisk>, PortError> {
        self.inner.accepted_risks().await
    }
    async fn end_risk(&self, id: &str, by: &str, at_unix_ms: i64) -> Result<Option<AcceptedRisk>, PortError> {
        self.inner.end_risk(id, by, at_unix_ms).await
    }
}

#[async_trait]
impl Archive for Flaky {
    /// Without a turn for the planner's task before the scan is recorded.
    async fn create_scan(&self, scan: &Scan) -> Result<Scan, PortError> {
        futures::executor::block_on(self.inner.create_scan(scan))
    }
    async fn update_scan(&self, scan: &Scan) -> Result<(), PortError> {
        self.gate()?;
        self.inner.update_scan(scan).await
    }
    async fn scan(&self, id: &str) -> Result<Option<Scan>, PortError> {
        self.inner.scan(id).await
    }
    async fn scans(&self, limit: u32, before: &str) -> Result<Vec<Scan>, PortError> {
        self.inner.scans(limit, before).await
    }
    async fn pinned(&self) -> Result<Vec<String>, PortError> {
        self.inner.pinned().await
    }
    async fn running(&self) -> Result<Vec<Scan>, PortError> {
        self.inner.running().await
    }
    async fn append(&self, events: &[Event]) -> Result<(), PortError> {
        self.gate()?;
        self.until_its_turn(events).await;
        self.inner.append(events).await
    }
    async fn events(&self, scan: &str, after: u64, limit: u32) -> Result<Vec<Event>, PortError> {
        self.inner.events(scan, after, limit).await
    }
    async fn put_reports(&self, reports: &[PutReport<'_>]) -> Result<(), PortError> {
        self.gate()?;
        self.inner.put_reports(reports).await
    }
    async fn copy_reports(&self, copies: &[CopyReport<'_>]) -> Result<Vec<bool>, PortError> {
        self.gate()?;
        self.inner.copy_reports(copies).await
    }
    async fn name_reports(&self, namings: &[Naming<'_>]) -> Result<Vec<bool>, PortError> {
        self.gate()?;
        self.inner.name_reports(namings).await
    }
    async fn known_reports(&self, ids: &[String]) -> Result<Vec<ReportSummary>, PortError> {
        self.inner.known_reports(ids).await
    }
    async fn report(&self, id: &str) -> Result<Option<Report>, PortError> {
        self.inner.report(id).await
    }
    async fn shows_report(&self, id: &str, sight: &Sight) -> Result<bool, PortError> {
        self.inner.shows_report(id, sight).await
    }
    async fn search(
        &self,
        query: &SearchReportsRequest,
        sight: &Sight,
    ) -> Result<Vec<ReportSummary>, PortError> {
        self.inner.search(query, sight).await
    }
}
