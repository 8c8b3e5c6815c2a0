//! The SDK: submit scans to a Strata cluster and follow them. The contract and tonic, and nothing else.
//!
//! ```no_run
//! use strata_client::{Client, ImageScan, v1::event::Kind};
//! use tokio_stream::StreamExt as _;
//!
//! # async fn example() -> Result<(), strata_client::Error> {
//! let mut client = Client::connect("http://127.0.0.1:7400").await?;
//! let scan = client.submit(ImageScan::new(["registry.example/app:1"])).await?;
//! let mut events = client.watch(&scan, 0, true);
//! while let Some(event) = events.next().await {
//!     if let Some(Kind::Reported(image)) = event?.kind {
//!         println!("{:?}: {} problems", image.references, image.problems);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! * **What to scan** is an [`ImageScan`] or a [`RegistrySweep`]; each becomes a [`v1::SubmitRequest`], which can be written by hand.
//! * **Several coordinators** of one archive are named with commas between them: `http://a:7400,http://b:7400`. A call goes to
//!   one that answered before, and to the next when it is away.
//! * **Streams resume.** One that breaks is opened again after the last event that arrived: the caller sees each event once, in
//!   order, however often the connection is lost. Only an answer that would stay the same (an unknown scan) ends it with an error.
//! * **Deadlines.** Each call has one ([`Builder::deadline`], [`Client::with_deadline`]) over all its attempts; the server is told
//!   by `grpc-timeout` and stops what nobody waits for. Streams have none.
//! * **Retries** ([`RetryPolicy`]) are bounded, wait at random within doubling bounds, and keep to what a server says by
//!   `grpc-retry-pushback-ms`. Only what is safe is tried again: reading, cancelling, revoking, and submitting, because each
//!   submission has an idempotency key. Making a token and publishing a database are tried once.
//! * **Traces.** Each call carries the W3C context of the current `tracing` span where the program records any with
//!   OpenTelemetry, or the one that [`Builder::traceparent`] was given.
//!
//! # Examples
//!
//! Whole programs, in `client/examples`, which the tests run against a server.
//!
//! A gate for a pipeline:
//!
//! ```no_run
#![doc = include_str!("../examples/gate.rs")]
//! ```
//!
//! A nightly sweep:
//!
//! ```no_run
#![doc = include_str!("../examples/nightly_sweep.rs")]
//! ```
//!
//! An export of the archive:
//!
//! ```no_run
#![doc = include_str!("../examples/export.rs")]
//! ```

mod builder;
mod call;
mod database;
mod error;
mod options;
mod request;
mod retry;
mod servers;
mod tag;
mod watch;

use std::time::Duration;

pub use builder::Builder;
pub use database::DatabaseParts;
pub use error::Error;
pub use options::Options;
pub use request::{ImageScan, RegistrySweep};
pub use retry::RetryPolicy;
pub use strata_proto::v1;
use strata_proto::v1::strata_client::StrataClient;
use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
pub use watch::Events;

use self::servers::Servers;

