//! `TagImage`, `AcceptRisk`, `ListAcceptedRisks` and `EndAcceptedRisk`: what people tell of images.

use strata_proto::v1::{
    AcceptRiskRequest, AcceptRiskResponse, EndAcceptedRiskRequest, EndAcceptedRiskResponse,
    ListAcceptedRisksRequest, ListAcceptedRisksResponse, TagImageRequest, TagImageResponse,
};
use tonic::{Request, Response, Status};

use super::{guard::seen, status};
use crate::handle::Handle;

pub(super) async fn tag(
    handle: &Handle,
    request: Request<TagImageRequest>,
) -> Result<Response<TagImageResponse>, Status> {
    let handle = seen(handle, &request)?;
    Ok(Response::new(handle.tag_image(request.into_inner()).await.map_err(status)?))
}

pub(super) async fn accept(
    handle: &Handle,
    request: Request<AcceptRiskRequest>,
) -> Result<Response<AcceptRiskResponse>, Status> {
    let handle = seen(handle, &request)?;
    let risk = handle.accept_risk(request.into_inner()).await.map_err(status)?;
    Ok(Response::new(AcceptRiskResponse { risk: Some(risk) }))
}

pub(super) async fn list(
    handle: &Handle,
    request: Request<ListAcceptedRisksRequest>,
) -> Result<Response<ListAcceptedRisksResponse>, Status> {
    let handle = seen(handle, &request)?;
    let risks = handle.accepted_risks(request.get_ref().all).await.map_err(status)?;
    Ok(Response::new(ListAcceptedRisksResponse { risks }))
}

pub(super) async fn end(
    handle: &Handle,
    request: Request<EndAcceptedRiskRequest>,
) -> Result<Response<EndAcceptedRiskResponse>, Status> {
    let handle = seen(handle, &request)?;
    let risk = handle.end_accepted_risk(&request.get_ref().id).await.map_err(status)?;
    Ok(Response::new(EndAcceptedRiskResponse { risk: Some(risk) }))
}
