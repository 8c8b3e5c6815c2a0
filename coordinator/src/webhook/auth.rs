//! Whether a notification comes from somebody who has the secret. Every comparison takes the same time whatever is right.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use axum::http::HeaderMap;

/// Shortest secret, in bytes.
const SHORTEST: usize = 16;
/// Longest secret, in bytes.
const LONGEST: usize = 4096;

/// How a kind of registry shows that it has the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// `Authorization`, with `Bearer` or alone, or `X-Api-Key`.
    Header,
    /// Pub/Sub's, which can set no header: a token that its issuer signs, where one is expected; else as [`Self::Header`],
    /// or `token` in the address.
    Push,
    /// HMAC-SHA-256 over the body in `X-Hub-Signature-256`.
    Signature,
}

/// A secret that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's secret has {SHORTEST} to {LONGEST} bytes, not {0}")]
pub struct BadSecret(usize);

/// Secrets of the webhooks: any of them will do, so that they can be changed one after the other.
#[derive(Clone)]
pub struct Secrets(Vec<Vec<u8>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Secrets {
    /// Secrets as they stand in their files, without white space around them.
    ///
    /// # Errors
    /// When one is too short or too long.
    pub fn new(texts: &[Vec<u8>]) -> Result<Self, BadSecret> {
        let secret = |text: &Vec<u8>| {
            let text = text.trim_ascii();
            let fits = (SHORTEST..=LONGEST).contains(&text.len());
            fits.then(|| text.to_vec()).ok_or(BadSecret(text.len()))
        };
        Ok(Self(texts.iter().map(secret).collect::<Result<_, _>>()?))
    }

    pub(super) fn allow(&self, proof: Proof, headers: &HeaderMap, token: Option<&str>, body: &[u8]) -> bool {
        let header = |name: &str| headers.get(name).map(axum::http::HeaderValue::as_bytes);
        if proof == Proof::Signature {
            let signature = header("x-hub-signature-256").and_then(|value| value.strip_prefix(b"sha256="));
            let Some(tag) = signature.and_then(|hex| hex::decode(hex).ok()) else { return false };
            let signs = |secret: &Vec<u8>| {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), body, &tag).is_ok()
            };
            return self.0.iter().any(signs);
        }
        let authorization =
            header("authorization").map(|value| value.strip_prefix(b"Bearer ").unwrap_or(value));
        let token = token.filter(|_| proof == Proof::Push).map(str::as_bytes);
        let shown = [authorization, header("x-api-key"), token];
        let is_secret =
            |shown: &[u8]| self.0.iter().any(|secret| verify_slices_are_equal(shown, secret).is_ok());
        shown.into_iter().flatten().any(is_secret)
    }
}
