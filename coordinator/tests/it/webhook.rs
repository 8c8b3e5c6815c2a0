//! Notifications over HTTP, down to the scan.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;
use strata_coordinator::{
    access::{jwt::Expected, oidc::KeySource},
    tls::ServerTls,
    webhook::{self, Hooks as Served, PushConfig, PushIdentity, Secrets},
};
use strata_proto::v1::Lane;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    model::{Model, Running, archive, digest},
    oidc::{certificate, now_ms},
};

const SECRET: &str = "a secret of a webhook";

fn event(id: &str, tag: &str) -> String {
    let digest = digest("baseone");
    format!(
        r#"{{"events":[{{"id":"{id}","action":"push","request":{{"host":"elsewhere:5000"}},"target":{{
        "mediaType":"application/vnd.oci.image.manifest.v1+json","repository":"app","tag":"{tag}","digest":"{digest}"}}}}]}}"#
    )
}

struct Hooks {
    client: reqwest::Client,
    url: String,
}

impl Hooks {
    async fn post(&self, path: &str, secret: &str, body: String) -> (u16, serde_json::Value) {
        let call =
            self.client.post(format!("{}/{path}", self.url)).header("authorization", secret).body(body);
        let answer = call.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.expect("a text")).unwrap_or_default())
    }
}

#[tokio::test]
async fn a_push_is_one_scan_however_often_it_is_told() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pushed = format!("r.example/app:1@{}", digest("baseone"));
    let model = Model::new(&[(pushed.as_str(), &["base", "one"])]);
    let (_directory, archive) = archive().await;
    let running = Running::start(&model, archive);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
    let (stop, secrets) = (CancellationToken::new(), Secrets::new(&[SECRET.into()]).expect("a secret"));
    let server = tokio::spawn(webhook::serve(
        listener,
        Served { handle: running.handle.clone(), secrets, identity: None, tls: None },
        stop.clone(),
    ));
    let hooks = Hooks { client: reqwest::Client::new(), url };
    let path = "distribution?host=r.example";
    let (status, first) = hooks.post(path, &format!("Bearer {SECRET}"), event("e1", "1")).await;
    assert_eq!(status, 202, "{first}");
    let scan = first["scans"][0].as_str().expect("a scan").to_owned();
    let (status, again) = hooks.post(path, SECRET, event("e1", "1")).await;
    assert_eq!((status, &again["scans"]), (202, &first["scans"]), "the event again");
    let signature = format!("sha256-{}.sig", "a".repeat(64));
    let (status, ignored) = hooks.post(path, SECRET, event("e2", &signature)).await;
    assert_eq!((status, ignored["ignored"]["signature"].as_u64()), (202, Some(1)), "{ignored}");
    for (path, secret, body, status) in [
        (path, "Bearer wrong", event("e3", "1"), 401),
        ("distribution?token=a%20secret%20of%20a%20webhook", "", event("e3", "1"), 401),
        ("nowhere", SECRET, event("e3", "1"), 404),
        (path, SECRET, "{}".to_owned(), 400),
        (path, SECRET, " ".repeat(2 << 20), 413),
        ("distribution?host=no%20host", SECRET, event("e3", "1"), 400),
    ] {
        assert_eq!(hooks.post(path, secret, body).await.0, status, "{path} {secret}");
    }
    // An event that cannot be meant takes none of its neighbours with it.
    let first: serde_json::Value = serde_json::from_str(&event("e1", "1")).expect("JSON");
    let mut bad = first["events"][0].clone();
    bad["target"]["repository"] = json!("No Repository");
    let both = json!({"events": [bad, first["events"][0]]});
    let (status, answer) = hooks.post(path, SECRET, both.to_string()).await;
    assert_eq!((status, answer["ignored"]["malformed"].as_u64()), (202, Some(1)), "{answer}");
    assert_eq!(answer["scans"][0], scan.as_str());
    let scans = running.handle.scans(0, "").await.expect("listed");
    assert_eq!(scans.iter().map(|scan| scan.id.as_str()).collect::<Vec<_>>(), [scan.as_str()]);
    let request = scans[0].request.clone().expect("a request");
    assert_eq!((request.lane(), request.tenant.as_str()), (Lane::Interactive, "push"));
    assert_eq!(request.images, [pushed]);
    stop.cancel();
    server.await.expect("it ends").expect("without an error");
    running.stop().await;
}

