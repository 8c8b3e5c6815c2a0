//! Accepted risks, kept with the archive.

use async_trait::async_trait;
use strata_proto::v1::AcceptedRisk;

use super::PortError;

/// Accepted risks: none is ever taken away, so that it can be told who accepted what, and until when it counted.
#[async_trait]
pub trait Risks: Send + Sync {
    /// Keeps a new risk.
    async fn accept_risk(&self, risk: &AcceptedRisk) -> Result<(), PortError>;
    /// All risks, oldest first, those that were ended too.
    async fn accepted_risks(&self) -> Result<Vec<AcceptedRisk>, PortError>;
    /// Ends a risk and returns it; one that was ended before stays as it is. `None` when there is none of that id.
    async fn end_risk(&self, id: &str, by: &str, at_unix_ms: i64) -> Result<Option<AcceptedRisk>, PortError>;
}
