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
}
