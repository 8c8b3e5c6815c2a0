//! `Watch`: a scan's events.

use std::time::Duration;

use futures::{StreamExt as _, stream, stream::BoxStream};
use strata_proto::v1::{Event, WatchRequest};
use tonic::{Request, Response, Status};

use super::{
    guard::{principal, seen},
    status,
};
use crate::{drive::now_ms, handle::Handle};

pub(super) type WatchStream = BoxStream<'static, Result<Event, Status>>;

pub(super) async fn watch(
    handle: &Handle,
    request: Request<WatchRequest>,
) -> Result<Response<WatchStream>, Status> {
    let expires_unix_ms = principal(&request)?.expires_unix_ms;
    let handle = seen(handle, &request)?;
    let events = handle.watch(request.into_inner()).await.map_err(status)?;
    let events = events.map(|event| event.map_err(status));
    if expires_unix_ms == 0 {
        return Ok(Response::new(events.boxed()));
    }
    // A stream does not outlive the right to it.
    let left = u64::try_from(expires_unix_ms.saturating_sub(now_ms())).unwrap_or(0);
    let (ended, expired) = tokio::sync::oneshot::channel();
    let timer = async move {
        tokio::time::sleep(Duration::from_millis(left)).await;
        let _ = ended.send(());
    };
    let last = stream::once(expired).filter_map(|expired| async move {
        expired.is_ok().then(|| Err(Status::unauthenticated("the token expired while the scan was followed")))
    });
    Ok(Response::new(events.take_until(timer).chain(last).boxed()))
}
