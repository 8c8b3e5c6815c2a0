//! The listener of registries' notifications.

use strata_coordinator::{
    handle::Handle,
    webhook::{self, Secrets},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{announce, listen};
use crate::{args::WebhookArgs, exit::Failure, security};

/// A listener and the secrets, checked before a role starts; `None` where nobody asked for it.
pub(super) struct Webhooks(Option<(TcpListener, Secrets)>);

impl Webhooks {
    pub(super) async fn open(args: &WebhookArgs) -> Result<Self, Failure> {
        let Some(address) = &args.webhooks else { return Ok(Self(None)) };
        let mut texts = Vec::new();
        for file in &args.webhook_secret {
            texts.push(security::read(file, "the webhooks' secret")?);
        }
        let secrets = Secrets::new(&texts)
            .map_err(|error| Failure::usage(error.to_string()).hint("`openssl rand -hex 32` makes one"))?;
        Ok(Self(Some((listen(address).await?, secrets))))
    }

    /// Serves beside the role until the token is cancelled.
    pub(super) fn start(self, handle: Handle, shutdown: CancellationToken) -> Result<(), Failure> {
        let Some((listener, secrets)) = self.0 else { return Ok(()) };
        let address = listener.local_addr().map_err(|error| Failure::usage(error.to_string()))?;
        announce(&format!("taking registries' notifications on {address}"));
        tokio::spawn(async move {
            if let Err(error) = webhook::serve(listener, handle, secrets, shutdown).await {
                tracing::error!(%error, "registries' notifications are no longer taken");
            }
        });
        Ok(())
    }
}
