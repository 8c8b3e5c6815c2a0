//! Where a scan runs: on a server through the SDK, or in this process. Commands see no difference.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use strata_client::Client;
use strata_proto::v1::{self, Event};

use crate::{embedded::Embedded, exit::Failure};

/// Events of a scan, each once, in order.
pub type Events = Pin<Box<dyn Stream<Item = Result<Event, Failure>> + Send>>;

/// Where scans run.
pub enum Backend {
    /// On a server.
    Remote(Client),
    /// In this process.
    Embedded(Embedded),
}

impl Backend {
    /// Submits a scan and returns its id.
    ///
    /// # Errors
    /// When the request is refused or the server cannot be reached.
    pub async fn submit(&self, request: v1::SubmitRequest) -> Result<String, Failure> {
        match self {
            Self::Remote(client) => Ok(client.clone().submit(request).await?),
            Self::Embedded(embedded) => embedded.submit(request).await,
        }
    }

    /// Follows a scan from an event on.
    ///
    /// # Errors
    /// When there is no such scan.
    pub async fn watch(&self, scan: &str, after: u64, with_reports: bool) -> Result<Events, Failure> {
        match self {
            Self::Remote(client) => {
                let events = client.watch(scan, after, with_reports);
                Ok(Box::pin(events.map(|event| event.map_err(Failure::from))))
            }
            Self::Embedded(embedded) => embedded.watch(scan, after, with_reports).await,
        }
    }

    /// One scan.
    ///
    /// # Errors
    /// When there is no such scan or the server cannot be reached.
    pub async fn scan(&self, scan: &str) -> Result<v1::Scan, Failure> {
        match self {
            Self::Remote(client) => Ok(client.clone().get_scan(scan).await?),
            Self::Embedded(embedded) => embedded.scan(scan).await,
        }
    }

    /// Scans before the one of that id, newest first.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn scans(&self, limit: u32, before: &str) -> Result<Vec<v1::Scan>, Failure> {
        match self {
            Self::Remote(client) => Ok(client.clone().list_scans(limit, before).await?),
            Self::Embedded(embedded) => embedded.scans(limit, before).await,
        }
    }

    /// One report.
    ///
    /// # Errors
    /// When there is no such report or the server cannot be reached.
    pub async fn report(&self, id: &str) -> Result<v1::Report, Failure> {
        match self {
            Self::Remote(client) => Ok(client.clone().get_report(id).await?),
            Self::Embedded(embedded) => embedded.report(id).await,
        }
    }

    /// Stops a scan.
    ///
    /// # Errors
    /// When there is no such scan or the server cannot be reached.
    pub async fn cancel(&self, scan: &str) -> Result<v1::Scan, Failure> {
        match self {
            Self::Remote(client) => Ok(client.clone().cancel(scan).await?),
            Self::Embedded(embedded) => embedded.cancel(scan).await,
        }
    }

    /// The server, where there is one.
    #[must_use]
    pub const fn client(&self) -> Option<&Client> {
        match self {
            Self::Remote(client) => Some(client),
            Self::Embedded(_) => None,
        }
    }

    /// Ends what runs in this process.
    pub async fn close(self) {
        if let Self::Embedded(embedded) = self {
            embedded.close().await;
        }
    }
}
