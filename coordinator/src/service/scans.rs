//! `GetScan` and `ListScans`.

use strata_proto::v1::{GetScanRequest, ListScansRequest, ListScansResponse, Scan};
use tonic::{Request, Response, Status};

use super::{guard::seen, status};
use crate::handle::Handle;

pub(super) async fn get(handle: &Handle, request: Request<GetScanRequest>) -> Result<Response<Scan>, Status> {
    let handle = seen(handle, &request)?;
    Ok(Response::new(handle.scan(&request.get_ref().scan_id).await.map_err(status)?))
}

pub(super) async fn list(
    handle: &Handle,
    request: Request<ListScansRequest>,
) -> Result<Response<ListScansResponse>, Status> {
    let handle = seen(handle, &request)?;
    let request = request.into_inner();
    let scans = handle.scans(request.limit, &request.before).await.map_err(status)?;
    Ok(Response::new(ListScansResponse { scans }))
}
