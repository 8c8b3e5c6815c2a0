//! The listener of registries' notifications.

use strata_coordinator::{
    access::jwt::Expected,
    handle::Handle,
    tls::ServerTls,
    webhook::{self, Hooks, PushConfig, PushIdentity, Secrets},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{announce, listen};
use crate::{
    args::{ServeArgs, WebhookArgs},
    exit::Failure,
    security,
};

/// A listener and whom it believes, checked before a role starts; `None` where nobody asked for it.
pub(super) struct Webhooks(Option<Open>);

struct Open {
    listener: TcpListener,
    secrets: Secrets,
    identity: Option<PushIdentity>,
    tls: Option<ServerTls>,
}

impl Webhooks {
    pub(super) async fn open(args: &WebhookArgs, serve: &ServeArgs) -> Result<Self, Failure> {
        let Some(address) = &args.webhooks else { return Ok(Self(None)) };
        let mut texts = Vec::new();
        for file in &args.webhook_secret {
            texts.push(security::read(file, "the webhooks' secret")?);
        }
        let secrets = Secrets::new(&texts)
            .map_err(|error| Failure::usage(error.to_string()).hint("`openssl rand -hex 32` makes one"))?;
        let tls = match security::tls(serve)? {
            Some(tls) if !args.webhooks_in_the_clear => {
                Some(ServerTls::new(&tls.certificate, &tls.key).map_err(Failure::usage)?)
            }
            _ => None,
        };
        let identity = match &args.webhook_oidc_audience {
            Some(audience) => {
                Some(PushIdentity::new(push(args, audience, serve)?).await.map_err(Failure::usage)?)
            }
            None => None,
        };
        Ok(Self(Some(Open { listener: listen(address).await?, secrets, identity, tls })))
    }

    /// Serves beside the role until the token is cancelled.
    pub(super) fn start(self, handle: Handle, shutdown: CancellationToken) -> Result<(), Failure> {
        let Some(Open { listener, secrets, identity, tls }) = self.0 else { return Ok(()) };
        let address = listener.local_addr().map_err(|error| Failure::usage(error.to_string()))?;
        let with = if tls.is_some() { " with TLS" } else { "" };
        announce(&format!("taking registries' notifications on {address}{with}"));
        if tls.is_none() && !address.ip().is_loopback() {
            announce(
                "warning: notifications and their secret cross the network in the clear, unless TLS ends before here",
            );
        }
        let hooks = Hooks { handle, secrets, identity, tls };
        tokio::spawn(async move {
            if let Err(error) = webhook::serve(listener, hooks, shutdown).await {
                tracing::error!(%error, "registries' notifications are no longer taken");
            }
        });
        Ok(())
    }
}

fn push(args: &WebhookArgs, audience: &str, serve: &ServeArgs) -> Result<PushConfig, Failure> {
    Ok(PushConfig {
        expected: Expected { issuer: args.webhook_oidc_issuer.clone(), audience: audience.to_owned() },
        keys: security::key_source(args.webhook_oidc_jwks.as_deref()),
        accounts: args.webhook_oidc_account.clone(),
        authorities: security::oidc_authorities(serve)?,
    })
}
