//! What the coordinator needs from outside: a queue for jobs and their outcomes, an archive, and the place where
//! workers put reports down.

mod audit;
mod reports;
mod risks;
mod tags;

use std::{fs::File, path::Path, pin::Pin, sync::Arc, time::Duration};

pub use self::audit::{Check, Checked, Holds};

use async_trait::async_trait;
use bytes::Bytes;
pub use strata_proto::port::PortError;
use strata_proto::{
    outline::Outline,
    trace::TraceHeaders,
    v1::{Event, Job, Outcome, Report, ReportSummary, Scan, SearchReportsRequest},
};
use tokio::io::AsyncRead;

pub use self::{
    reports::{CopyReport, Naming, NewReport, PutReport},
    risks::Risks,
    tags::{IndexMember, NewTag, Tagged, Tags},
};
use crate::{
    access::{prefix::Prefix, sight::Sight, token::StoredToken},
    archive::content::Content,
};

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The job is in the queue now.
    Accepted,
    /// A job with this subject is queued or running: its outcome will do.
    AlreadyQueued,
}

/// The jobs' way out and their outcomes' way back.
#[async_trait]
pub trait JobQueue: Send + Sync {
    /// Publishes a job. Safe to repeat: the queue holds one job for each subject.
    async fn publish(&self, job: &Job, trace: &TraceHeaders) -> Result<Published, PortError>;
    /// Waits for outcomes, up to `max` at once. Those not acknowledged come again.
    async fn outcomes(&self, max: usize) -> Result<Vec<OutcomeDelivery>, PortError>;
    /// Removes a job that no worker has taken yet. A worker that has it is told to drop it, and answers with an outcome
    /// all the same; one that does not hear it carries the job out.
    async fn withdraw(&self, job: &Job) -> Result<(), PortError>;
    /// How long it may take until all outcomes have come again that were handed to a coordinator which is gone; nothing when there
    /// are none.
    async fn owed(&self) -> Result<Duration, PortError> {
        Ok(Duration::ZERO)
    }
    /// Whether any worker waits for jobs or holds one.
    async fn attended(&self) -> Result<bool, PortError> {
        Ok(true)
    }
}

/// An outcome that the coordinator holds until it acknowledges it.
pub struct OutcomeDelivery {
    /// What came of the job.
    pub outcome: Outcome,
    /// The worker's trace context.
    pub trace: TraceHeaders,
    /// The queue's side of it.
    pub handle: Box<dyn OutcomeHandle>,
}

/// The queue's side of an outcome.
#[async_trait]
pub trait OutcomeHandle: Send + Sync {
    /// The outcome is recorded: it need not come again.
    async fn done(&self) -> Result<(), PortError>;
}

/// Where workers put reports down for the archive.
#[async_trait]
pub trait Parcels: Send + Sync {
    /// Takes a parcel; `None` when it is gone.
    async fn take(&self, name: &str) -> Result<Option<Bytes>, PortError>;
    /// Takes several, in the order of their names.
    async fn take_all(&self, names: &[&str]) -> Result<Vec<Option<Bytes>>, PortError> {
        let mut parcels = Vec::with_capacity(names.len());
        for name in names {
            parcels.push(self.take(name).await?);
        }
        Ok(parcels)
    }
    /// They are archived: they need not be kept.
    async fn discard(&self, names: &[&str]) -> Result<(), PortError>;
}

/// Who plans: of all coordinators that share an archive one leads, the others stand by and answer what the archive knows.
/// A coordinator that led and does no longer cannot write to the archive.
#[async_trait]
pub trait Lead: Send + Sync {
    /// Takes or renews the lead for that long; false while another holds it.
    async fn lead(&self, owner: &str, length: Duration) -> Result<bool, PortError>;
    /// Lets another take the lead at once.
    async fn step_down(&self, owner: &str) -> Result<(), PortError>;
    /// Asks whoever leads to stop a scan.
    async fn ask_to_cancel(&self, scan: &str) -> Result<(), PortError>;
    /// The running scans that somebody asked to stop.
    async fn asked_to_cancel(&self) -> Result<Vec<String>, PortError>;
}

