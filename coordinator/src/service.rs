//! The public service over gRPC: `strata.v1.Strata`, health and reflection. A thin shell over [`Handle`].

mod audit;
mod databases;
mod guard;
mod images;
mod reports;
mod scans;
mod submit;
mod tokens;
mod watch;

use std::{sync::Arc, time::Duration};

use strata_proto::v1::{
    AcceptRiskRequest, AcceptRiskResponse, CancelRequest, CheckReportsRequest, CheckReportsResponse,
    CreateTokenRequest, CreateTokenResponse, DESCRIPTORS, DatabaseChunk, EndAcceptedRiskRequest,
    EndAcceptedRiskResponse, FetchDatabaseRequest, FindTouchedRequest, FindTouchedResponse,
    GetDatabaseRequest, GetDatabaseResponse, GetReportRequest, GetScanRequest, HoldReportRequest,
    ListAcceptedRisksRequest, ListAcceptedRisksResponse, ListScansRequest, ListScansResponse,
    ListTokensRequest, ListTokensResponse, PublishDatabaseResponse, ReleaseReportRequest, Report, ReportHold,
    RevokeTokenRequest, Scan, SearchReportsRequest, SearchReportsResponse, SubmitReportRequest,
    SubmitReportResponse, SubmitRequest, SubmitResponse, TagImageRequest, TagImageResponse, Token,
    WatchRequest,
    strata_server::{Strata, StrataServer},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    service::Routes,
    transport::{Certificate, Identity, ServerTlsConfig, server::TcpIncoming},
};

use self::guard::Guard;
use crate::access::gate::Gate;
use crate::handle::{CallError, Handle};

/// A service that could not start or broke off.
#[derive(Debug, thiserror::Error)]
#[error("serve gRPC: {0}")]
pub struct ServiceError(String);

/// Largest request: a hundred thousand references of usual length.
const MAX_REQUEST: usize = 32 << 20;
/// Largest answer: one report.
const MAX_ANSWER: usize = 256 << 20;
/// Calls at once on one connection.
const MAX_STREAMS: u32 = 256;
/// Headers of one call, in bytes: a token of 16 KiB and what else there is.
const MAX_HEADERS: u32 = 64 << 10;
/// Calls that a client begins and takes back faster than they are served.
const MAX_RESETS: usize = 64;
const KEEPALIVE: Duration = Duration::from_secs(20);
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Certificates of the service, PEM.
#[derive(Clone)]
pub struct Tls {
    /// The server's certificate, and those between it and its authority.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
    /// Authorities of clients: with them only clients with a certificate of theirs are let in.
    pub client_authorities: Option<Vec<u8>>,
}

/// What the service is made of.
#[derive(Clone)]
pub struct Service {
    /// The coordinator.
    pub handle: Handle,
    /// Who is let in.
    pub gate: Arc<Gate>,
    /// Without it the service speaks in the clear.
    pub tls: Option<Tls>,
}

/// All services as routes, for a server that has others too. Health and reflection need no token.
///
/// # Errors
/// When the contract's descriptors are damaged.
pub async fn routes(handle: Handle, gate: Arc<Gate>) -> Result<Routes, ServiceError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<StrataServer<Shell>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| ServiceError(error.to_string()))?;
    let strata = StrataServer::new(Shell { handle, gate: Arc::clone(&gate) })
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_ANSWER);
    Ok(Routes::new(Guard::new(strata, gate)).add_service(health_service).add_service(reflection))
}

/// Serves until the token is cancelled, then lets calls that run end; watches are cut off.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    shutdown: CancellationToken,
) -> Result<(), ServiceError> {
    let routes = routes(service.handle, service.gate).await?;
    let mut builder = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_concurrent_streams(MAX_STREAMS)
        .http2_max_header_list_size(MAX_HEADERS)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS));
    if let Some(tls) = service.tls {
        builder = builder.tls_config(tls_config(tls)).map_err(|error| {
            ServiceError(format!(
                "the certificate, its key or the clients' authorities cannot be used: {}",
                root_cause(&error)
            ))
        })?;
    }
    // The builder's own setting is for sockets that it binds. Without it an answer waits for the acknowledgement of the one
    // before it: 40 ms.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server =
        builder.add_routes(routes).serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned());
    tokio::select! {
        result = server => result.map_err(|error| ServiceError(error.to_string())),
        () = drained(shutdown) => Ok(()),
    }
}

fn tls_config(tls: Tls) -> ServerTlsConfig {
    let config =
        ServerTlsConfig::new().identity(Identity::from_pem(tls.certificate, tls.key)).timeout(HANDSHAKE);
    match tls.client_authorities {
        Some(authorities) => config.client_ca_root(Certificate::from_pem(authorities)),
        None => config,
    }
}

