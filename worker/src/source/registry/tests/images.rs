//! Manifests, configurations, and what every kind of answer means.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn an_image_takes_two_requests_and_its_digest_one() {
    let sample = Sample::new("layer");
    let digest = sample.digest().to_string();
    let layer = sample.layer.to_string();
    let server = Server::start(move |_, seen| sample.answer(seen).unwrap_or_else(not_found)).await;
    let registries = registries();
    let reference = server.reference("app:1");
    assert_eq!(registries.digest(&reference, &options()).await, Ok(Some(digest.clone())));
    assert_eq!(server.asked(), ["HEAD /v2/app/manifests/1"]);
    let Ok(Resolution::Image(facts)) = registries.resolve(&reference, "", &options()).await else {
        panic!("no image")
    };
    assert_eq!((facts.image_digest.as_str(), facts.layers.len()), (digest.as_str(), 1));
    assert_eq!(
        (facts.layers[0].digest.as_str(), facts.layers[0].created_by.as_str()),
        (layer.as_str(), "layer")
    );
    assert_eq!(server.asked().len(), 3);
    let accept = server.seen.lock().unwrap().last().map(|seen| seen.header("accept").to_owned());
    assert_eq!(accept.as_deref(), Some("*/*"), "a blob has no media type to ask for");
    // By digest is the same image; a digest that is not there is not found.
    let by_digest = server.reference(&format!("app@{digest}"));
    assert!(matches!(registries.resolve(&by_digest, "", &options()).await, Ok(Resolution::Image(_))));
    let other = server.reference(&format!("app:1@{}", Digest::of(b"other")));
    assert_eq!(registries.resolve(&other, "", &options()).await.unwrap_err().code, "not-found");
}

