//! `Watch`: a scan's events.

use std::sync::Arc;

use futures::{StreamExt as _, stream, stream::BoxStream};
use strata_proto::v1::{Event, WatchRequest};
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

use super::{
    guard::{Deadline, principal, seen},
    status,
};
use crate::{access::gate::Gate, handle::Handle};

pub(super) type WatchStream = BoxStream<'static, Result<Event, Status>>;

/// A stream outlives neither the right to it nor the time that its caller gave it.
pub(super) async fn watch(
    handle: &Handle,
    gate: &Arc<Gate>,
    request: Request<WatchRequest>,
) -> Result<Response<WatchStream>, Status> {
    let (principal, gate) = (principal(&request)?.clone(), Arc::clone(gate));
    let deadline = request.extensions().get::<Deadline>().copied();
    let handle = seen(handle, &request)?;
    let events = handle.watch(request.into_inner()).await.map_err(status)?;
    let events = events.map(|event| event.map_err(status));
    let (tell, told) = oneshot::channel();
    let cut = async move {
        let status = tokio::select! {
            reason = gate.until_ended(&principal) => Status::unauthenticated(reason),
            () = Deadline::passed(deadline) => Status::deadline_exceeded("the time that the caller gave is over"),
        };
        let _ = tell.send(status);
    };
    let last = stream::once(told).filter_map(|told| async move { told.ok().map(Err) });
    Ok(Response::new(events.take_until(cut).chain(last).boxed()))
}
