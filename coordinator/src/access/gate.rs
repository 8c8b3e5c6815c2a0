//! Decides for each call who it is from. Where neither a token was ever made nor an issuer is configured, calls need none;
//! from the first token on they do, also in processes that were running before.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{Principal, jwt, oidc::Oidc, token};
use crate::{
    drive::now_ms,
    ports::{PortError, Tokens},
};

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
