//! The SDK: submit scans to a Strata cluster and follow them. The contract and tonic, and nothing else.
//!
//! ```no_run
//! use strata_client::{Client, v1};
//! use tokio_stream::StreamExt as _;
//!
//! # async fn example() -> Result<(), strata_client::Error> {
//! let mut client = Client::connect("http://127.0.0.1:7400").await?;
//! let scan = client.submit(v1::SubmitRequest { images: vec!["registry.example/app:1".into()], ..Default::default() }).await?;
//! let mut events = client.watch(&scan, 0, false);
//! while let Some(event) = events.next().await {
//!     println!("{:?}", event?.kind);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A stream that breaks is resumed after the last event that arrived: the caller sees each event once, in order, however
//! often the connection is lost. Only an answer that would stay the same (an unknown scan) ends it with an error.

mod error;
mod watch;

pub use error::Error;
pub use strata_proto::v1;
use strata_proto::{trace, v1::strata_client::StrataClient};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};
pub use watch::{Events, RetryPolicy};

/// A connection to a coordinator. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    inner: StrataClient<Channel>,
    retry: RetryPolicy,
    url: String,
}

/// Reports are larger than tonic's default limit of 4 MiB when an image has tens of thousands of packages.
const MAX_MESSAGE: usize = 256 << 20;

impl Client {
    /// Connects to `http://host:port` or `https://host:port`.
    ///
    /// # Errors
    /// When the URL is malformed or nothing answers there.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let endpoint = endpoint(url)?;
        let channel =
            endpoint.connect().await.map_err(|source| Error::Connect { url: url.to_owned(), source })?;
        Ok(Self::over(channel, url))
    }

    /// Connects when the first call needs it.
    ///
    /// # Errors
    /// When the URL is malformed.
    pub fn connect_lazy(url: &str) -> Result<Self, Error> {
        Ok(Self::over(endpoint(url)?.connect_lazy(), url))
    }

    fn over(channel: Channel, url: &str) -> Self {
        let inner = StrataClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        Self { inner, retry: RetryPolicy::default(), url: url.to_owned() }
    }

    /// With another policy for streams that break.
    #[must_use]
    pub const fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Records a scan and returns its id; the work goes on in the cluster.
    ///
    /// # Errors
    /// When the request is invalid or the coordinator cannot be reached.
    pub async fn submit(&mut self, request: v1::SubmitRequest) -> Result<String, Error> {
        let answer = self.inner.submit(traced(request)).await;
        Ok(answer.map_err(|status| self.failed("submit the scan", status))?.into_inner().scan_id)
    }

    /// A scan's events after a sequence number, then live until the scan ends. Resumes by itself when the connection breaks.
    pub fn watch(&self, scan_id: &str, after_sequence: u64, with_reports: bool) -> Events {
        let request = v1::WatchRequest { scan_id: scan_id.to_owned(), after_sequence, with_reports };
        watch::events(self.clone(), request)
    }

    /// One scan, with its summary so far.
    ///
    /// # Errors
    /// When there is no such scan or the coordinator cannot be reached.
    pub async fn get_scan(&mut self, scan_id: &str) -> Result<v1::Scan, Error> {
        let answer = self.inner.get_scan(traced(v1::GetScanRequest { scan_id: scan_id.to_owned() })).await;
        Ok(answer.map_err(|status| self.failed("read the scan", status))?.into_inner())
    }

    /// Scans, newest first.
    ///
    /// # Errors
    /// When the coordinator cannot be reached.
    pub async fn list_scans(&mut self, limit: u32, before: &str) -> Result<Vec<v1::Scan>, Error> {
        let request = v1::ListScansRequest { limit, before: before.to_owned() };
        let answer = self.inner.list_scans(traced(request)).await;
        Ok(answer.map_err(|status| self.failed("list the scans", status))?.into_inner().scans)
    }

    /// Stops a scan: no further job of it starts.
    ///
    /// # Errors
    /// When there is no such scan or the coordinator cannot be reached.
    pub async fn cancel(&mut self, scan_id: &str) -> Result<v1::Scan, Error> {
        let answer = self.inner.cancel(traced(v1::CancelRequest { scan_id: scan_id.to_owned() })).await;
        Ok(answer.map_err(|status| self.failed("cancel the scan", status))?.into_inner())
    }

    /// One report, whole.
    ///
    /// # Errors
    /// When there is no such report or the coordinator cannot be reached.
    pub async fn get_report(&mut self, report_id: &str) -> Result<v1::Report, Error> {
        let answer =
            self.inner.get_report(traced(v1::GetReportRequest { report_id: report_id.to_owned() })).await;
        Ok(answer.map_err(|status| self.failed("read the report", status))?.into_inner())
    }

    /// Reports that match every field that is set, newest first.
    ///
    /// # Errors
    /// When the coordinator cannot be reached.
    pub async fn search_reports(
        &mut self,
        query: v1::SearchReportsRequest,
    ) -> Result<Vec<v1::ReportSummary>, Error> {
        let answer = self.inner.search_reports(traced(query)).await;
        Ok(answer.map_err(|status| self.failed("search the reports", status))?.into_inner().reports)
    }

    /// Sends an advisory database in parts, to which every scan from then on is pinned.
    ///
    /// # Errors
    /// When it is refused, cannot be kept, or the coordinator cannot be reached.
    pub async fn publish_database(
        &mut self,
        parts: impl tokio_stream::Stream<Item = v1::DatabaseChunk> + Send + 'static,
    ) -> Result<v1::PublishDatabaseResponse, Error> {
        let answer = self.inner.publish_database(traced(parts)).await;
        Ok(answer.map_err(|status| self.failed("publish the database", status))?.into_inner())
    }

    fn failed(&self, action: &'static str, status: tonic::Status) -> Error {
        Error::from_status(action, &self.url, status)
    }
}

fn endpoint(url: &str) -> Result<Endpoint, Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|source| Error::BadUrl { url: url.to_owned(), reason: source.to_string() })?;
    Ok(endpoint
        .connect_timeout(std::time::Duration::from_secs(5))
        .http2_keep_alive_interval(std::time::Duration::from_secs(20))
        .keep_alive_timeout(std::time::Duration::from_secs(10))
        .keep_alive_while_idle(true))
}

/// A request that carries the caller's trace context.
fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    trace::into_metadata(&trace::inject(), request.metadata_mut());
    request
}
