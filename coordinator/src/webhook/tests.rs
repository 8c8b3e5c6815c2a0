//! Recorded notifications, and who may send one.

use std::{collections::BTreeSet, path::Path};

use aws_lc_rs::hmac;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
};
use serde_json::{Value, json};

use super::{
    Settings, arrived,
    auth::{Proof, Secrets},
    push::{Event, Push},
    request, variant,
};

#[test]
fn recorded_notifications_become_references() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/webhook");
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(directory).expect("cases") {
        let path = entry.expect("a case").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let text = std::fs::read_to_string(&path).expect("readable");
        let case: Value = serde_json::from_str(&text).expect("JSON");
        let kind = name.split('-').next().unwrap_or_default();
        let variant = variant::by_name(kind).expect("a kind of registry");
        let events =
            (variant.read)(&case["payload"], "delivery").unwrap_or_else(|error| panic!("{name}: {error}"));
        let events: Vec<Value> = events
            .into_iter()
            .map(|event| match event {
                Event::Push(push) => {
                    assert!(
                        !push.id.is_empty(),
                        "{name}: an event without a name cannot be told from others"
                    );
                    json!({"image": push.reference(&push.host)})
                }
                Event::Ignored(reason) => json!({"ignored": reason}),
            })
            .collect();
        assert_eq!(Value::from(events), case["expected"], "{name}");
        seen.insert(variant.name);
    }
    assert_eq!(seen, variant::TABLE.iter().map(|variant| variant.name).collect(), "each has a case");
}

#[test]
fn what_is_no_notification_is_refused_and_never_an_empty_success() {
    for variant in variant::TABLE {
        for value in [json!(null), json!([]), json!({}), json!("text"), json!({"events": 1, "message": 2})] {
            assert!((variant.read)(&value, "").is_err(), "{} took {value}", variant.name);
        }
    }
}

fn headers(list: &[(&'static str, String)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, String)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
    };
    list.iter().map(pair).collect()
}

#[test]
fn only_who_has_the_secret_is_heard() {
    let secret = "a secret of a webhook";
    let secrets = Secrets::new(&[b"another secret, an old one".to_vec(), format!("{secret}\n").into_bytes()]);
    let secrets = secrets.expect("long enough");
    let sign = |key: &str, body: &[u8]| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), body);
        format!("sha256={}", hex::encode(tag))
    };
    let good = secret.to_owned();
    for (proof, list, token, allowed) in [
        (Proof::Header, vec![("authorization", format!("Bearer {secret}"))], None, true),
        (Proof::Header, vec![("authorization", good.clone())], None, true),
        (Proof::Header, vec![("x-api-key", good.clone())], None, true),
        (Proof::Header, vec![("authorization", format!("Bearer {secret}x"))], None, false),
        (Proof::Header, vec![], Some(secret), false),
        (Proof::Header, vec![("x-hub-signature-256", sign(secret, b"body"))], None, false),
        (Proof::Push, vec![], Some(secret), true),
        (Proof::Push, vec![], Some("wrong"), false),
        (Proof::Push, vec![], None, false),
        (Proof::Signature, vec![("x-hub-signature-256", sign(secret, b"body"))], None, true),
        (Proof::Signature, vec![("x-hub-signature-256", sign(secret, b"other"))], None, false),
        (Proof::Signature, vec![("x-hub-signature-256", sign("a secret of nobody", b"body"))], None, false),
        (Proof::Signature, vec![("x-hub-signature-256", "sha256=zz".to_owned())], None, false),
        (Proof::Signature, vec![("authorization", good)], Some(secret), false),
    ] {
        assert_eq!(
            secrets.allow(proof, &headers(&list), token, b"body"),
            allowed,
            "{proof:?} {list:?} {token:?}"
        );
    }
    assert!(Secrets::new(&[b"short".to_vec()]).is_err());
    assert!(!Secrets::new(&[]).expect("none").allow(Proof::Push, &HeaderMap::new(), Some(""), b""));
    assert_eq!(format!("{secrets:?}"), "2 secrets");
}

#[test]
fn an_event_counts_once_unless_nothing_tells_it_from_the_next() {
    let key = |id: &str, tag: &str, digest: &str| {
        let push = Push {
            id: id.to_owned(),
            host: "r.example".to_owned(),
            repository: "app".to_owned(),
            tag: tag.to_owned(),
            digest: digest.to_owned(),
        };
        let variant = variant::by_name("ghcr").expect("a kind");
        request(variant, &Settings::default(), &push).idempotency_key
    };
    let digest = format!("sha256:{}", "a".repeat(64));
    assert_eq!(key("", "latest", ""), "", "the tag may have moved on since the last one");
    for (id, tag, digest) in [("e1", "latest", ""), ("", "latest", &*digest), ("e1", "", &*digest)] {
        assert!(
            !key(id, tag, digest).is_empty() && key(id, tag, digest) == key(id, tag, digest),
            "{id} {tag}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_waited_for_so_long() {
    let endless = Body::from_stream(futures::stream::pending::<Result<&[u8], std::io::Error>>());
    assert_eq!(arrived(endless).await.unwrap_err().0, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(arrived(Body::from(vec![b' '; 2 << 20])).await.unwrap_err().0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(arrived(Body::from("{}")).await.unwrap(), "{}");
}