/// A report and what it asked of its database.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedReport {
    /// What lists show of it, without its references.
    pub summary: ReportSummary,
    /// Encoded `strata_proto::outline::Asked`.
    pub asked: Vec<u8>,
}

/// The last report of an image, and what it asked of its database.
#[derive(Debug, Clone, PartialEq)]
pub struct NewestReport {
    /// What lists show of it, with its number and its references.
    pub summary: ReportSummary,
    /// Encoded `strata_proto::outline::Asked`; `None` where it is not known.
    pub asked: Option<Vec<u8>>,
}

/// A database whose outline is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlined {
    /// Its digest.
    pub digest: String,
    /// Newest modification in it, RFC 3339.
    pub modified: String,
    /// How the outline was made.
    pub scheme: u32,
}

/// Outlines of databases, and what reports asked: with both it is known which reports a new database leaves as they are.
#[async_trait]
pub trait Outlines: Send + Sync {
    /// Notes that a database is in use, at that time in milliseconds since 1970-01-01 UTC; false when its outline of this
    /// scheme is not kept.
    async fn use_outline(&self, digest: &str, scheme: u32, at_unix_ms: i64) -> Result<bool, PortError>;
    /// Keeps an outline (encoded `strata_proto::outline::Outline`) in the place of the database's earlier one. Only those of
    /// the [`OUTLINES_KEPT`] databases that were used last stay.
    async fn put_outline(&self, of: &Outlined, outline: &[u8], at_unix_ms: i64) -> Result<(), PortError>;
    /// The databases whose outlines are kept, the one that was used last first.
    async fn outlines(&self) -> Result<Vec<Outlined>, PortError>;
    /// An encoded outline.
    async fn outline(&self, digest: &str) -> Result<Option<Vec<u8>>, PortError>;
    /// Those of these reports that are there and whose questions are known, in any order.
    async fn asked_reports(&self, ids: &[String]) -> Result<Vec<AskedReport>, PortError>;
    /// Of each image that is shown the report that was archived last of those that are shown: those with a number below this
    /// one, the last first, at most so many. Images without a manifest are told apart by their configuration.
    async fn newest_reports(
        &self,
        before: u64,
        limit: u32,
        sight: &Sight,
    ) -> Result<Vec<NewestReport>, PortError>;
}

/// Outlines that an archive keeps.
pub const OUTLINES_KEPT: u32 = 16;

/// A report that was made elsewhere, checked and ready to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// Records it: a scan that has ended, with an idempotency key.
    pub scan: Scan,
    /// The scan's events.
    pub events: Vec<Event>,
    /// Names its content and its submitter.
    pub report_id: String,
    /// What the image is called.
    pub references: Vec<String>,
    /// The report.
    pub report: Report,
    /// Repositories that the submitter may name: others do not come to have the report. Empty is all.
    pub prefixes: Vec<Prefix>,
    /// Milliseconds since 1970-01-01 UTC.
    pub at_unix_ms: i64,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The scan that records it: the one of before where the idempotency key was known.
    pub scan: Scan,
    /// The report was there before.
    pub known: bool,
    /// Manifests with its configuration, at most [`MOST_BOUND`].
    pub bound: Vec<String>,
}

/// Manifests that one report is bound to at most, the first that were seen.
pub const MOST_BOUND: u32 = 20;

/// Reports that were made elsewhere.
///
/// A report of an image that was not read from a registry is bound to every manifest with the same configuration: it is found
/// by its digest and has its references from then on, whichever of the two comes first.
#[async_trait]
pub trait Submissions: Send + Sync {
    /// Records a submission in one transaction. With an idempotency key that is known, nothing changes.
    async fn submit_report(&self, submission: &Submission) -> Result<Taken, PortError>;
}

