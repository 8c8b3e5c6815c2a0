//! What people tell of images: where they come from, and which risks they accept.

use strata_proto::v1::{self, strata_client::StrataClient};
use tonic::transport::Channel;

use crate::{Client, Error, call};

impl Client {
    /// Tells where an image comes from. The same again changes nothing.
    ///
    /// # Errors
    /// When it is refused, or no coordinator can be reached.
    pub async fn tag_image(&mut self, request: v1::TagImageRequest) -> Result<v1::TagImageResponse, Error> {
        let send = |mut to: StrataClient<Channel>, request| async move { to.tag_image(request).await };
        self.call("tag the image", request, send).await
    }

    /// Accepts a risk for everybody who asks this server. One server is tried, once.
    ///
    /// # Errors
    /// When it is refused, the caller is no administrator, or the coordinator cannot be reached.
    pub async fn accept_risk(&mut self, risk: v1::AcceptedRisk) -> Result<v1::AcceptedRisk, Error> {
        let send = |mut to: StrataClient<Channel>, left| {
            let request = self.timed(v1::AcceptRiskRequest { risk: Some(risk) }, left);
            async move { to.accept_risk(request).await }
        };
        Ok(self.call_once("accept the risk", call::ORDINARY, send).await?.risk.unwrap_or_default())
    }

    /// Accepted risks, oldest first; with `all` those that were ended too.
    ///
    /// # Errors
    /// When no coordinator can be reached, or it knows no such call.
    pub async fn list_accepted_risks(&mut self, all: bool) -> Result<Vec<v1::AcceptedRisk>, Error> {
        let request = v1::ListAcceptedRisksRequest { all };
        let send =
            |mut to: StrataClient<Channel>, request| async move { to.list_accepted_risks(request).await };
        Ok(self.call("list the accepted risks", request, send).await?.risks)
    }

    /// Ends an accepted risk at once.
    ///
    /// # Errors
    /// When there is none, the caller is no administrator, or no coordinator can be reached.
    pub async fn end_accepted_risk(&mut self, id: &str) -> Result<v1::AcceptedRisk, Error> {
        let request = v1::EndAcceptedRiskRequest { id: id.to_owned() };
        let send =
            |mut to: StrataClient<Channel>, request| async move { to.end_accepted_risk(request).await };
        Ok(self.call("end the accepted risk", request, send).await?.risk.unwrap_or_default())
    }
}