/// A connection to a coordinator, or to several of one archive. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    servers: Servers,
    streams: RetryPolicy,
    calls: RetryPolicy,
    deadline: Option<Duration>,
    authorization: Option<MetadataValue<Ascii>>,
    traceparent: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// Connects to `http://host:port` or `https://host:port`, or to several with commas between them.
    ///
    /// # Errors
    /// When a URL is malformed or nothing answers there.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder(url).connect().await
    }

    /// Connects with certificates or a token.
    ///
    /// # Errors
    /// When a URL or the options cannot be used, none of the servers answers, or none can prove who it is.
    pub async fn connect_with(url: &str, options: &Options) -> Result<Self, Error> {
        Builder::new(url, options.clone()).connect().await
    }

    /// Connects when the first call needs it.
    ///
    /// # Errors
    /// When a URL is malformed.
    pub fn connect_lazy(url: &str) -> Result<Self, Error> {
        Self::builder(url).connect_lazy()
    }

    /// Connects with certificates or a token, when the first call needs it.
    ///
    /// # Errors
    /// When a URL or the options cannot be used.
    pub fn connect_lazy_with(url: &str, options: &Options) -> Result<Self, Error> {
        Builder::new(url, options.clone()).connect_lazy()
    }

    /// Everything else that a connection can have: token, certificates, deadline, retries.
    pub fn builder(url: &str) -> Builder {
        Builder::new(url, Options::default())
    }

    /// With another policy for streams that break.
    #[must_use]
    pub const fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.streams = retry;
        self
    }

    /// With another policy for calls that fail.
    #[must_use]
    pub const fn with_call_retry(mut self, retry: RetryPolicy) -> Self {
        self.calls = retry;
        self
    }

    /// With another deadline for each call: `client.clone().with_deadline(…)` is for one call.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Records a scan and returns its id; the work goes on in the cluster. A request without an idempotency key gets a random
    /// one: it may reach two servers, and is one scan all the same.
    ///
    /// # Errors
    /// When the request is invalid or no coordinator can be reached.
    pub async fn submit(&mut self, request: impl Into<v1::SubmitRequest>) -> Result<String, Error> {
        let mut request = request.into();
        if request.idempotency_key.is_empty() {
            request.idempotency_key = servers::random_key();
        }
        let answer =
            self.call("submit the scan", request, |mut to, request| async move { to.submit(request).await });
        Ok(answer.await?.scan_id)
    }

    /// A scan's events after a sequence number, then live until the scan ends. Resumes by itself when the connection breaks.
    pub fn watch(&self, scan_id: &str, after_sequence: u64, with_reports: bool) -> Events {
        let request = v1::WatchRequest { scan_id: scan_id.to_owned(), after_sequence, with_reports };
        watch::events(self.clone(), request)
    }

    /// One scan, with its summary so far.
    ///
    /// # Errors
    /// When there is no such scan or no coordinator can be reached.
    pub async fn get_scan(&mut self, scan_id: &str) -> Result<v1::Scan, Error> {
        let request = v1::GetScanRequest { scan_id: scan_id.to_owned() };
        self.call("read the scan", request, |mut to, request| async move { to.get_scan(request).await }).await
    }

    /// Scans, newest first.
    ///
    /// # Errors
    /// When no coordinator can be reached.
    pub async fn list_scans(&mut self, limit: u32, before: &str) -> Result<Vec<v1::Scan>, Error> {
        let request = v1::ListScansRequest { limit, before: before.to_owned() };
        let answer = self
            .call("list the scans", request, |mut to, request| async move { to.list_scans(request).await });
        Ok(answer.await?.scans)
    }

    /// Stops a scan: no further job of it starts, and workers drop those that run.
    ///
    /// # Errors
    /// When there is no such scan or no coordinator can be reached.
    pub async fn cancel(&mut self, scan_id: &str) -> Result<v1::Scan, Error> {
        let request = v1::CancelRequest { scan_id: scan_id.to_owned() };
        self.call("cancel the scan", request, |mut to, request| async move { to.cancel(request).await }).await
    }

    /// One report, whole.
    ///
    /// # Errors
    /// When there is no such report or no coordinator can be reached.
    pub async fn get_report(&mut self, report_id: &str) -> Result<v1::Report, Error> {
        let request = v1::GetReportRequest { report_id: report_id.to_owned() };
        self.call("read the report", request, |mut to, request| async move { to.get_report(request).await })
            .await
    }

    /// Reports that match every field that is set, newest first.
    ///
    /// # Errors
    /// When no coordinator can be reached.
    pub async fn search_reports(
        &mut self,
        query: v1::SearchReportsRequest,
    ) -> Result<Vec<v1::ReportSummary>, Error> {
        let answer = self.call("search the reports", query, |mut to, request| async move {
            to.search_reports(request).await
        });
        Ok(answer.await?.reports)
    }

    /// One step of a walk over all images that have a report: which of them the difference between two databases concerns. 0
    /// begins, and 0 is behind the last.
    ///
    /// # Errors
    /// When the keys are not in order, or no coordinator can be reached.
    pub async fn find_touched(
        &mut self,
        request: v1::FindTouchedRequest,
    ) -> Result<v1::FindTouchedResponse, Error> {
        let send = |mut to: StrataClient<Channel>, request| async move { to.find_touched(request).await };
        self.call("look for the images that the difference concerns", request, send).await
    }

    /// Submits a report that was made elsewhere. The same again is one report.
    ///
    /// # Errors
    /// When it is refused, or no coordinator can be reached.
    pub async fn submit_report(
        &mut self,
        request: v1::SubmitReportRequest,
    ) -> Result<v1::SubmitReportResponse, Error> {
        let send = |mut to: StrataClient<Channel>, request| async move { to.submit_report(request).await };
        self.call("submit the report", request, send).await
    }

    /// Keeps a report, and the scans that name it, whatever their age.
    ///
    /// # Errors
    /// When there is no such report, the caller is no administrator, or no coordinator can be reached.
    pub async fn hold_report(&mut self, report_id: &str, reason: &str) -> Result<v1::ReportHold, Error> {
        let request = v1::HoldReportRequest { report_id: report_id.to_owned(), reason: reason.to_owned() };
        let send = |mut to: StrataClient<Channel>, request| async move { to.hold_report(request).await };
        self.call("hold the report", request, send).await
    }

    /// Ends a hold.
    ///
    /// # Errors
    /// When none is in force, the caller is no administrator, or no coordinator can be reached.
    pub async fn release_report(&mut self, report_id: &str) -> Result<v1::ReportHold, Error> {
        let request = v1::ReleaseReportRequest { report_id: report_id.to_owned() };
        let send = |mut to: StrataClient<Channel>, request| async move { to.release_report(request).await };
        self.call("release the report", request, send).await
    }

    /// One step of a check of all stored reports: 0 begins, and 0 is behind the last.
    ///
    /// # Errors
    /// When the caller is no administrator, or no coordinator can be reached.
    pub async fn check_reports(&mut self, after: u64) -> Result<v1::CheckReportsResponse, Error> {
        let request = v1::CheckReportsRequest { after };
        let send = |mut to: StrataClient<Channel>, request| async move { to.check_reports(request).await };
        self.call("check the reports", request, send).await
    }

    /// Sends an advisory database in parts, to which every scan from then on is pinned. The parts can be sent once: only one
    /// server is tried.
    ///
    /// # Errors
    /// When it is refused, cannot be kept, or the coordinator cannot be reached.
    pub async fn publish_database(
        &mut self,
        parts: impl tokio_stream::Stream<Item = v1::DatabaseChunk> + Send + 'static,
    ) -> Result<v1::PublishDatabaseResponse, Error> {
        let send = |mut to: StrataClient<Channel>, left| {
            let request = self.timed(parts, left);
            async move { to.publish_database(request).await }
        };
        self.call_once("publish the database", call::UPLOAD, send).await
    }

    /// Makes a token. Its secret is in this answer only. One server is tried: an answer that is lost must not leave a token
    /// behind at each.
    ///
    /// # Errors
    /// When the request is invalid, the caller is no administrator, or the coordinator cannot be reached.
    pub async fn create_token(
        &mut self,
        request: v1::CreateTokenRequest,
    ) -> Result<v1::CreateTokenResponse, Error> {
        let send = |mut to: StrataClient<Channel>, left| {
            let request = self.timed(request, left);
            async move { to.create_token(request).await }
        };
        self.call_once("create the token", call::ORDINARY, send).await
    }

    /// All tokens without their secrets, oldest first.
    ///
    /// # Errors
    /// When the caller is no administrator, or no coordinator can be reached.
    pub async fn list_tokens(&mut self) -> Result<Vec<v1::Token>, Error> {
        let request = v1::ListTokensRequest {};
        let answer = self
            .call("list the tokens", request, |mut to, request| async move { to.list_tokens(request).await });
        Ok(answer.await?.tokens)
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// When there is none, the caller is no administrator, or no coordinator can be reached.
    pub async fn revoke_token(&mut self, id: &str) -> Result<v1::Token, Error> {
        let request = v1::RevokeTokenRequest { id: id.to_owned() };
        self.call(
            "revoke the token",
            request,
            |mut to, request| async move { to.revoke_token(request).await },
        )
        .await
    }
}
