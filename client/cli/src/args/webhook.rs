//! Arguments of the webhooks.

use std::path::PathBuf;

use clap::Args as Group;

/// Where registries tell of pushes.
#[derive(Debug, Clone, Group)]
pub struct WebhookArgs {
    /// Address to take registries' notifications on (`/hooks/KIND`); without it, none are taken.
    #[arg(long, env = "STRATA_WEBHOOKS", value_name = "ADDRESS", requires = "webhook_secret")]
    pub webhooks: Option<String>,
    /// File with the secret that notifications must show; a second one is the secret before it (repeatable).
    #[arg(long, env = "STRATA_WEBHOOK_SECRET_FILE", value_name = "FILE", value_delimiter = ',')]
    pub webhook_secret: Vec<PathBuf>,
    /// Take notifications in the clear though the service has a certificate: where something before it ends TLS.
    #[arg(long, env = "STRATA_WEBHOOKS_IN_THE_CLEAR", requires = "webhooks")]
    pub webhooks_in_the_clear: bool,
    /// What the tokens of Pub/Sub's pushes must be for (`aud`): notifications of kind `gar` then need such a token, and the
    /// secret does not count for them.
    #[arg(long, env = "STRATA_WEBHOOK_OIDC_AUDIENCE", value_name = "TEXT", requires_all = ["webhooks", "webhook_oidc_account"])]
    pub webhook_oidc_audience: Option<String>,
    /// Service account of the subscription that pushes (`email`; repeatable).
    #[arg(
        long,
        env = "STRATA_WEBHOOK_OIDC_ACCOUNT",
        value_name = "EMAIL",
        value_delimiter = ',',
        requires = "webhook_oidc_audience"
    )]
    pub webhook_oidc_account: Vec<String>,
    /// Who signs these tokens (`iss`).
    #[arg(
        long,
        env = "STRATA_WEBHOOK_OIDC_ISSUER",
        value_name = "URL",
        default_value = "https://accounts.google.com"
    )]
    pub webhook_oidc_issuer: String,
    /// The keys of who signs them; default: where its discovery document says.
    #[arg(
        long,
        env = "STRATA_WEBHOOK_OIDC_JWKS",
        value_name = "FILE|URL",
        requires = "webhook_oidc_audience"
    )]
    pub webhook_oidc_jwks: Option<String>,
}
