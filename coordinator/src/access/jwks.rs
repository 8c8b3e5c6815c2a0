//! An issuer's keys (RFC 7517): the three kinds that are verified here. Others are left out; a set without any is refused.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// Largest set that is read, in bytes.
pub const MOST_BYTES: usize = 1 << 20;
const MOST_KEYS: usize = 100;

/// Which signature a key makes. The key says so, never the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits and more.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// As in a JWT's header (RFC 7518, RFC 8037).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// One key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its name in the set, where it has one.
    pub id: Option<String>,
    /// What it verifies.
    pub algorithm: Algorithm,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Point(Vec<u8>),
}

impl Key {
    /// Whether a signature over a message is this key's.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match (&self.material, self.algorithm) {
            (Material::Rsa { n, e }, Algorithm::Rs256) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            (Material::Point(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            (Material::Point(point), Algorithm::EdDsa) => {
                UnparsedPublicKey::new(&ED25519, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// A set of keys.
#[derive(Debug, Clone, Default)]
pub struct Jwks {
    /// Those that can verify something here.
    pub keys: Vec<Key>,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwks {
    /// Reads a set.
    ///
    /// # Errors
    /// When it is no set of keys, too large, or none of its keys can be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MOST_BYTES {
            return Err(format!("it has more than {MOST_BYTES} bytes"));
        }
        let raw: RawSet =
            serde_json::from_slice(bytes).map_err(|error| format!("it is no set of keys: {error}"))?;
        if raw.keys.len() > MOST_KEYS {
            return Err(format!("it has {} keys, more than {MOST_KEYS}", raw.keys.len()));
        }
        let keys: Vec<Key> =
            raw.keys.into_iter().filter_map(|value| key(&serde_json::from_value(value).ok()?)).collect();
        if keys.is_empty() {
            return Err("it has no key for RS256, ES256 or EdDSA".to_owned());
        }
        Ok(Self { keys })
    }
}

/// `None` for a key of another kind or for another use.
fn key(raw: &RawKey) -> Option<Key> {
    let decode = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
    let (algorithm, material) = match (raw.kty.as_str(), raw.crv.as_deref()) {
        ("RSA", _) => {
            let without_zeros = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            let (n, e) = (without_zeros(decode(&raw.n)?), without_zeros(decode(&raw.e)?));
            (Algorithm::Rs256, Material::Rsa { n, e })
        }
        ("EC", Some("P-256")) => {
            let (x, y) = (decode(&raw.x)?, decode(&raw.y)?);
            // The uncompressed form (SEC 1, 2.3.3).
            (x.len() == 32 && y.len() == 32)
                .then(|| (Algorithm::Es256, Material::Point([&[4][..], &x, &y].concat())))?
        }
        ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, Material::Point(decode(&raw.x)?)),
        _ => return None,
    };
    let fits = raw.alg.as_deref().is_none_or(|alg| alg == algorithm.name());
    let signs = raw.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
    (fits && signs).then(|| Key { id: raw.kid.clone(), algorithm, material })
}
