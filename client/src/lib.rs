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
mod options;
mod watch;

pub use error::Error;
pub use options::Options;
pub use strata_proto::v1;
use strata_proto::{trace, v1::strata_client::StrataClient};
use tonic::{
    Request,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
pub use watch::{Events, RetryPolicy};

/// A connection to a coordinator. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    inner: StrataClient<Channel>,
    retry: RetryPolicy,
    url: String,
    authorization: Option<MetadataValue<Ascii>>,
}

/// Reports are larger than tonic's default limit of 4 MiB when an image has tens of thousands of packages.
const MAX_MESSAGE: usize = 256 << 20;

impl Client {
    /// Connects to `http://host:port` or `https://host:port`.
    ///
    /// # Errors
    /// When the URL is malformed or nothing answers there.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, &Options::default()).await
    }

    /// Connects with certificates or a token.
    ///
    /// # Errors
    /// When the URL or the options cannot be used, nothing answers there, or the server cannot prove who it is.
    pub async fn connect_with(url: &str, options: &Options) -> Result<Self, Error> {
        let endpoint = options.endpoint(url)?;
        let authorization = options.authorization()?;
        let channel =
            endpoint.connect().await.map_err(|source| Error::Connect { url: url.to_owned(), source })?;
        Ok(Self::over(channel, url, authorization))
    }

    /// Connects when the first call needs it.
    ///
    /// # Errors
    /// When the URL is malformed.
    pub fn connect_lazy(url: &str) -> Result<Self, Error> {
        Ok(Self::over(Options::default().endpoint(url)?.connect_lazy(), url, None))
    }

    fn over(channel: Channel, url: &str, authorization: Option<MetadataValue<Ascii>>) -> Self {
        let inner = StrataClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
        Self { inner, retry: RetryPolicy::default(), url: url.to_owned(), authorization }
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
        let answer = self.inner.submit(self.request(request)).await;
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
        let answer =
            self.inner.get_scan(self.request(v1::GetScanRequest { scan_id: scan_id.to_owned() })).await;
        Ok(answer.map_err(|status| self.failed("read the scan", status))?.into_inner())
    }

    /// Scans, newest first.
    ///
    /// # Errors
    /// When the coordinator cannot be reached.
    pub async fn list_scans(&mut self, limit: u32, before: &str) -> Result<Vec<v1::Scan>, Error> {
        let request = v1::ListScansRequest { limit, before: before.to_owned() };
        let answer = self.inner.list_scans(self.request(request)).await;
        Ok(answer.map_err(|status| self.failed("list the scans", status))?.into_inner().scans)
    }

    /// Stops a scan: no further job of it starts.
    ///
    /// # Errors
    /// When there is no such scan or the coordinator cannot be reached.
    pub async fn cancel(&mut self, scan_id: &str) -> Result<v1::Scan, Error> {
        let answer = self.inner.cancel(self.request(v1::CancelRequest { scan_id: scan_id.to_owned() })).await;
        Ok(answer.map_err(|status| self.failed("cancel the scan", status))?.into_inner())
    }

    /// One report, whole.
    ///
    /// # Errors
    /// When there is no such report or the coordinator cannot be reached.
    pub async fn get_report(&mut self, report_id: &str) -> Result<v1::Report, Error> {
        let answer = self
            .inner
            .get_report(self.request(v1::GetReportRequest { report_id: report_id.to_owned() }))
            .await;
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
        let answer = self.inner.search_reports(self.request(query)).await;
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
        let answer = self.inner.publish_database(self.request(parts)).await;
        Ok(answer.map_err(|status| self.failed("publish the database", status))?.into_inner())
    }

    /// Makes a token. Its secret is in this answer only.
    ///
    /// # Errors
    /// When the request is invalid, the caller is no administrator, or the coordinator cannot be reached.
    pub async fn create_token(
        &mut self,
        request: v1::CreateTokenRequest,
    ) -> Result<v1::CreateTokenResponse, Error> {
        let answer = self.inner.create_token(self.request(request)).await;
        Ok(answer.map_err(|status| self.failed("create the token", status))?.into_inner())
    }

    /// All tokens without their secrets, oldest first.
    ///
    /// # Errors
    /// When the caller is no administrator, or the coordinator cannot be reached.
    pub async fn list_tokens(&mut self) -> Result<Vec<v1::Token>, Error> {
        let answer = self.inner.list_tokens(self.request(v1::ListTokensRequest {})).await;
        Ok(answer.map_err(|status| self.failed("list the tokens", status))?.into_inner().tokens)
    }

    /// Ends a token at once.
    ///
    /// # Errors
    /// When there is none, the caller is no administrator, or the coordinator cannot be reached.
    pub async fn revoke_token(&mut self, id: &str) -> Result<v1::Token, Error> {
        let answer =
            self.inner.revoke_token(self.request(v1::RevokeTokenRequest { id: id.to_owned() })).await;
        Ok(answer.map_err(|status| self.failed("revoke the token", status))?.into_inner())
    }

    /// A request that carries the caller's trace context and token.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        trace::into_metadata(&trace::inject(), request.metadata_mut());
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }

    fn failed(&self, action: &'static str, status: tonic::Status) -> Error {
        Error::from_status(action, &self.url, status)
    }
}
