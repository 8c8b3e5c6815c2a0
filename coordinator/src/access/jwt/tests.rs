//! Tokens made with real keys of all three kinds, and every way to forge one that is known by name.

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use serde_json::json;

use super::*;

const NOW: i64 = 1_800_000_000;

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

struct Issuer {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
            ed: Ed25519KeyPair::generate().expect("a key"),
        }
    }

    fn sign(&self, alg: &str, message: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match alg {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa
                    .sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature)
                    .expect("signed");
                signature
            }
            "ES256" => self.ec.sign(&random, message.as_bytes()).expect("signed").as_ref().to_vec(),
            _ => self.ed.sign(message.as_bytes()).as_ref().to_vec(),
        }
    }

    fn keys(&self) -> Value {
        let (n, e) = {
            let public = self.rsa.public_key();
            (
                encode(public.modulus().big_endian_without_leading_zero()),
                encode(public.exponent().big_endian_without_leading_zero()),
            )
        };
        let point = self.ec.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "kid": "RS256", "use": "sig", "alg": "RS256", "n": n, "e": e},
            {"kty": "EC", "kid": "ES256", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])},
            {"kty": "OKP", "kid": "EdDSA", "crv": "Ed25519", "x": encode(self.ed.public_key())},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": n, "e": e},
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
            {"kty": "EC", "kid": "p384", "crv": "P-384", "x": "AA", "y": "AA"},
        ]})
    }

    fn jwks(&self) -> Jwks {
        Jwks::parse(self.keys().to_string().as_bytes()).expect("keys")
    }
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string()), encode(claims.to_string()))
}

fn claims() -> Value {
    json!({"iss": "https://id.example", "aud": ["other", "strata"], "sub": "ci", "exp": NOW + 300, "iat": NOW - 5})
}

fn expected() -> Expected {
    Expected { issuer: "https://id.example".to_owned(), audience: "strata".to_owned() }
}

#[test]
fn each_algorithm_is_verified() {
    let issuer = Issuer::new();
    let keys = issuer.jwks();
    assert_eq!(keys.keys.len(), 3, "only what can verify a signature is a key");
    for alg in ["RS256", "ES256", "EdDSA"] {
        for header in [json!({"alg": alg, "kid": alg}), json!({"alg": alg})] {
            let message = message(&header, &claims());
            let token = format!("{message}.{}", encode(issuer.sign(alg, &message)));
            let claims = verify(&token, &keys, &expected(), NOW).expect(alg);
            assert_eq!(claims["sub"], "ci");
            let stranger = Issuer::new().jwks();
            assert_eq!(verify(&token, &stranger, &expected(), NOW), Err(JwtError::Signature), "{alg}");
            let forged = format!(
                "{}.{}",
                self::message(&header, &json!({"sub": "admin"})),
                encode(issuer.sign(alg, &message))
            );
            assert_eq!(verify(&forged, &keys, &expected(), NOW), Err(JwtError::Signature), "{alg}");
        }
    }
}

#[test]
fn the_token_does_not_choose_the_algorithm() {
    let issuer = Issuer::new();
    let keys = issuer.jwks();
    for alg in ["none", "None", "HS256", "RS512", "PS256", "ES384", ""] {
        let message = message(&json!({"alg": alg, "kid": "RS256"}), &claims());
        // The public key as the secret of a MAC: the confusion that gave this attack its name.
        let secret = issuer.keys()["keys"][0]["n"].as_str().expect("a modulus").to_owned();
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
        for signature in [String::new(), encode(mac.as_ref()), encode(issuer.sign("RS256", &message))] {
            let found = verify(&format!("{message}.{signature}"), &keys, &expected(), NOW);
            assert_eq!(found, Err(JwtError::Algorithm), "{alg}");
        }
    }
    // A key of another kind under the right name, and a right key under another's name.
    for (alg, kid) in [("ES256", "RS256"), ("RS256", "EdDSA"), ("EdDSA", "ES256")] {
        let message = message(&json!({"alg": alg, "kid": kid}), &claims());
        let token = format!("{message}.{}", encode(issuer.sign(alg, &message)));
        assert_eq!(verify(&token, &keys, &expected(), NOW), Err(JwtError::Algorithm), "{alg} {kid}");
    }
    for kid in ["nobody", "enc", "secret", "p384"] {
        let message = message(&json!({"alg": "RS256", "kid": kid}), &claims());
        let token = format!("{message}.{}", encode(issuer.sign("RS256", &message)));
        assert_eq!(verify(&token, &keys, &expected(), NOW), Err(JwtError::UnknownKey), "{kid}");
    }
}

#[test]
fn claims_are_checked() {
    let issuer = Issuer::new();
    let keys = issuer.jwks();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    let mut endless = claims();
    endless.as_object_mut().expect("an object").remove("exp");
    for (claims, want) in [
        (with("exp", json!(NOW - 61)), JwtError::Expired),
        (endless, JwtError::Expired),
        (with("exp", json!("tomorrow")), JwtError::Malformed),
        (with("nbf", json!(NOW + 61)), JwtError::Early),
        (with("iat", json!(NOW + 600)), JwtError::Early),
        (with("iss", json!("https://id.example/")), JwtError::Issuer),
        (with("iss", Value::Null), JwtError::Issuer),
        (with("aud", json!("strata2")), JwtError::Audience),
        (with("aud", json!([])), JwtError::Audience),
        (with("aud", Value::Null), JwtError::Audience),
        (json!(["no", "claims"]), JwtError::Malformed),
    ] {
        let message = message(&json!({"alg": "EdDSA", "kid": "EdDSA"}), &claims);
        let token = format!("{message}.{}", encode(issuer.sign("EdDSA", &message)));
        assert_eq!(verify(&token, &keys, &expected(), NOW), Err(want), "{claims}");
    }
    for claims in
        [with("exp", json!(NOW - 59)), with("exp", json!(1_800_000_100.5)), with("aud", json!("strata"))]
    {
        let message = message(&json!({"alg": "EdDSA"}), &claims);
        let token = format!("{message}.{}", encode(issuer.sign("EdDSA", &message)));
        assert!(verify(&token, &keys, &expected(), NOW).is_ok(), "{claims}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let issuer = Issuer::new();
    let keys = issuer.jwks();
    let critical = message(&json!({"alg": "EdDSA", "crit": ["b64"], "b64": false}), &claims());
    let critical = format!("{critical}.{}", encode(issuer.sign("EdDSA", &critical)));
    let plain = message(&json!({"alg": "EdDSA"}), &claims());
    let padded = format!("{plain}.{}==", encode(issuer.sign("EdDSA", &plain)));
    let long = format!("{plain}.{}", "A".repeat(LONGEST));
    for text in
        ["", ".", "..", "a.b", "a.b.c", "e30.e30.e30", &critical, &padded, &long, &format!("{plain}.x.y")]
    {
        assert_eq!(verify(text, &keys, &expected(), NOW), Err(JwtError::Malformed), "{text}");
    }
    for text in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#] {
        assert!(Jwks::parse(text.as_bytes()).is_err(), "{text}");
    }
}
