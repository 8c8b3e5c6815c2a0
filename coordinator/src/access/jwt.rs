//! Signed claims (RFC 7519, and RFC 8725 on what to be wary of): pure, the clock is an argument. The key decides about the
//! algorithm, and a token that names another is refused.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwks::{Jwks, Key};

/// Longest token, in bytes: what a header may be.
pub const LONGEST: usize = 16 << 10;
/// How far two clocks may be apart, in seconds.
const LEEWAY: i64 = 60;

/// What a token must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// `iss`.
    pub issuer: String,
    /// One of `aud`.
    pub audience: String,
}

/// Why a token does not count. None of the texts repeats it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts of base64 and JSON, or too long.
    #[error("it is no JWT")]
    Malformed,
    /// Not one of the three, or not the key's.
    #[error("its algorithm is not the one of the issuer's key")]
    Algorithm,
    /// The issuer's set has no such key: perhaps it is new.
    #[error("it is signed with a key that the issuer does not have")]
    UnknownKey,
    /// Not signed by the issuer.
    #[error("its signature is wrong")]
    Signature,
    /// `exp` is over, or absent.
    #[error("it has expired, or does not say when")]
    Expired,
    /// `nbf` or `iat` is to come.
    #[error("it is not valid yet")]
    Early,
    /// Another `iss`.
    #[error("it is from another issuer")]
    Issuer,
    /// Another `aud`.
    #[error("it is for another audience")]
    Audience,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// Checks a token and returns its claims.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(
    text: &str,
    keys: &Jwks,
    expected: &Expected,
    now: i64,
) -> Result<Map<String, Value>, JwtError> {
    if text.len() > LONGEST {
        return Err(JwtError::Malformed);
    }
    let (message, signature) = text.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (header, claims) = message.split_once('.').ok_or(JwtError::Malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed);
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| JwtError::Malformed)?;
    let (claims, signature) = (decode(claims)?, decode(signature)?);
    // Extensions that must be understood are not.
    if header.crit.is_some() {
        return Err(JwtError::Malformed);
    }
    let key = choose(keys, &header)?;
    if !key.verifies(message.as_bytes(), &signature) {
        return Err(JwtError::Signature);
    }
    let claims: Map<String, Value> = serde_json::from_slice(&claims).map_err(|_| JwtError::Malformed)?;
    check(&claims, expected, now)?;
    Ok(claims)
}

/// The key that the header names, or the only one there is for the algorithm.
fn choose<'a>(keys: &'a Jwks, header: &Header) -> Result<&'a Key, JwtError> {
    let fits = |key: &&Key| key.algorithm.name() == header.alg;
    let Some(id) = &header.kid else {
        let mut fitting = keys.keys.iter().filter(fits);
        return match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(JwtError::Algorithm),
            _ => Err(JwtError::UnknownKey),
        };
    };
    let mut named = keys.keys.iter().filter(|key| key.id.as_ref() == Some(id)).peekable();
    if named.peek().is_none() {
        return Err(JwtError::UnknownKey);
    }
    named.find(fits).ok_or(JwtError::Algorithm)
}

fn check(claims: &Map<String, Value>, expected: &Expected, now: i64) -> Result<(), JwtError> {
    let moment = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => seconds(value).map(Some).ok_or(JwtError::Malformed),
    };
    let expires = moment("exp")?.ok_or(JwtError::Expired)?;
    if expires.saturating_add(LEEWAY) <= now {
        return Err(JwtError::Expired);
    }
    for name in ["nbf", "iat"] {
        if moment(name)?.is_some_and(|start| start.saturating_sub(LEEWAY) > now) {
            return Err(JwtError::Early);
        }
    }
    if claims.get("iss").and_then(Value::as_str) != Some(&expected.issuer) {
        return Err(JwtError::Issuer);
    }
    let audience = Some(expected.audience.as_str());
    let ours = match claims.get("aud") {
        Some(Value::String(one)) => Some(one.as_str()) == audience,
        Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == audience),
        _ => false,
    };
    if ours { Ok(()) } else { Err(JwtError::Audience) }
}

/// A NumericDate, which may have a fraction.
pub(super) fn seconds(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let text = value.as_f64().filter(|number| number.abs() < 1e15)?.trunc().to_string();
        text.parse().ok()
    })
}

#[cfg(test)]
mod tests;
