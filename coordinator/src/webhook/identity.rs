//! Who pushes a Pub/Sub subscription's messages: a service account, for which Google signs a token in the `Authorization`
//! of every push (Pub/Sub, authentication of push subscriptions).

use axum::http::{HeaderMap, header};
use serde_json::Value;

use crate::{
    access::{
        gate::Refusal,
        jwt::Expected,
        oidc::{KeySource, Oidc, OidcConfig},
    },
    drive::now_ms,
};

/// What the tokens of pushes must say, and whose keys sign them.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// Issuer and audience.
    pub expected: Expected,
    /// Where the issuer's keys are.
    pub keys: KeySource,
    /// Accounts that push (`email`).
    pub accounts: Vec<String>,
    /// Authorities (PEM) that may vouch for whoever has the keys, beside the system's.
    pub authorities: Option<Vec<u8>>,
}

/// Tells the pushes of our subscriptions from anybody else's.
pub struct PushIdentity {
    oidc: Oidc,
    accounts: Vec<String>,
}

impl PushIdentity {
    /// Prepares the issuer.
    ///
    /// # Errors
    /// Names what is wrong with the settings.
    pub async fn new(config: PushConfig) -> Result<Self, String> {
        if config.accounts.is_empty() {
            return Err("the issuer signs tokens for anybody: name the account that pushes".to_owned());
        }
        let oidc = OidcConfig {
            expected: config.expected,
            keys: config.keys,
            claim: String::new(),
            grants: Vec::new(),
            authorities: config.authorities,
        };
        Ok(Self { oidc: Oidc::new(oidc).await?, accounts: config.accounts })
    }

    /// Checks a notification's token.
    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let refused = |reason: &str| Err(Refusal::Unauthenticated(reason.to_owned()));
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = value.and_then(|value| value.strip_prefix("Bearer ")) else {
            return refused("the push has no token: give its subscription a service account");
        };
        let claims = self.oidc.claims(token.trim(), now_ms()).await?;
        let email = claims.get("email").and_then(Value::as_str).unwrap_or_default();
        // An address that nobody has shown to be theirs says nothing.
        if claims.get("email_verified") != Some(&Value::Bool(true)) {
            return refused("the token's account is not verified");
        }
        if !self.accounts.iter().any(|account| account == email) {
            return refused("the token is of an account that does not push here");
        }
        Ok(())
    }
}
