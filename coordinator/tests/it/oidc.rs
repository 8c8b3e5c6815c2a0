//! An issuer with a server of its own: its keys are read over HTTP and HTTPS, change, and are not asked for too often; its
//! tokens over gRPC.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::{Json, Router, extract::State, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use strata_coordinator::{
    access::{
        jwt::Expected,
        oidc::{KeySource, Oidc, OidcConfig},
    },
    tls::{ServerTls, TlsListener},
};
use strata_proto::v1::{ListScansRequest, ListTokensRequest};
use tokio::net::TcpListener;
use tonic::Code;

use crate::{
    access::{World, code},
    service::request,
};

pub(crate) fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    i64::try_from(since.as_millis()).expect("a date")
}

/// Keys by name.
type Keys = Arc<Mutex<Vec<(String, Arc<Ed25519KeyPair>)>>>;

/// An issuer and how often its keys were asked for.
#[derive(Clone)]
struct Issuer {
    keys: Keys,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    fn new() -> Self {
        let issuer = Self { keys: Arc::default(), asked: Arc::default() };
        issuer.rotate("first");
        issuer
    }

    fn rotate(&self, id: &str) {
        let key = Arc::new(Ed25519KeyPair::generate().expect("a key"));
        *self.keys.lock().expect("no panic") = vec![(id.to_owned(), key)];
    }

    fn set(&self) -> Value {
        let keys = self.keys.lock().expect("no panic");
        let key = |(id, key): &(String, Arc<Ed25519KeyPair>)| json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": URL_SAFE_NO_PAD.encode(key.public_key())});
        json!({"keys": keys.iter().map(key).collect::<Vec<_>>()})
    }

    fn router(&self) -> Router {
        let answer = |State(issuer): State<Self>| async move {
            issuer.asked.fetch_add(1, Ordering::SeqCst);
            Json(issuer.set())
        };
        Router::new().route("/keys", get(answer)).with_state(self.clone())
    }