/// A token as Pub/Sub's issuer makes them.
fn token(key: &Ed25519KeyPair, more: &serde_json::Value) -> String {
    let mut claims = json!({
        "iss": "https://accounts.example", "aud": "https://strata.example/hooks/gar", "sub": "1",
        "email": "push@project.example", "email_verified": true, "exp": now_ms() / 1000 + 600,
    });
    for (name, value) in more.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&json!({"alg": "EdDSA", "kid": "one"})), encode(&claims));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())))
}

/// A push of Pub/Sub that tells of an image.
fn pubsub() -> String {
    let data = json!({"action": "INSERT", "digest": format!("r.example/app@{}", digest("baseone"))});
    json!({"message": {"data": STANDARD.encode(data.to_string()), "messageId": "7"}}).to_string()
}

#[tokio::test]
async fn pubsub_shows_a_token_of_its_account_over_tls() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pushed = format!("r.example/app@{}", digest("baseone"));
    let (_directory, archive) = archive().await;
    let running = Running::start(&Model::new(&[(pushed.as_str(), &["base", "one"])]), archive);
    let directory = tempfile::tempdir().expect("a directory");
    let (key, stranger) =
        (Ed25519KeyPair::generate().expect("a key"), Ed25519KeyPair::generate().expect("a key"));
    let keys = directory.path().join("keys.json");
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x}]});
    std::fs::write(&keys, set.to_string()).expect("written");
    let config = PushConfig {
        expected: Expected {
            issuer: "https://accounts.example".to_owned(),
            audience: "https://strata.example/hooks/gar".to_owned(),
        },
        keys: KeySource::File(keys),
        accounts: vec!["push@project.example".to_owned()],
        authorities: None,
    };
    let anybody = PushConfig { accounts: Vec::new(), ..config.clone() };
    assert!(PushIdentity::new(anybody).await.is_err(), "the issuer signs for everybody");
    let identity = Some(PushIdentity::new(config).await.expect("sound"));
    let (pem, private) = certificate(directory.path());
    let tls = Some(ServerTls::new(&pem, &private).expect("a certificate"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, secrets) = (CancellationToken::new(), Secrets::new(&[SECRET.into()]).expect("a secret"));
    let served = Served { handle: running.handle.clone(), secrets, identity, tls };
    let server = tokio::spawn(webhook::serve(listener, served, stop.clone()));
    let root = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    let client = reqwest::Client::builder().tls_certs_only([root]).build().expect("a client");
    let plain = client.post(format!("http://{address}/hooks/gar")).body(pubsub()).send().await;
    assert!(plain.is_err(), "it speaks TLS and nothing else");
    let hooks = Hooks { client, url: format!("https://{address}/hooks") };
    for (secret, path, status) in [
        (String::new(), "gar", 401),
        (SECRET.to_owned(), "gar", 401),
        (String::new(), "gar?token=a%20secret%20of%20a%20webhook", 401),
        (format!("Bearer {}", token(&stranger, &json!({}))), "gar", 401),
        (format!("Bearer {}", token(&key, &json!({"aud": "https://elsewhere.example"}))), "gar", 401),
        (format!("Bearer {}", token(&key, &json!({"iss": "https://elsewhere.example"}))), "gar", 401),
        (format!("Bearer {}", token(&key, &json!({"email": "other@project.example"}))), "gar", 401),
        (format!("Bearer {}", token(&key, &json!({"email_verified": "true"}))), "gar", 401),
        (format!("Bearer {}", token(&key, &json!({"exp": 1}))), "gar", 401),
        // A token is for pushes, and the secret for the others.
        (format!("Bearer {}", token(&key, &json!({}))), "distribution", 401),
        (format!("Bearer {}", token(&key, &json!({}))), "gar", 202),
    ] {
        let (answer, _) = hooks.post(path, &secret, pubsub()).await;
        assert_eq!(answer, status, "{path} {secret}");
    }
    let scans = running.handle.scans(0, "").await.expect("listed");
    assert_eq!(scans.len(), 1);
    assert_eq!(scans[0].request.as_ref().expect("a request").images, [pushed]);
    stop.cancel();
    server.await.expect("it ends").expect("without an error");
    running.stop().await;
}
