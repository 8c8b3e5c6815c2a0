//! `GetReport`, `SearchReports`, `FindTouched` and `SubmitReport`.

use strata_proto::v1::{
    FindTouchedRequest, FindTouchedResponse, GetReportRequest, Report, SearchReportsRequest,
    SearchReportsResponse, SubmitReportRequest, SubmitReportResponse,
};
use tonic::{Request, Response, Status};

use super::{guard::seen, status};
use crate::handle::Handle;

pub(super) async fn get(
    handle: &Handle,
    request: Request<GetReportRequest>,
) -> Result<Response<Report>, Status> {
    let handle = seen(handle, &request)?;
    Ok(Response::new(handle.report(&request.get_ref().report_id).await.map_err(status)?))
}

pub(super) async fn search(
    handle: &Handle,
    request: Request<SearchReportsRequest>,
) -> Result<Response<SearchReportsResponse>, Status> {
    let handle = seen(handle, &request)?;
    let reports = handle.search(request.into_inner()).await.map_err(status)?;
    Ok(Response::new(SearchReportsResponse { reports }))
}

pub(super) async fn touched(
    handle: &Handle,
    request: Request<FindTouchedRequest>,
) -> Result<Response<FindTouchedResponse>, Status> {
    let handle = seen(handle, &request)?;
    Ok(Response::new(handle.find_touched(&request.into_inner()).await.map_err(status)?))
}

pub(super) async fn submit(
    handle: &Handle,
    request: Request<SubmitReportRequest>,
) -> Result<Response<SubmitReportResponse>, Status> {
    let handle = seen(handle, &request)?;
    Ok(Response::new(handle.submit_report(request.into_inner()).await.map_err(status)?))
}