/// What a registry answers to the question for the manifest, and what comes of it.
fn answers() -> Vec<(&'static str, Reply, &'static str, bool, Option<u64>)> {
    let wrong = Digest::of(b"wrong").to_string();
    let blocked = r#"{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"not\u0007 signed"}]}"#;
    vec![
        ("gone", not_found(), "not-found", false, None),
        ("login", reply(401, &[], ""), "unauthorized", false, None),
        ("forbidden", reply(403, &[], ""), "unauthorized", false, None),
        ("policy", reply(412, &[], blocked), "refused", false, None),
        ("slow down", reply(429, &[("retry-after", "7")], ""), "rate-limited", true, Some(7)),
        (
            "slow down until",
            reply(
                429,
                &[
                    ("retry-after", "Sun, 22 Nov 2026 06:01:30 GMT"),
                    ("date", "Sun, 22 Nov 2026 06:00:00 GMT"),
                ],
                "",
            ),
            "rate-limited",
            true,
            Some(90),
        ),
        ("away", reply(503, &[("retry-after", "2")], ""), "network", true, Some(2)),
        ("broken", reply(500, &[], "oops"), "network", true, None),
        ("bad request", reply(400, &[], ""), "refused", false, None),
        (
            "another digest",
            reply(200, &[("docker-content-digest", wrong.as_str())], "{}"),
            "digest-mismatch",
            false,
            None,
        ),
        ("no JSON", ok("<html>"), "malformed", false, None),
        ("too long", ok(vec![b' '; (4 << 20) + 1]), "limit", false, None),
        ("too long, in chunks", ok(Body::from_stream(chunks(80))), "limit", false, None),
        ("no image", ok(r#"{"schemaVersion":1}"#), "unsupported", false, None),
        ("redirected nowhere", reply(302, &[], ""), "redirect-refused", false, None),
        (
            "redirected for ever",
            reply(302, &[("location", "/v2/app/manifests/1")], ""),
            "redirect-refused",
            false,
            None,
        ),
        (
            "redirected to a file",
            reply(302, &[("location", "file:///etc/passwd")], ""),
            "redirect-refused",
            false,
            None,
        ),
    ]
}

/// 64 KiB each.
fn chunks(count: usize) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    futures::stream::iter((0..count).map(|_| Ok(Bytes::from(vec![b' '; 64 << 10]))))
}

#[tokio::test]
async fn every_answer_has_its_meaning_and_names_the_image() {
    for (case, answer, code, later, wait) in answers() {
        // What does not fit its digest is asked for once more.
        let wrong = Digest::of(b"wrong").to_string();
        let second = || reply(200, &[("docker-content-digest", wrong.as_str())], "{}");
        let mut answers: Vec<Reply> = (code == "digest-mismatch").then(second).into_iter().collect();
        answers.push(answer);
        let answer = Mutex::new(answers);
        let server = Server::start(move |_, seen| match seen.path.as_str() {
            "/v2/" => ok(""),
            _ => {
                let mut answers = answer.lock().unwrap();
                let again = reply(302, &[("location", "/v2/app/manifests/1")], "");
                answers.pop().unwrap_or(again)
            }
        })
        .await;
        let reference = server.reference("app:1");
        let error = registries().resolve(&reference, "", &options()).await.unwrap_err();
        assert_eq!((error.code, error.later), (code, later), "{case}: {}", error.message);
        assert_eq!(error.wait, wait.map(Duration::from_secs), "{case}");
        assert!(
            error.message.starts_with("failed to ") && error.message.contains(&reference),
            "{case}: {}",
            error.message
        );
        assert!(!error.message.chars().any(char::is_control), "{case}: {}", error.message);
    }
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let reference = format!("{address}/app:1");
    let error = registries().digest(&reference, &options()).await.unwrap_err();
    assert_eq!((error.code, error.later), ("network", true));
    assert!(
        error.message.starts_with(&format!("failed to read {reference}: {address} ")),
        "{}",
        error.message
    );
    for text in ["UPPER", "a b", ""] {
        assert_eq!(registries().digest(text, &options()).await.unwrap_err().code, "bad-reference", "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_worth_another_try() {
    let config = RegistryConfig { idle_timeout: Duration::from_millis(200), ..RegistryConfig::default() };
    let server = Server::start(|_, seen| match seen.path.as_str() {
        "/v2/" => ok(""),
        _ => ok(Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>())),
    })
    .await;
    let error =
        registries_with(config).resolve(&server.reference("app:1"), "", &options()).await.unwrap_err();
    assert_eq!((error.code, error.later), ("network", true), "{}", error.message);
}

#[tokio::test]
async fn heads_that_say_nothing_or_something_else() {
    let wrong = Digest::of(b"wrong").to_string();
    for (answer, want) in [
        (reply(405, &[], ""), Ok(None)),
        (ok(""), Ok(None)),
        (reply(200, &[("docker-content-digest", "sha512:00")], ""), Ok(None)),
        (reply(200, &[("docker-content-digest", wrong.as_str())], ""), Err("digest-mismatch")),
        (reply(404, &[], ""), Err("not-found")),
    ] {
        let answer = Mutex::new(Some(answer));
        let server = Server::start(move |_, seen| match seen.path.as_str() {
            "/v2/" => ok(""),
            _ => answer.lock().unwrap().take().unwrap_or_else(not_found),
        })
        .await;
        let reference = server.reference(&format!("app@{}", Digest::of(b"right")));
        let got = registries().digest(&reference, &options()).await;
        assert_eq!(got.map_err(|error| error.code), want);
    }
}

#[tokio::test]
async fn a_configuration_that_is_not_what_was_promised_is_refused() {
    for (config, code) in [("{}".to_owned(), "digest-mismatch"), (" ".repeat((8 << 20) + 1), "limit")] {
        let sample = Sample::new("layer");
        let server = Server::start(move |_, seen| match seen.path.contains("/blobs/") {
            true => ok(config.clone()),
            false => sample.answer(seen).unwrap_or_else(not_found),
        })
        .await;
        let error = registries().resolve(&server.reference("app:1"), "", &options()).await.unwrap_err();
        assert_eq!((error.code, error.later), (code, false), "{}", error.message);
    }
}
