//! Logins: Basic, tokens, refresh, renewal, and what must never be sent where.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;

use super::*;
use crate::source::{
    auth::{Credentials, Login},
    secret::Secret,
};

/// `user:pass` in base64.
const BASIC: &str = "Basic dXNlcjpwYXNz";

fn with(server: &Server, login: Login) -> Registries {
    let credentials = Credentials { entries: vec![(server.host(), login)], ..Credentials::default() };
    registries_with(RegistryConfig { credentials, ..quick() })
}

fn user() -> Login {
    Login::Basic { username: "user".to_owned(), password: Secret::new("pass") }
}

fn challenge(own: &str) -> Reply {
    let challenge = format!(r#"Bearer realm="http://{own}/token",service="the service""#);
    reply(401, &[("www-authenticate", &challenge)], "")
}

/// A registry whose token service hands out `t1`, `t2`, … and which accepts those that `accepts` does.
async fn tokens(life: u64, accepts: impl Fn(&str, usize) -> bool + Send + Sync + 'static) -> Server {
    let sample = Sample::new("layer");
    let count = AtomicUsize::new(0);
    Server::start(move |own, seen| {
        if seen.path.starts_with("/token") {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            return ok(format!(r#"{{"token":"t{number}","expires_in":{life}}}"#));
        }
        let token = seen.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        if seen.path == "/v2/" || !accepts(token, count.load(Ordering::SeqCst)) {
            return challenge(own);
        }
        sample.answer(seen).unwrap_or_else(not_found)
    })
    .await
}

fn token_requests(server: &Server) -> usize {
    server.asked().iter().filter(|asked| asked.contains("/token")).count()
}

#[tokio::test]
async fn one_token_serves_a_repository_however_many_ask() {
    let server = tokens(300, |token, _| token == "t1").await;
    let registries = registries();
    let reference = server.reference("app:1");
    let options = options();
    let all = join_all((0..16).map(|_| registries.digest(&reference, &options))).await;
    assert!(all.iter().all(|digest| matches!(digest, Ok(Some(_)))), "{all:?}");
    assert_eq!(token_requests(&server), 1);
    assert_eq!(server.authorizations("/token"), [""]);
    let asked = server.asked();
    assert_eq!(asked[0], "GET /token?service=the+service&scope=repository%3Aapp%3Apull");
    assert!(matches!(registries.resolve(&reference, "", &options).await, Ok(Resolution::Image(_))));
    assert_eq!(token_requests(&server), 1);
    // Another repository is another scope; the catalog has one of its own.
    assert_eq!(
        registries.digest(&server.reference("other:1"), &options).await.unwrap_err().code,
        "unauthorized"
    );
    assert_eq!(registries.list(&server.host(), "", "", &options).await.unwrap_err().code, "catalog-refused");
    assert!(
        server.asked().iter().any(|asked| asked.contains("scope=registry%3Acatalog%3A*")),
        "{:?}",
        server.asked()
    );
}

#[tokio::test]
async fn a_login_goes_to_the_token_service_and_not_to_the_registry() {
    let server = tokens(300, |token, _| !token.is_empty()).await;
    let registries = with(&server, user());
    assert!(registries.digest(&server.reference("app:1"), &options()).await.is_ok());
    assert_eq!(server.authorizations("/token"), [BASIC]);
    assert_eq!(server.authorizations("/v2/app"), ["Bearer t1"]);
    // An identity token is exchanged by POST and never sent as a header.
    let registries = with(&server, Login::Identity(Secret::new("refresh me")));
    assert!(registries.digest(&server.reference("app:1"), &options()).await.is_ok());
    let seen = server.seen.lock().unwrap().iter().find(|seen| seen.method == "POST").cloned().unwrap();
    assert!(
        seen.body.contains("grant_type=refresh_token") && seen.body.contains("refresh_token=refresh+me"),
        "{}",
        seen.body
    );
    assert!(seen.body.contains("scope=repository%3Aapp%3Apull") && seen.header("authorization").is_empty());
    // A registry token is sent as it is.
    let registries = with(&server, Login::Bearer(Secret::new("ready")));
    assert!(registries.digest(&server.reference("app:1"), &options()).await.is_ok());
    assert_eq!(server.authorizations("/v2/app").last().map(String::as_str), Some("Bearer ready"));
}

#[tokio::test]
async fn who_pushes_gets_a_token_for_an_identity() {
    let server = tokens(300, |token, _| !token.is_empty()).await;
    let registries = with(&server, Login::Identity(Secret::new("refresh me")));
    let token = registries.push_token(&server.host(), "team/db", false).await.expect("a token");
    assert_eq!(token.expect("the registry wants one").expose(), "t1");
    let seen = server.seen.lock().unwrap().iter().find(|seen| seen.method == "POST").cloned().unwrap();
    for part in
        ["grant_type=refresh_token", "refresh_token=refresh+me", "scope=repository%3Ateam%2Fdb%3Apull%2Cpush"]
    {
        assert!(seen.body.contains(part), "{part} is not in {}", seen.body);
    }
    // Where nobody asks for a token there is none.
    let open = Server::start(|_, _| ok("{}")).await;
    let registries = with(&open, Login::Identity(Secret::new("refresh me")));
    assert_eq!(registries.push_token(&open.host(), "team/db", false).await.expect("no failure"), None);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    // The registry has forgotten every token but the newest.
    let server = tokens(300, |token, count| token == format!("t{count}") && count != 1).await;
    let registries = registries();
    let reference = server.reference("app:1");
    let first = registries.digest(&reference, &options()).await.unwrap_err();
    assert_eq!(
        (first.code, token_requests(&server)),
        ("unauthorized", 1),
        "a fresh token that is refused is not renewed"
    );
    assert!(registries.digest(&reference, &options()).await.is_ok());
    assert_eq!(token_requests(&server), 2);
}

#[tokio::test]
async fn tokens_that_expire_at_once_are_asked_for_again() {
    let server = tokens(0, |token, _| !token.is_empty()).await;
    let registries = registries();
    for count in 1..4 {
        assert!(registries.digest(&server.reference("app:1"), &options()).await.is_ok());
        assert_eq!(token_requests(&server), count);
    }
}

#[tokio::test]
async fn basic_logins_and_their_absence() {
    let basic = || {
        Server::start(|_, seen| match seen.header("authorization") {
            BASIC => Sample::new("layer").answer(seen).unwrap_or_else(|| ok("")),
            _ => reply(401, &[("www-authenticate", "Basic realm=\"x\"")], ""),
        })
    };
    let server = basic().await;
    assert!(with(&server, user()).digest(&server.reference("app:1"), &options()).await.is_ok());
    let wrong = Login::Basic { username: "user".to_owned(), password: Secret::new("hunter2") };
    let server = basic().await;
    let error = with(&server, wrong).digest(&server.reference("app:1"), &options()).await.unwrap_err();
    assert_eq!((error.code, error.later), ("unauthorized", false));
    assert!(error.message.contains("refused the login; run `docker login"), "{}", error.message);
    assert_eq!(server.asked().len(), 1, "a wrong password is not sent twice");
    let error = registries().digest(&server.reference("app:1"), &options()).await.unwrap_err();
    assert!(error.code == "unauthorized" && error.message.contains("wants a login"), "{}", error.message);
}

#[tokio::test]
async fn token_services_that_refuse_or_babble() {
    for (answer, code, later) in [
        ((401, ""), "unauthorized", false),
        ((400, ""), "unauthorized", false),
        ((503, ""), "network", true),
        ((429, ""), "rate-limited", true),
        ((200, "{}"), "malformed", false),
        ((200, "nonsense"), "malformed", false),
        ((302, ""), "refused", false),
    ] {
        let server = Server::start(move |own, seen| match seen.path.starts_with("/token") {
            true => reply(answer.0, &[("location", "http://127.0.0.1:1/")], answer.1),
            false => challenge(own),
        })
        .await;
        let error = with(&server, user()).digest(&server.reference("app:1"), &options()).await.unwrap_err();
        assert_eq!((error.code, error.later), (code, later), "{answer:?}: {}", error.message);
        assert!(!error.message.contains("pass"), "{}", error.message);
    }
}

#[tokio::test]
async fn logins_are_not_carried_to_strange_realms() {
    for realm in ["http://auth.example/token", "ftp://127.0.0.1/token", "nonsense", "file:///etc/passwd"] {
        let challenge = format!(r#"Bearer realm="{realm}""#);
        let server = Server::start(move |_, _| reply(401, &[("www-authenticate", &challenge)], "")).await;
        let error = with(&server, user()).digest(&server.reference("app:1"), &options()).await.unwrap_err();
        assert_eq!((error.code, error.later), ("realm-refused", false), "{realm}: {}", error.message);
    }
}

#[tokio::test]
async fn logins_do_not_follow_redirects_to_another_host() {
    let storage = Server::start(|_, _| ok("abc")).await;
    let target = format!("http://{}/bucket?signature=s", storage.host());
    let server = Server::start(move |_, seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/v2/app/here", BASIC) => reply(307, &[("location", &target)], ""),
        (path, BASIC) if path.contains("/blobs/") => reply(302, &[("location", "/v2/app/here")], ""),
        _ => reply(401, &[("www-authenticate", "Basic")], ""),
    })
    .await;
    let digest = Digest::of(b"abc").to_string();
    let registries = with(&server, user());
    assert!(registries.blob(&server.reference("app:1"), &digest, &options()).await.is_ok());
    assert_eq!(server.authorizations("/v2/app"), [BASIC, BASIC], "the same host may see it again");
    assert_eq!(storage.authorizations("/bucket"), [""]);
}

#[tokio::test]
async fn the_public_client_refuses_names_of_this_machine() {
    let server = Server::start(|_, _| ok("")).await;
    let registries = registries();
    let url: url::Url = format!("http://localhost:{}/", server.address.port()).parse().unwrap();
    let pick = |guard| registries.0.clients.pick(&registries.0.config, &url, false, guard).unwrap();
    let error = pick(address::Guard::PublicOnly).get(url.clone()).send().await.unwrap_err();
    assert!(address::is_refusal(&error), "{error:?}");
    let asked = Asked { what: "r/a:1", host: "r", login: false };
    assert_eq!(asked.network(&error).code, "redirect-refused");
    assert!(pick(address::Guard::Anywhere).get(url.clone()).send().await.is_ok());
}
