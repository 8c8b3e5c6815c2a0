//! Claims become scopes; keys are read again, and not too often.

use serde_json::json;

use super::*;

fn config(keys: KeySource) -> OidcConfig {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    OidcConfig {
        expected: Expected { issuer: "https://id.example".to_owned(), audience: "strata".to_owned() },
        keys,
        claim: "groups".to_owned(),
        grants: ["strata:read=read", "ci=scan@r.example/team", "ops=admin", "strata:scan=scan"]
            .map(|text| text.parse().expect(text))
            .into(),
        authorities: None,
    }
}

const KEYS: &str = r#"{"keys":[{"kty":"OKP","kid":"one","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

#[tokio::test]
async fn claims_become_scopes() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("keys.json");
    std::fs::write(&file, KEYS).expect("written");
    let oidc = Oidc::new(config(KeySource::File(file))).await.expect("sound");
    for (groups, scopes, prefixes) in [
        (json!("strata:read strata:scan"), vec![Scope::Read, Scope::Scan], 0),
        (json!(["ci", "others"]), vec![Scope::Scan], 1),
        (json!(["ci", "strata:read"]), vec![Scope::Read, Scope::Scan], 1),
        (json!(["ops", "ci"]), vec![Scope::Scan, Scope::Admin], 0),
        (json!("strata:reader"), vec![], 0),
        (json!({"ops": true}), vec![], 0),
        (Value::Null, vec![], 0),
    ] {
        let claims = json!({"sub": "bob", "exp": 9, "groups": groups});
        let found = oidc.principal(claims.as_object().expect("claims")).expect("a principal");
        assert_eq!((found.id.as_str(), found.expires_unix_ms), ("oidc:bob", 9_000));
        assert_eq!(found.scopes.iter().copied().collect::<Vec<_>>(), scopes, "{groups}");
        assert_eq!(found.prefixes.len(), prefixes, "{groups}");
    }
    assert!(
        oidc.principal(json!({"groups": "ops"}).as_object().expect("claims")).is_err(),
        "nobody is no principal"
    );
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_do_not_make_the_set_be_read_again_and_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("keys.json");
    std::fs::write(&file, KEYS).expect("written");
    let oidc = Oidc::new(config(KeySource::File(file.clone()))).await.expect("sound");
    std::fs::write(&file, KEYS.replace("one", "two")).expect("written");
    let name = |keys: Arc<Jwks>| keys.keys.first().and_then(|key| key.id.clone()).expect("a name");
    for _ in 0..100 {
        assert_eq!(name(oidc.keys(true).await.expect("keys")), "one", "it is too early to look again");
    }
    tokio::time::advance(PAUSE).await;
    assert_eq!(name(oidc.keys(false).await.expect("keys")), "one", "nobody asked for newer ones");
    assert_eq!(name(oidc.keys(true).await.expect("keys")), "two");
    std::fs::remove_file(&file).expect("removed");
    tokio::time::advance(FRESH * 2).await;
    assert_eq!(name(oidc.keys(true).await.expect("keys")), "two", "the old ones are believed for a day");
    tokio::time::advance(STALE).await;
    let error = oidc.keys(false).await.expect_err("gone");
    assert!(error.contains("keys.json"), "{error}");
}

#[tokio::test]
async fn settings_that_prove_nothing_are_refused() {
    for url in ["http://id.example/keys", "file:///etc/keys", "keys", "http://127.0.0.1.example/"] {
        assert!(Oidc::new(config(KeySource::Url(url.to_owned()))).await.is_err(), "{url}");
    }
    assert!(Oidc::new(config(KeySource::Url("http://127.0.0.1:1/keys".to_owned()))).await.is_ok());
    let error = Oidc::new(config(KeySource::File("/no/such/file".into()))).await.err().expect("refused");
    assert!(error.contains("/no/such/file"), "{error}");
    for grant in ["", "ops", "=read", "ops=", "ops=write", "ops=admin@r.example", "ops=read@nohost"] {
        assert!(grant.parse::<Grant>().is_err(), "{grant}");
    }
}
