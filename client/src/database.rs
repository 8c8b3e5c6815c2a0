//! The advisory database that a cluster uses, for who assesses elsewhere.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use strata_proto::v1::{self, strata_client::StrataClient};
use tonic::transport::Channel;

use crate::{Client, Error};

/// Parts of a database, in order.
pub type DatabaseParts = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Error>> + Send>>;

impl Client {
    /// The advisory database that new scans are pinned to; without a digest where none is published.
    ///
    /// # Errors
    /// When no coordinator can be reached, or it is of an earlier version.
    pub async fn get_database(&mut self) -> Result<v1::GetDatabaseResponse, Error> {
        let send = |mut to: StrataClient<Channel>, request| async move { to.get_database(request).await };
        self.call("ask for the advisory database", v1::GetDatabaseRequest {}, send).await
    }

    /// The content of a database that is kept. What arrives is to be held against the digest.
    ///
    /// # Errors
    /// When it is not kept, or the coordinator cannot be reached. A stream that breaks off ends with an error.
    pub async fn fetch_database(&mut self, digest: &str) -> Result<DatabaseParts, Error> {
        const ACTION: &str = "fetch the advisory database";
        let server = self.servers.current();
        let request = self.request(v1::FetchDatabaseRequest { digest: digest.to_owned() });
        let answer = server.client().fetch_database(request).await;
        let parts = answer.map_err(|status| self.failed(ACTION, &server, status, None))?.into_inner();
        let client = self.clone();
        Ok(Box::pin(parts.map(move |part| {
            part.map(|part| part.data).map_err(|status| client.failed(ACTION, &server, status, None))
        })))
    }
}
