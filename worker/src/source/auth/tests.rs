//! Logins from configurations and helpers.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use proptest::prelude::*;

use super::{docker_config::parse, *};

fn basic(username: &str, password: &str) -> Option<Login> {
    Some(Login::Basic { username: username.to_owned(), password: Secret::new(password) })
}

#[test]
fn logins_in_a_docker_config() {
    // auth values: base64 of `user:pass`, `u:p:q`, `nocolon`.
    let text = r#"{
        "auths": {
            "https://index.docker.io/v1/": {"auth": "dXNlcjpwYXNz"},
            "r.example:5000": {"auth": "dTpwOnE="},
            "https://plain.example/v2/": {"username": "a", "password": "b"},
            "id.example": {"auth": "dXNlcjpwYXNz", "identitytoken": "T"},
            "tok.example": {"registrytoken": "R"},
            "part.example/team": {"auth": "dXNlcjpwYXNz"},
            "helped.example": {},
            "null.example": null,
            "bad.example": {"auth": "bm9jb2xvbg=="},
            "worse.example": {"auth": "%%%"}
        },
        "credHelpers": {"own.example": "own"},
        "HttpHeaders": {"X": "y"}
    }"#;
    let config = parse(text.as_bytes()).unwrap();
    let path = Path::new("/c/config.json");
    for (host, want) in [
        ("docker.io", basic("user", "pass")),
        ("registry-1.docker.io", basic("user", "pass")),
        ("r.example:5000", basic("u", "p:q")),
        ("r.example", None),
        ("plain.example", basic("a", "b")),
        ("id.example", Some(Login::Identity(Secret::new("T")))),
        ("tok.example", Some(Login::Bearer(Secret::new("R")))),
        // A login for a part of a registry is none for all of it.
        ("part.example", None),
        ("helped.example", None),
        ("null.example", None),
        ("other.example", None),
    ] {
        assert_eq!(config.login(path, host), Ok(want), "{host}");
    }
    for host in ["bad.example", "worse.example"] {
        let error = config.login(path, host).unwrap_err();
        assert_eq!(error.code, "credentials");
        assert!(error.message.contains(host) && !error.message.contains("nocolon"), "{}", error.message);
    }
    assert_eq!(config.helper("own.example"), Some(("own", "own.example".to_owned())));
    assert_eq!(config.helper("r.example:5000"), None);
    let store = parse(br#"{"credsStore":"desk","auths":{"https://a.example/v2/":{}}}"#).unwrap();
    assert_eq!(store.helper("a.example"), Some(("desk", "https://a.example/v2/".to_owned())));
    assert_eq!(store.helper("docker.io"), Some(("desk", HUB_KEY.to_owned())));
    assert_eq!(store.helper("b.example"), Some(("desk", "b.example".to_owned())));
}

#[test]
fn a_login_never_prints_its_secret() {
    for login in [
        Login::Basic { username: "me".to_owned(), password: Secret::new("hunter2") },
        Login::Identity(Secret::new("hunter2")),
        Login::Bearer(Secret::new("hunter2")),
    ] {
        let credentials = Credentials { entries: vec![("r".to_owned(), login)], ..Credentials::default() };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn settings_come_first_and_a_missing_file_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let mut credentials = Credentials {
        entries: vec![("a.example".to_owned(), basic("fixed", "1").unwrap())],
        docker_config: Some(path.clone()),
        ..Credentials::default()
    };
    assert_eq!(find(&credentials, "b.example").await, Ok(None));
    std::fs::write(&path, r#"{"auths":{"a.example":{"username":"file","password":"2"},"b.example":{"username":"file","password":"2"}}}"#).unwrap();
    assert_eq!(find(&credentials, "a.example").await, Ok(basic("fixed", "1")));
    assert_eq!(find(&credentials, "b.example").await, Ok(basic("file", "2")));
    credentials.docker_config = None;
    assert_eq!(find(&credentials, "b.example").await, Ok(None));

    credentials.docker_config = Some(path.clone());
    std::fs::write(&path, r#"{"auths": {"b.example": {"password": hunter2"#).unwrap();
    let error = find(&credentials, "b.example").await.unwrap_err();
    assert_eq!((error.code, error.later), ("credentials", false));
    assert!(error.message.contains("config.json") && !error.message.contains("hunter2"), "{}", error.message);
}

/// What a helper program of this script answers.
async fn with_helper(script: &str, timeout: Duration) -> Result<Option<Login>, JobError> {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("docker-credential-test");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let answer =
        tokio::time::timeout(timeout, helper::ask(program.to_str().unwrap(), "r.example", "r.example"));
    answer.await.unwrap_or_else(|_| Err(JobError::later("credentials", "timeout")))
}

#[tokio::test]
async fn helpers_answer_refuse_and_hang() {
    let long = Duration::from_secs(60);
    let echo = "#!/bin/sh\nread key\necho \"{\\\"Username\\\":\\\"$1 $key\\\",\\\"Secret\\\":\\\"s\\\"}\"\n";
    assert_eq!(with_helper(echo, long).await, Ok(basic("get r.example", "s")));
    let token = "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"t\"}'\n";
    assert_eq!(with_helper(token, long).await, Ok(Some(Login::Identity(Secret::new("t")))));
    let none = "#!/bin/sh\necho 'credentials not found in native keychain'\nexit 1\n";
    assert_eq!(with_helper(none, long).await, Ok(None));
    for script in ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho hunter2\n"] {
        let error = with_helper(script, long).await.unwrap_err();
        assert_eq!((error.code, error.later), ("credentials", false));
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
    let hang = with_helper("#!/bin/sh\nexec sleep 600\n", Duration::from_millis(50)).await.unwrap_err();
    assert!(hang.later);
}

#[tokio::test]
async fn a_helper_that_is_missing_or_no_plain_name_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let credentials = Credentials { docker_config: Some(path.clone()), ..Credentials::default() };
    for (helper, say) in [("strata-test-missing", "does not start"), ("../../bin/sh", "no plain name")] {
        std::fs::write(&path, format!(r#"{{"credHelpers":{{"r.example":"{helper}"}}}}"#)).unwrap();
        let error = find(&credentials, "r.example").await.unwrap_err();
        assert!(error.message.contains(say), "{}", error.message);
        assert_eq!(find(&credentials, "other.example").await, Ok(None));
    }
}

proptest! {
    #[test]
    fn a_config_of_nonsense_never_panics(text in "[ -~]{0,200}", host in "[a-z./:]{0,20}") {
        if let Ok(config) = parse(text.as_bytes()) {
            let _ = (config.login(Path::new("x"), &host), config.helper(&host));
        }
    }

    #[test]
    fn what_docker_writes_is_read(user in "[a-z<>]{1,12}", password in "[ -~]{1,40}", host in "[a-z]{1,8}\\.example(:[1-9][0-9]{0,3})?") {
        use base64::Engine as _;
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let config = parse(format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#).as_bytes()).unwrap();
        prop_assert_eq!(config.login(Path::new("x"), &host), Ok(basic(&user, &password)));
    }
}
