//! Logins: Basic (RFC 7617), and Bearer tokens from an endpoint of their own, as the distribution project's token
//! authentication has it.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::time::Instant;

use super::query;
use crate::random::mix;

const SERVICE: &str = "strata-loadtest";
/// Tokens that are remembered; then all are forgotten, as if they had expired.
const TOKENS: usize = 100_000;

/// A user's name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Name.
    pub user: String,
    /// Password; never printed.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).field("password", &"[redacted]").finish()
    }
}

/// Which login a registry wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// This one with every request.
    Basic(Login),
    /// A token with every request.
    Bearer {
        /// Who gets a token; `None` gives one to everybody.
        login: Option<Login>,
        /// How long a token is good for.
        lifetime: Duration,
        /// For how many requests a token is good; `None` is any number.
        uses: Option<u32>,
    },
}

/// Lets requests in or refuses them.
pub(crate) struct Gate {
    auth: Auth,
    realm: String,
    issued: AtomicU64,
    tokens: Mutex<HashMap<String, Token>>,
}

struct Token {
    scopes: Vec<String>,
    expires: Instant,
    uses: Option<u32>,
}

/// The value of WWW-Authenticate for a request that was refused.
pub(crate) struct Challenge(pub(crate) String);

impl Gate {
    pub(crate) fn new(auth: Auth, address: SocketAddr) -> Self {
        let realm = format!("http://{address}/token");
        Self { auth, realm, issued: AtomicU64::new(0), tokens: Mutex::default() }
    }

    /// Whether a request may have what the scope names: `repository:<name>:pull`, `registry:catalog:*`, or nothing.
    pub(crate) fn admit(&self, headers: &HeaderMap, scope: &str) -> Result<(), Challenge> {
        match &self.auth {
            Auth::None => Ok(()),
            Auth::Basic(login) if has_login(headers, login) => Ok(()),
            Auth::Basic(_) => Err(Challenge(format!("Basic realm=\"{SERVICE}\""))),
            Auth::Bearer { .. } => self.admit_token(headers, scope),
        }
    }

    fn admit_token(&self, headers: &HeaderMap, scope: &str) -> Result<(), Challenge> {
        let refused = |error: &str| {
            let realm = &self.realm;
            let scope = if scope.is_empty() { String::new() } else { format!(",scope=\"{scope}\"") };
            Err(Challenge(format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"{scope}{error}")))
        };
        let Some(token) = credentials(headers, "Bearer") else { return refused("") };
        let mut tokens = self.lock();
        let Some(known) = tokens.get_mut(token) else { return refused(",error=\"invalid_token\"") };
        if known.expires <= Instant::now() || known.uses == Some(0) {
            tokens.remove(token);
            return refused(",error=\"invalid_token\"");
        }
        if !scope.is_empty() && !known.scopes.iter().any(|granted| granted == scope) {
            return refused(",error=\"insufficient_scope\"");
        }
        known.uses = known.uses.map(|uses| uses.saturating_sub(1));
        Ok(())
    }

    /// A token's JSON for the scopes of a request to the token endpoint; `None` refuses the login.
    pub(crate) fn token(&self, headers: &HeaderMap, query_string: &str) -> Option<Result<String, Challenge>> {
        let Auth::Bearer { login, lifetime, uses } = &self.auth else { return None };
        if let Some(login) = login
            && !has_login(headers, login)
        {
            return Some(Err(Challenge(format!("Basic realm=\"{SERVICE}\""))));
        }
        let number = self.issued.fetch_add(1, Relaxed);
        let token = format!("{:016x}{:016x}", mix(number, &[1]), mix(number, &[2]));
        let scopes = query::values(query_string, "scope");
        let scopes = scopes.iter().flat_map(|scope| scope.split(' ')).map(str::to_owned).take(100).collect();
        let mut tokens = self.lock();
        if tokens.len() >= TOKENS {
            tokens.clear();
        }
        tokens.insert(token.clone(), Token { scopes, expires: Instant::now() + *lifetime, uses: *uses });
        let seconds = lifetime.as_secs();
        Some(Ok(format!("{{\"token\":\"{token}\",\"access_token\":\"{token}\",\"expires_in\":{seconds}}}")))
    }

    pub(crate) fn expire(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Token>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_login(headers: &HeaderMap, login: &Login) -> bool {
    let wanted = format!("{}:{}", login.user, login.password);
    let given = credentials(headers, "Basic").and_then(|text| STANDARD.decode(text).ok());
    given.is_some_and(|given| given == wanted.as_bytes())
}

fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (given, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    given.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
}
