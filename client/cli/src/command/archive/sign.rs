//! Signatures of exports: one envelope (DSSE, secure-systems-lab/dsse) over the list of digests, ECDSA on P-256 with SHA-256.

use std::{fs::File, io::Read as _, path::Path};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// What is signed: text as `sha256sum -c` reads it.
const TYPE: &str = "text/plain; charset=utf-8; profile=sha256sums";
/// Bytes of a key's file.
const LARGEST_KEY: u64 = 64 << 10;
/// Signatures of one envelope that are tried.
const MOST_SIGNATURES: usize = 20;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    sig: String,
}

/// What is signed of a text (protocol, "PAE").
fn encoded(kind: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::usage(format!("failed to read the key {}: {error}", path.display()));
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(LARGEST_KEY).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// A private key.
pub(super) struct Signer(EcdsaKeyPair);

impl Signer {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |reason: String| {
            Failure::usage(format!("failed to use the key {}: {reason}", path.display()))
                .hint("it must be ECDSA on P-256 in PKCS#8 (PEM), without a password")
        };
        let key =
            PrivatePkcs8KeyDer::from_pem_slice(&read(path)?).map_err(|error| wrong(error.to_string()))?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_pkcs8_der())
            .map(Self)
            .map_err(|error| wrong(error.to_string()))
    }

    /// An envelope around a text.
    pub(super) fn envelope(&self, text: &str) -> Result<Vec<u8>, Failure> {
        let signature = self.0.sign(&SystemRandom::new(), &encoded(TYPE, text.as_bytes()));
        let signature = signature.map_err(|_| Failure::incomplete("failed to sign the export"))?;
        let envelope = Envelope {
            payload_type: TYPE.to_owned(),
            payload: BASE64.encode(text),
            signatures: vec![Signature { sig: BASE64.encode(signature) }],
        };
        serde_json::to_vec(&envelope).map_err(|error| Failure::incomplete(error.to_string()))
    }
}

/// A public key.
pub(super) struct Verifier(Vec<u8>);

impl Verifier {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |reason: String| {
            Failure::usage(format!("failed to use the key {}: {reason}", path.display()))
                .hint("it must be a public key (PEM): `openssl pkey -in KEY -pubout`")
        };
        let key = SubjectPublicKeyInfoDer::from_pem_slice(&read(path)?)
            .map_err(|error| wrong(error.to_string()))?;
        let parsed = aws_lc_rs::signature::ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.as_ref());
        parsed.map_err(|_| wrong("it is not on P-256".to_owned()))?;
        Ok(Self(key.as_ref().to_vec()))
    }

    /// What is wrong with an envelope that should be around a text.
    pub(super) fn verify(&self, envelope: &[u8], text: &str) -> Result<(), String> {
        let envelope: Envelope =
            serde_json::from_slice(envelope).map_err(|error| format!("is no envelope: {error}"))?;
        let payload =
            BASE64.decode(&envelope.payload).map_err(|_| "is no envelope: its payload".to_owned())?;
        let signed = encoded(&envelope.payload_type, &payload);
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0);
        let good = envelope.signatures.iter().take(MOST_SIGNATURES).any(|signature| {
            BASE64.decode(&signature.sig).is_ok_and(|signature| key.verify(&signed, &signature).is_ok())
        });
        if !good {
            return Err("is not signed by this key".to_owned());
        }
        if envelope.payload_type != TYPE || payload != text.as_bytes() {
            return Err("signs something else".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::KeyPair as _;

    use super::*;

    fn pair() -> (Signer, Verifier) {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.expect("made").as_ref());
        let key = key.expect("a key");
        let public = key.public_key().as_ref().to_vec();
        (Signer(key), Verifier(public))
    }

    /// The example of the protocol's description.
    #[test]
    fn what_is_signed_is_encoded_as_the_protocol_says() {
        assert_eq!(
            encoded("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn only_the_signed_text_by_this_key_is_good() {
        let ((signer, verifier), (_, other)) = (pair(), pair());
        let envelope = signer.envelope("aa  b\n").expect("signed");
        assert_eq!(verifier.verify(&envelope, "aa  b\n"), Ok(()));
        assert_eq!(verifier.verify(&envelope, "aa  c\n"), Err("signs something else".to_owned()));
        assert_eq!(other.verify(&envelope, "aa  b\n"), Err("is not signed by this key".to_owned()));
        let text = String::from_utf8(envelope).expect("JSON");
        let changed = text.replace("profile=sha256sums", "profile=sha512sums");
        assert_eq!(
            verifier.verify(changed.as_bytes(), "aa  b\n"),
            Err("is not signed by this key".to_owned())
        );
        for bad in ["", "{}", "[1]", r#"{"payloadType":"","payload":"%","signatures":[]}"#] {
            assert!(verifier.verify(bad.as_bytes(), "").is_err(), "{bad}");
        }
    }
}
