//! `Watch`: a scan's events.

use futures::{StreamExt as _, stream::BoxStream};
use strata_proto::v1::{Event, WatchRequest};
use tonic::{Request, Response, Status};

use super::status;
use crate::handle::Handle;

pub(super) type WatchStream = BoxStream<'static, Result<Event, Status>>;

pub(super) async fn watch(
    handle: &Handle,
    request: Request<WatchRequest>,
) -> Result<Response<WatchStream>, Status> {
    let events = handle.watch(request.into_inner()).await.map_err(status)?;
    Ok(Response::new(events.map(|event| event.map_err(status)).boxed()))
}
