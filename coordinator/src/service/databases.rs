//! `PublishDatabase`, `GetDatabase` and `FetchDatabase`.

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use strata_proto::v1::{
    DatabaseChunk, FetchDatabaseRequest, FetchDatabaseResponse, GetDatabaseResponse, PublishDatabaseResponse,
};
use tonic::{Request, Response, Status, Streaming};

use super::status;
use crate::handle::{CallError, Handle};

pub(super) type Parts = BoxStream<'static, Result<FetchDatabaseResponse, Status>>;

pub(super) async fn publish(
    handle: &Handle,
    request: Request<Streaming<DatabaseChunk>>,
) -> Result<Response<PublishDatabaseResponse>, Status> {
    let parts = request.into_inner().map_ok(|chunk| chunk.data.into()).map_err(|error| {
        CallError::Unavailable(format!("the database did not arrive whole: {}", error.message()))
    });
    let info = handle.publish_database(parts).await.map_err(status)?;
    Ok(Response::new(PublishDatabaseResponse {
        digest: info.digest,
        modified: info.modified,
        size: info.size,
    }))
}

pub(super) async fn get(handle: &Handle) -> Result<Response<GetDatabaseResponse>, Status> {
    let current = handle.database().await.map_err(status)?;
    Ok(Response::new(current.map_or_else(GetDatabaseResponse::default, |info| GetDatabaseResponse {
        digest: info.digest,
        modified: info.modified,
        size: info.size,
    })))
}

pub(super) async fn fetch(
    handle: &Handle,
    request: Request<FetchDatabaseRequest>,
) -> Result<Response<Parts>, Status> {
    let parts = handle.fetch_database(&request.get_ref().digest).await.map_err(status)?;
    let parts = parts.map(|part| {
        part.map(|data| FetchDatabaseResponse { data: data.into() })
            .map_err(|error| Status::unavailable(format!("the database broke off: {error}")))
    });
    Ok(Response::new(parts.boxed()))
}
