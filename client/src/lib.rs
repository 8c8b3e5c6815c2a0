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
//! Several coordinators of one archive are named with commas between them: `http://a:7400,http://b:7400`. A call goes to one
//! that answered before, and to the next when it is away.
//!
//! A stream that breaks is resumed after the last event that arrived: the caller sees each event once, in order, however
//! often the connection is lost. Only an answer that would stay the same (an unknown scan) ends it with an error.

mod error;
mod options;
mod servers;
mod watch;

pub use error::Error;
pub use options::Options;
pub use strata_proto::v1;
use strata_proto::{trace, v1::strata_client::StrataClient};
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
pub use watch::{Events, RetryPolicy};

use self::servers::{Server, Servers};

/// A connection to a coordinator, or to several of one archive. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct Client {
    servers: Servers,
    retry: RetryPolicy,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// Connects to `http://host:port` or `https://host:port`, or to several with commas between them.
    ///
    /// # Errors
    /// When a URL is malformed or nothing answers there.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, &Options::default()).await
    }

    /// Connects with certificates or a token.
    ///
    /// # Errors
    /// When a URL or the options cannot be used, none of the servers answers, or none can prove who it is.
    pub async fn connect_with(url: &str, options: &Options) -> Result<Self, Error> {
        let authorization = options.authorization()?;
        let servers = Servers::connect(url, options).await?;
        Ok(Self { servers, retry: RetryPolicy::default(), authorization })
    }

    /// Connects when the first call needs it.
    ///
    /// # Errors
    /// When a URL is malformed.
    pub fn connect_lazy(url: &str) -> Result<Self, Error> {
        let servers = Servers::lazy(url, &Options::default())?;
        Ok(Self { servers, retry: RetryPolicy::default(), authorization: None })
    }

    /// With another policy for streams that break.
    #[must_use]
    pub const fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Records a scan and returns its id; the work goes on in the cluster. A request without an idempotency key gets a random
    /// one: it may reach two servers, and is one scan all the same.
    ///
    /// # Errors
    /// When the request is invalid or no coordinator can be reached.
    pub async fn submit(&mut self, mut request: v1::SubmitRequest) -> Result<String, Error> {
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

    /// Sends an advisory database in parts, to which every scan from then on is pinned. The parts can be sent once: only one
    /// server is tried.
    ///
    /// # Errors
    /// When it is refused, cannot be kept, or the coordinator cannot be reached.
    pub async fn publish_database(
        &mut self,
        parts: impl tokio_stream::Stream<Item = v1::DatabaseChunk> + Send + 'static,
    ) -> Result<v1::PublishDatabaseResponse, Error> {
        let server = self.servers.current();
        let answer = server.client().publish_database(self.request(parts)).await;
        Ok(answer.map_err(|status| self.failed("publish the database", &server, status))?.into_inner())
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
        let server = self.servers.current();
        let answer = server.client().create_token(self.request(request)).await;
        Ok(answer.map_err(|status| self.failed("create the token", &server, status))?.into_inner())
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

    /// Makes a call that may be made twice: at the server that answered last, then at the others, until one is there.
    async fn call<T, R, F>(
        &self,
        action: &'static str,
        message: T,
        send: impl Fn(StrataClient<Channel>, Request<T>) -> F,
    ) -> Result<R, Error>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let mut tries = self.servers.count();
        loop {
            let server = self.servers.current();
            let error = match send(server.client(), self.request(message.clone())).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => self.failed(action, &server, status),
            };
            tries -= 1;
            if tries == 0 || !error.is_transient() {
                return Err(error);
            }
        }
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

    /// A failed call as an error. Who is away is not asked first the next time.
    fn failed(&self, action: &'static str, server: &Server, status: Status) -> Error {
        let error = Error::from_status(action, server.url(), status);
        if error.is_transient() {
            self.servers.pass_over(server);
        }
        error
    }
}