/// Transport errors hide what happened behind what it was about.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Streams never end by themselves: after a moment the server stops with them open.
async fn drained(shutdown: CancellationToken) {
    const GRACE: Duration = Duration::from_secs(2);
    shutdown.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// The service's methods; each group has its file.
pub struct Shell {
    handle: Handle,
    gate: Arc<Gate>,
}

#[tonic::async_trait]
impl Strata for Shell {
    type WatchStream = watch::WatchStream;
    type FetchDatabaseStream = databases::Parts;

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        submit::submit(&self.handle, request).await
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        watch::watch(&self.handle, &self.gate, request).await
    }

    async fn get_scan(&self, request: Request<GetScanRequest>) -> Result<Response<Scan>, Status> {
        scans::get(&self.handle, request).await
    }

    async fn list_scans(
        &self,
        request: Request<ListScansRequest>,
    ) -> Result<Response<ListScansResponse>, Status> {
        scans::list(&self.handle, request).await
    }

    async fn cancel(&self, request: Request<CancelRequest>) -> Result<Response<Scan>, Status> {
        submit::cancel(&self.handle, request).await
    }

    async fn get_report(&self, request: Request<GetReportRequest>) -> Result<Response<Report>, Status> {
        reports::get(&self.handle, request).await
    }

    async fn search_reports(
        &self,
        request: Request<SearchReportsRequest>,
    ) -> Result<Response<SearchReportsResponse>, Status> {
        reports::search(&self.handle, request).await
    }

    async fn find_touched(
        &self,
        request: Request<FindTouchedRequest>,
    ) -> Result<Response<FindTouchedResponse>, Status> {
        reports::touched(&self.handle, request).await
    }

    async fn submit_report(
        &self,
        request: Request<SubmitReportRequest>,
    ) -> Result<Response<SubmitReportResponse>, Status> {
        reports::submit(&self.handle, request).await
    }

    async fn hold_report(&self, request: Request<HoldReportRequest>) -> Result<Response<ReportHold>, Status> {
        audit::hold(&self.handle, request).await
    }

    async fn release_report(
        &self,
        request: Request<ReleaseReportRequest>,
    ) -> Result<Response<ReportHold>, Status> {
        audit::release(&self.handle, request).await
    }

    async fn check_reports(
        &self,
        request: Request<CheckReportsRequest>,
    ) -> Result<Response<CheckReportsResponse>, Status> {
        audit::check(&self.handle, request).await
    }

    async fn tag_image(
        &self,
        request: Request<TagImageRequest>,
    ) -> Result<Response<TagImageResponse>, Status> {
        images::tag(&self.handle, request).await
    }

    async fn accept_risk(
        &self,
        request: Request<AcceptRiskRequest>,
    ) -> Result<Response<AcceptRiskResponse>, Status> {
        images::accept(&self.handle, request).await
    }

    async fn list_accepted_risks(
        &self,
        request: Request<ListAcceptedRisksRequest>,
    ) -> Result<Response<ListAcceptedRisksResponse>, Status> {
        images::list(&self.handle, request).await
    }

    async fn end_accepted_risk(
        &self,
        request: Request<EndAcceptedRiskRequest>,
    ) -> Result<Response<EndAcceptedRiskResponse>, Status> {
        images::end(&self.handle, request).await
    }

    async fn publish_database(
        &self,
        request: Request<Streaming<DatabaseChunk>>,
    ) -> Result<Response<PublishDatabaseResponse>, Status> {
        databases::publish(&self.handle, request).await
    }

    async fn get_database(
        &self,
        _: Request<GetDatabaseRequest>,
    ) -> Result<Response<GetDatabaseResponse>, Status> {
        databases::get(&self.handle).await
    }

    async fn fetch_database(
        &self,
        request: Request<FetchDatabaseRequest>,
    ) -> Result<Response<Self::FetchDatabaseStream>, Status> {
        databases::fetch(&self.handle, request).await
    }

    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<CreateTokenResponse>, Status> {
        tokens::create(self.gate.tokens(), request).await
    }

    async fn list_tokens(
        &self,
        request: Request<ListTokensRequest>,
    ) -> Result<Response<ListTokensResponse>, Status> {
        tokens::list(self.gate.tokens(), request).await
    }

    async fn revoke_token(&self, request: Request<RevokeTokenRequest>) -> Result<Response<Token>, Status> {
        tokens::revoke(self.gate.tokens(), request).await
    }
}

/// The one place that maps errors to gRPC statuses.
fn status(error: CallError) -> Status {
    let text = error.to_string();
    match error {
        CallError::Invalid(_) => Status::invalid_argument(text),
        CallError::Denied(_) => Status::permission_denied(text),
        CallError::NotFound(_) => Status::not_found(text),
        CallError::Elsewhere(_) => Status::failed_precondition(text),
        CallError::Unavailable(_) => Status::unavailable(text),
    }
}
