//! `HoldReport`, `ReleaseReport` and `CheckReports`.

use strata_proto::v1::{
    CheckReportsRequest, CheckReportsResponse, HoldReportRequest, ReleaseReportRequest, ReportHold,
};
use tonic::{Request, Response, Status};

use super::{guard::seen, status};
use crate::handle::Handle;

pub(super) async fn hold(
    handle: &Handle,
    request: Request<HoldReportRequest>,
) -> Result<Response<ReportHold>, Status> {
    let handle = seen(handle, &request)?;
    Ok(Response::new(handle.hold_report(request.into_inner()).await.map_err(status)?))
}

pub(super) async fn release(
    handle: &Handle,
    request: Request<ReleaseReportRequest>,
) -> Result<Response<ReportHold>, Status> {
    let handle = seen(handle, &request)?;
    Ok(Response::new(handle.release_report(request.into_inner()).await.map_err(status)?))
}

pub(super) async fn check(
    handle: &Handle,
    request: Request<CheckReportsRequest>,
) -> Result<Response<CheckReportsResponse>, Status> {
    let handle = seen(handle, &request)?;
    Ok(Response::new(handle.check_reports(request.into_inner()).await.map_err(status)?))
}
