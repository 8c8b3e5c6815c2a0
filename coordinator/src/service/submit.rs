//! `Submit` and `Cancel`: what starts and stops scans.

use strata_proto::{
    trace,
    v1::{CancelRequest, Scan, SubmitRequest, SubmitResponse},
};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::{guard::seen, status};
use crate::handle::Handle;

pub(super) async fn submit(
    handle: &Handle,
    request: Request<SubmitRequest>,
) -> Result<Response<SubmitResponse>, Status> {
    let handle = seen(handle, &request)?;
    let span = tracing::info_span!(parent: None, "submit");
    trace::set_parent(&span, &trace::from_metadata(request.metadata()));
    let headers = span.in_scope(trace::inject);
    let scan = handle.submit(request.into_inner(), headers).instrument(span).await.map_err(status)?;
    Ok(Response::new(SubmitResponse { scan_id: scan.id }))
}

pub(super) async fn cancel(
    handle: &Handle,
    request: Request<CancelRequest>,
) -> Result<Response<Scan>, Status> {
    let handle = seen(handle, &request)?;
    Ok(Response::new(handle.cancel(&request.get_ref().scan_id).await.map_err(status)?))
}