    /// A token with these claims beside the usual ones, signed with the newest key whatever the header says.
    fn token(&self, header: &Value, more: &Value) -> String {
        let mut claims = json!({
            "iss": "https://id.example", "aud": "strata", "sub": "bob", "groups": ["ci"],
            "exp": now_ms() / 1000 + 600,
        });
        for (name, value) in more.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(&claims));
        let keys = self.keys.lock().expect("no panic");
        let signature = keys.last().expect("a key").1.sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn named(&self, id: &str) -> String {
        self.token(&json!({"alg": "EdDSA", "kid": id}), &json!({}))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn config(url: String) -> OidcConfig {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    OidcConfig {
        expected: Expected { issuer: "https://id.example".to_owned(), audience: "strata".to_owned() },
        keys: KeySource::Url(url),
        claim: "groups".to_owned(),
        grants: ["ci=scan@r.example/team", "strata:read=read"].map(|text| text.parse().expect(text)).into(),
        authorities: None,
    }
}

/// Lets the clocks of this runtime jump.
async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

#[tokio::test]
async fn tokens_of_an_issuer_are_let_in_by_what_they_say() {
    let issuer = Issuer::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    tokio::spawn(axum::serve(listener, issuer.router()).into_future());
    let world = World::with(Some(Oidc::new(config(url)).await.expect("sound"))).await;
    let bearer = |token: String| world.caller(&format!("Bearer {token}"));
    let scans = ListScansRequest::default;

    assert_eq!(code(world.caller("").list_scans(scans()).await), Code::Unauthenticated, "none is shown");
    let mut ci = bearer(issuer.named("first"));
    assert_eq!(code(ci.submit(request("r.example/team/app:1")).await), Code::Ok);
    let beyond = ci.submit(request("r.example/other:1")).await.expect_err("beyond its repositories");
    assert_eq!(beyond.code(), Code::PermissionDenied, "{beyond}");
    assert_eq!(code(ci.list_tokens(ListTokensRequest {}).await), Code::PermissionDenied);
    let listed = ci.list_scans(scans()).await.expect("its own").into_inner().scans;
    assert_eq!(listed.iter().map(|scan| scan.owner.as_str()).collect::<Vec<_>>(), ["oidc:bob"]);
    assert_eq!(issuer.asked(), 1, "the keys are read once");

    let header = json!({"alg": "EdDSA", "kid": "first"});
    let past = now_ms() / 1000 - 3600;
    for (header, claims, says) in [
        (header.clone(), json!({"exp": past}), "expired"),
        (header.clone(), json!({"exp": null}), "no JWT"),
        (header.clone(), json!({"aud": "another"}), "another audience"),
        (header.clone(), json!({"iss": "https://elsewhere.example"}), "another issuer"),
        (header.clone(), json!({"nbf": now_ms() / 1000 + 3600}), "not valid yet"),
        (json!({"alg": "none", "kid": "first"}), json!({}), "algorithm"),
        (json!({"alg": "HS256", "kid": "first"}), json!({}), "algorithm"),
        (json!({"alg": "RS256", "kid": "first"}), json!({}), "algorithm"),
    ] {
        let token = issuer.token(&header, &claims);
        let refused = bearer(token.clone()).list_scans(scans()).await.expect_err(says);
        assert_eq!(refused.code(), Code::Unauthenticated, "{says}");
        assert!(refused.message().contains(says), "{says}: {refused}");
        assert!(!refused.message().contains(&token), "{refused}");
    }
    // What the claim does not allow is no scope.
    let mut other = bearer(issuer.token(&header, &json!({"groups": ["others"]})));
    assert_eq!(code(other.list_scans(scans()).await), Code::PermissionDenied);
    world.stop().await;
}

#[tokio::test]
async fn keys_change_and_are_not_asked_for_too_often() {
    let issuer = Issuer::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    tokio::spawn(axum::serve(listener, issuer.router()).into_future());
    let oidc = Oidc::new(config(url)).await.expect("sound");
    let now = now_ms();
    let old = issuer.named("first");
    assert!(oidc.verify(&old, now).await.is_ok());
    issuer.rotate("second");
    let new = issuer.named("second");
    for kid in 0..50 {
        assert!(oidc.verify(&issuer.named(&format!("invented-{kid}")), now).await.is_err());
    }
    assert!(oidc.verify(&new, now).await.is_err(), "it is too early to look again");
    assert_eq!(issuer.asked(), 1);
    later(Duration::from_secs(30)).await;
    assert!(oidc.verify(&new, now).await.is_ok(), "a new key is found after half a minute");
    assert!(oidc.verify(&old, now).await.is_err(), "one that was withdrawn counts no longer");
    for kid in 0..50 {
        assert!(oidc.verify(&issuer.named(&format!("invented-{kid}")), now).await.is_err());
    }
    assert_eq!(issuer.asked(), 2, "at most twice a minute");
}

/// A certificate for loopback that is its own authority.
pub(crate) fn certificate(directory: &Path) -> (Vec<u8>, Vec<u8>) {
    let (pem, key) = (directory.join("server.pem"), directory.join("server.key"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=strata",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
        ])
        .arg(&key)
        .arg("-out")
        .arg(&pem)
        .output()
        .expect("install Debian's package openssl");
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    (std::fs::read(pem).expect("a certificate"), std::fs::read(key).expect("a key"))
}

#[tokio::test]
async fn keys_come_from_whom_a_private_authority_vouches_for() {
    let issuer = Issuer::new();
    let directory = tempfile::tempdir().expect("a directory");
    let (pem, key) = certificate(directory.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/keys", listener.local_addr().expect("an address"));
    let plain = config(url.clone());
    let tls = ServerTls::new(&pem, &key).expect("a certificate");
    let listener = TlsListener::new(listener, &tls).expect("a listener");
    tokio::spawn(axum::serve(listener, issuer.router()).into_future());
    let stranger = Oidc::new(plain.clone()).await.expect("sound");
    let refused = stranger.verify(&issuer.named("first"), now_ms()).await.expect_err("nobody vouches");
    assert!(refused.to_string().contains(&url), "{refused}");
    assert_eq!(issuer.asked(), 0);
    let known = OidcConfig { authorities: Some(pem), ..plain.clone() };
    let oidc = Oidc::new(known).await.expect("sound");
    assert!(oidc.verify(&issuer.named("first"), now_ms()).await.is_ok());
    let broken = OidcConfig { authorities: Some(b"-----BEGIN CERTIFICATE-----\nAA".to_vec()), ..plain };
    assert!(Oidc::new(broken).await.is_err());
}