/// Scans, events by sequence, and reports. Writes are idempotent: the same again changes nothing.
#[async_trait]
pub trait Archive: Outlines + Submissions + Check + Holds + Tags + Risks {
    /// Records a new scan. With an idempotency key that is known, returns the scan that has it instead.
    async fn create_scan(&self, scan: &Scan) -> Result<Scan, PortError>;
    /// Replaces state and summary of a scan.
    async fn update_scan(&self, scan: &Scan) -> Result<(), PortError>;
    /// One scan.
    async fn scan(&self, id: &str) -> Result<Option<Scan>, PortError>;
    /// Scans, newest first, before the one of that id (empty: from the newest).
    async fn scans(&self, limit: u32, before: &str) -> Result<Vec<Scan>, PortError>;
    /// Scans that are still running.
    async fn running(&self) -> Result<Vec<Scan>, PortError>;
    /// Digests of the databases to which running scans are pinned, each once.
    async fn pinned(&self) -> Result<Vec<String>, PortError>;
    /// Appends events with the sequence numbers that they carry, in one transaction. An event that exists stays as it is.
    async fn append(&self, events: &[Event]) -> Result<(), PortError>;
    /// Events of a scan after a sequence number, in order, at most `limit`.
    async fn events(&self, scan: &str, after: u64, limit: u32) -> Result<Vec<Event>, PortError>;
    /// Stores reports in one transaction, with the keys that they are searched by; one may come for several scans.
    async fn put_reports(&self, reports: &[PutReport<'_>]) -> Result<(), PortError>;
    /// One of them.
    async fn put_report(&self, new: NewReport<'_>, scan: &str, names: &[String]) -> Result<(), PortError> {
        let NewReport { id, report, asked, stored_unix_ms, assessed_unix_ms } = new;
        let content = Content::of(report.clone(), asked.map(<[u8]>::to_vec));
        let content =
            content.map_err(|error| PortError { action: "store a report", reason: error.to_string() })?;
        let put =
            PutReport { id, content: &content, stored_unix_ms, assessed_unix_ms, scan, references: names };
        self.put_reports(&[put]).await
    }
    /// Stores reports that refer to what others say, in one transaction; one may come for several scans. In the same order:
    /// whether the copy is there. It is not where the other is gone, or does not tell what it asked.
    async fn copy_reports(&self, copies: &[CopyReport<'_>]) -> Result<Vec<bool>, PortError>;
    /// Gives reports further references in scans, in one transaction. In the same order: whether the report is there.
    async fn name_reports(&self, namings: &[Naming<'_>]) -> Result<Vec<bool>, PortError>;
    /// One of them.
    async fn add_references(&self, id: &str, scan: &str, references: &[String]) -> Result<bool, PortError> {
        Ok(self.name_reports(&[Naming { report: id, scan, references }]).await?.contains(&true))
    }
    /// Those of these reports that are there, without their references, in any order.
    async fn known_reports(&self, ids: &[String]) -> Result<Vec<ReportSummary>, PortError>;
    /// One report.
    async fn report(&self, id: &str) -> Result<Option<Report>, PortError>;
    /// Whether a report is shown: whether it has a reference inside, in a scan that is shown.
    async fn shows_report(&self, id: &str, sight: &Sight) -> Result<bool, PortError>;
    /// Reports that match every field that is set and are shown, the last archived first, with the references that are shown.
    async fn search(
        &self,
        query: &SearchReportsRequest,
        sight: &Sight,
    ) -> Result<Vec<ReportSummary>, PortError>;
}

/// What an archive keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// Scans that have ended and whose ids sort before this one go. Empty: none goes for its age.
    pub scans_from: String,
    /// Of the scans only so many, the newest, stay; those that run stay in any case. 0: none goes for their number.
    pub scans: u32,
    /// A report that no scan refers to any more goes, unless it is the newest of its image and was stored since then
    /// (milliseconds since 1970-01-01 UTC).
    pub latest_from_unix_ms: i64,
    /// Tokens that were revoked or expired before then go.
    pub tokens_from_unix_ms: i64,
}

/// What went in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Scans.
    pub scans: u64,
    /// Their events.
    pub events: u64,
    /// References of their reports.
    pub references: u64,
    /// Reports.
    pub reports: u64,
    /// Tokens.
    pub tokens: u64,
}

/// Lets what is old go. Each call is one step of bounded length; whoever does not lead any more is refused.
#[async_trait]
pub trait Forget: Send + Sync {
    /// Old scans with their events and references. Nothing went: nothing is left to do.
    async fn forget_scans(&self, keep: &Keep) -> Result<Forgotten, PortError>;
    /// Reports after a number (0 at first) that nothing needs, with what they are searched by. With the number to go on after;
    /// `None` behind the last report.
    async fn forget_reports(&self, keep: &Keep, after: i64) -> Result<(Forgotten, Option<i64>), PortError>;
    /// Tokens that ended long ago. The last one stays, whatever became of it: an archive without any lets everybody in.
    async fn forget_tokens(&self, keep: &Keep) -> Result<Forgotten, PortError>;
}

/// Tokens, kept with the archive. Their secrets are not in it.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Keeps a new token.
    async fn add_token(&self, token: &StoredToken) -> Result<(), PortError>;
    /// One token, revoked or expired ones too.
    async fn token(&self, id: &str) -> Result<Option<StoredToken>, PortError>;
    /// All tokens, oldest first.
    async fn tokens(&self) -> Result<Vec<StoredToken>, PortError>;
    /// Whether there ever was a token.
    async fn any_token(&self) -> Result<bool, PortError>;
    /// Ends a token and returns it; one that was revoked before stays as it is. `None` when there is none of that id.
    async fn revoke_token(&self, id: &str, at_unix_ms: i64) -> Result<Option<StoredToken>, PortError>;
}

/// An advisory database as the coordinator knows it: its name, not what it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// `sha256:…`, as reports name it.
    pub digest: String,
    /// Newest modification in it, RFC 3339.
    pub modified: String,
    /// Bytes of the file.
    pub size: u64,
}

/// Where databases are published for the workers.
#[async_trait]
pub trait Databases: Send + Sync {
    /// The database that new scans are pinned to; `None` where there is none: workers then use what they have.
    async fn current(&self) -> Result<Option<DatabaseInfo>, PortError>;
    /// Keeps a file that was inspected under its digest, and makes it the current one.
    async fn publish(&self, info: &DatabaseInfo, file: File) -> Result<(), PortError>;
    /// Digests of all that are kept, the current one included.
    async fn kept(&self) -> Result<Vec<String>, PortError>;
    /// Keeps one no longer. One that is not there is no error.
    async fn remove(&self, digest: &str) -> Result<(), PortError>;
    /// Looks for what is left of databases that were never whole, and drops it when no other coordinator can be sending it.
    async fn tidy(&self) -> Result<(), PortError> {
        Ok(())
    }
    /// The content of one that is kept; `None` where it is not, or not to be had here.
    async fn content(&self, _digest: &str) -> Result<Option<DatabaseContent>, PortError> {
        Ok(None)
    }
    /// The file of a database, where it is on this machine: to be outlined when a scan uses it for the first time. Elsewhere
    /// outlines are made before publication.
    fn local(&self, _digest: &str) -> Result<Option<LocalDatabase>, PortError> {
        Ok(None)
    }
}

/// The bytes of a database, in order.
pub type DatabaseContent = Pin<Box<dyn AsyncRead + Send>>;

/// A database on this machine.
pub struct LocalDatabase {
    /// What it is.
    pub info: DatabaseInfo,
    /// Its content.
    pub bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    /// Makes its outline; blocks. The error is for people.
    pub outline: Box<dyn FnOnce() -> Result<Outline, String> + Send>,
}

/// Looks into database files, which the coordinator itself cannot read.
pub trait Inspector: Send + Sync {
    /// Checks every byte of an open file, whose name is only for messages, and says what it is; blocks.
    ///
    /// # Errors
    /// For people, when it is no database or is damaged.
    fn inspect(&self, file: &File, name: &Path) -> Result<DatabaseInfo, String>;

    /// How this inspector makes outlines; `None`: it makes none, and a new database has every image assessed again.
    fn scheme(&self) -> Option<u32> {
        None
    }

    /// Outlines a file that was inspected; blocks.
    ///
    /// # Errors
    /// For people, when it cannot be read.
    fn outline(&self, _file: &File, name: &Path) -> Result<Outline, String> {
        Err(format!("{}: outlines are not made here", name.display()))
    }
}
