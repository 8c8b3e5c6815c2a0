//! Decides for each call who it is from. Where neither a token was ever made nor an issuer is configured, calls need none;
//! from the first token on they do, also in processes that were running before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{Principal, jwt, oidc::Oidc, token};
use crate::{
    drive::now_ms,
    ports::{PortError, Tokens},
};

/// How often an open stream's token is looked at again.
const LOOK: Duration = Duration::from_secs(2);

/// A call that is not let in. None of the texts repeats what was shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing was shown, or it does not count.
    #[error("{0}")]
    Unauthenticated(String),
    /// Whether it counts cannot be said now.
    #[error("{0}")]
    Unavailable(String),
}

impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What lets calls in.
pub struct Gate {
    tokens: Arc<dyn Tokens>,
    oidc: Option<Oidc>,
    closed: AtomicBool,
}

impl Gate {
    /// With the archive's tokens, and perhaps an issuer.
    #[must_use]
    pub fn new(tokens: Arc<dyn Tokens>, oidc: Option<Oidc>) -> Self {
        let closed = AtomicBool::new(oidc.is_some());
        Self { tokens, oidc, closed }
    }

    /// The tokens themselves, for whoever administers them.
    #[must_use]
    pub fn tokens(&self) -> &dyn Tokens {
        &*self.tokens
    }

    /// Whether calls need a token, now.
    ///
    /// # Errors
    /// When the archive cannot say.
    pub async fn is_closed(&self) -> Result<bool, PortError> {
        // Once closed it stays closed: revoked tokens stay in the archive.
        if self.closed.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let closed = self.tokens.any_token().await?;
        self.closed.store(closed, Ordering::Relaxed);
        Ok(closed)
    }

    /// Makes the text of a file an administrator's token, where it is none yet. One that was revoked stays so.
    ///
    /// # Errors
    /// When the text is no token, or the archive is away or has another under its id.
    pub async fn adopt(&self, text: &str) -> Result<(), String> {
        let stored = token::adopt(text, now_ms())?;
        // Of several coordinators that start at once one adds it, and all find it.
        let added = self.tokens.add_token(&stored).await;
        let found = self.tokens.token(&stored.token.id).await.map_err(|error| error.to_string())?;
        match (found, added) {
            (Some(found), _) if found.hash == stored.hash => {
                if found.token.revoked_unix_ms != 0 {
                    tracing::warn!(token = found.token.id, "the bootstrap token was revoked and stays so");
                }
                Ok(())
            }
            (Some(_), _) => Err("the archive has another token of this id".to_owned()),
            (None, Err(error)) => Err(error.to_string()),
            (None, Ok(())) => Err("the archive does not keep tokens".to_owned()),
        }
    }

    /// Waits until a principal that was let in would not be any more, and says why. An archive that is away ends nothing.
    pub async fn until_ended(&self, principal: &Principal) -> String {
        loop {
            let left = match principal.expires_unix_ms {
                0 => LOOK,
                expires => match u64::try_from(expires.saturating_sub(now_ms())) {
                    Ok(left) if left > 0 => LOOK.min(Duration::from_millis(left)),
                    _ => return "the token expired while the scan was followed".to_owned(),
                },
            };
            tokio::time::sleep(left).await;
            let reason = match principal.id.strip_prefix("token:") {
                Some(id) => match self.tokens.token(id).await {
                    Ok(Some(stored)) if stored.token.revoked_unix_ms == 0 => None,
                    Ok(_) => Some(format!("token {id} was revoked")),
                    Err(_) => None,
                },
                None if principal.id.is_empty() && self.is_closed().await.unwrap_or(false) => {
                    Some("this server needs a token now".to_owned())
                }
                None => None,
            };
            if let Some(reason) = reason {
                return reason;
            }
        }
    }

    /// Who shows this value of an `authorization` header.
    ///
    /// # Errors
    /// When the call must not go on.
    pub async fn admit(&self, authorization: Option<&str>) -> Result<Principal, Refusal> {
        let refused = |reason: &str| Err(Refusal::Unauthenticated(reason.to_owned()));
        let Some(value) = authorization else {
            return if self.is_closed().await? {
                refused("this server needs a token: set STRATA_TOKEN or STRATA_TOKEN_FILE")
            } else {
                Ok(Principal::anonymous())
            };
        };
        let (scheme, text) = value.split_once(' ').unwrap_or((value, ""));
        let text = text.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || text.is_empty() || text.len() > jwt::LONGEST {
            return refused("the authorization is no bearer token");
        }
        let now = now_ms();
        if let Some(id) = token::id_of(text) {
            return match self.tokens.token(id).await? {
                Some(stored) => stored.verify(text, now).map_err(Refusal::Unauthenticated),
                None => refused("this token is not known"),
            };
        }
        match &self.oidc {
            Some(oidc) => oidc.verify(text, now).await,
            None => refused("this is no token of this server"),
        }
    }
}
