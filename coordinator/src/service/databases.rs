//! `PublishDatabase`.

use futures::TryStreamExt as _;
use strata_proto::v1::{DatabaseChunk, PublishDatabaseResponse};
use tonic::{Request, Response, Status, Streaming};

use super::status;
use crate::handle::{CallError, Handle};

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
