//! The public service over gRPC: `strata.v1.Strata`, health and reflection. A thin shell over [`Handle`].

mod databases;
mod reports;
mod scans;
mod submit;
mod watch;

use strata_proto::v1::{
    CancelRequest, DESCRIPTORS, DatabaseChunk, GetReportRequest, GetScanRequest, ListScansRequest,
    ListScansResponse, PublishDatabaseResponse, Report, Scan, SearchReportsRequest, SearchReportsResponse,
    SubmitRequest, SubmitResponse, WatchRequest,
    strata_server::{Strata, StrataServer},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, service::Routes};

use crate::handle::{CallError, Handle};

/// A service that could not start or broke off.
#[derive(Debug, thiserror::Error)]
#[error("serve gRPC: {0}")]
pub struct ServiceError(String);

/// All services as routes, for a server that has others too.
///
/// # Errors
/// When the contract's descriptors are damaged.
pub async fn routes(handle: Handle) -> Result<Routes, ServiceError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<StrataServer<Shell>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| ServiceError(error.to_string()))?;
    Ok(Routes::new(StrataServer::new(Shell { handle })).add_service(health_service).add_service(reflection))
}

/// Serves until the token is cancelled, then lets calls that run end; watches are cut off.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    shutdown: CancellationToken,
) -> Result<(), ServiceError> {
    const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(20);
    let routes = routes(handle).await?;
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .tcp_nodelay(true)
        .add_routes(routes)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown.clone().cancelled_owned());
    tokio::select! {
        result = server => result.map_err(|error| ServiceError(error.to_string())),
        () = drained(shutdown) => Ok(()),
    }
}

/// Streams never end by themselves: after a moment the server stops with them open.
async fn drained(shutdown: CancellationToken) {
    const GRACE: std::time::Duration = std::time::Duration::from_secs(2);
    shutdown.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// The service's methods; each group has its file.
pub struct Shell {
    handle: Handle,
}

#[tonic::async_trait]
impl Strata for Shell {
    type WatchStream = watch::WatchStream;

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        submit::submit(&self.handle, request).await
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        watch::watch(&self.handle, request).await
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

    async fn publish_database(
        &self,
        request: Request<Streaming<DatabaseChunk>>,
    ) -> Result<Response<PublishDatabaseResponse>, Status> {
        databases::publish(&self.handle, request).await
    }
}

/// The one place that maps errors to gRPC statuses.
fn status(error: CallError) -> Status {
    let text = error.to_string();
    match error {
        CallError::Invalid(_) => Status::invalid_argument(text),
        CallError::NotFound(_) => Status::not_found(text),
        CallError::Elsewhere(_) => Status::failed_precondition(text),
        CallError::Unavailable(_) => Status::unavailable(text),
    }
}
