//! Cloud logins against servers on loopback that answer as the clouds' services are documented to.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, Response, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{SignatureScheme, pki_types::SignatureVerificationAlgorithm};
use tokio::task::JoinHandle;

use super::*;

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

#[derive(Debug, Clone)]
struct Seen {
    /// Method, path and query.
    line: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn field(&self, name: &str) -> Option<String> {
        let mut fields = url::form_urlencoded::parse(self.body.as_bytes());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

struct Server {
    host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(answer: impl Fn(&Seen) -> (u16, String) + Send + Sync + 'static) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        let router = Router::new().fallback(move |request: Request| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let seen = Seen {
                    line: format!("{} {}", parts.method, parts.uri),
                    headers: parts.headers,
                    body: String::from_utf8_lossy(&body).into_owned(),
                };
                log.lock().unwrap().push(seen.clone());
                let (status, body) = answer(&seen);
                let mut response = Response::new(body);
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                response
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, seen, task }
    }

    fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.line.clone()).collect()
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }
}

fn basic(username: &str, password: &str) -> Option<Login> {
    Some(Login::Basic { username: username.to_owned(), password: Secret::new(password) })
}

/// `AWS:pass:word` in base64, as ECR answers.
const TOKENS: &str = r#"{"authorizationData":[{"authorizationToken":"QVdTOnBhc3M6d29yZA==","expiresAt":1.7E9,"proxyEndpoint":"https://x"}]}"#;

fn aws(server: &Server) -> Aws {
    let endpoints = Endpoints { ecr: server.url(), sts: server.url(), metadata: server.url() };
    Aws { endpoints, ..Aws::default() }
}

#[test]
fn hosts_of_clouds() {
    for (host, want) in [
        (ECR, Some(("eu-west-1", false))),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", Some(("us-gov-west-1", true))),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", Some(("cn-north-1", false))),
        ("12345.dkr.ecr.eu-west-1.amazonaws.com", None),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", None),
        ("123456789012.dkr.s3.eu-west-1.amazonaws.com", None),
        ("public.ecr.aws", None),
    ] {
        let found = aws::registry(host);
        assert_eq!(found.as_ref().map(|found| (found.region.as_str(), found.fips)), want, "{host}");
    }
    for (host, google, azure) in [
        ("gcr.io", true, false),
        ("eu.gcr.io", true, false),
        ("europe-west1-docker.pkg.dev", true, false),
        ("evilgcr.io", false, false),
        ("gcr.io.evil.example", false, false),
        ("team.azurecr.io", false, true),
        ("azurecr.io.evil.example", false, false),
    ] {
        assert_eq!((google::is_registry(host), azure::is_registry(host)), (google, azure), "{host}");
    }
}

#[tokio::test]
async fn ecr_with_keys_of_the_environment() {
    let server = Server::start(|_| (200, TOKENS.to_owned())).await;
    let session = Some(Secret::new("session"));
    let keys = Some(("AKIDEXAMPLE".to_owned(), Secret::new("very secret"), session));
    let credentials = Credentials { aws: Aws { keys, ..aws(&server) }, ..Credentials::default() };
    assert_eq!(find(&credentials, ECR).await, Ok(basic("AWS", "pass:word")));
    let seen = server.last();
    assert_eq!(seen.line, "POST /");
    assert_eq!(seen.header("x-amz-target"), "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
    assert_eq!(seen.header("x-amz-security-token"), "session");
    let authorization = seen.header("authorization");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
    assert!(authorization.contains("/eu-west-1/ecr/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "));
    assert!(!format!("{seen:?}").contains("very secret"));
    // Other hosts never see it.
    assert_eq!(find(&credentials, "r.example").await, Ok(None));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn ecr_with_the_roles_of_pods_tasks_and_instances() {
    let server = Server::start(|seen| {
        let keys = r#"{"AccessKeyId":"AK","SecretAccessKey":"SK","Token":"TK","Expiration":"2030-01-01T00:00:00Z"}"#;
        let answer = match seen.line.as_str() {
            "PUT /latest/api/token" => "imds-token",
            "GET /latest/meta-data/iam/security-credentials/" => "node-role",
            "GET /latest/meta-data/iam/security-credentials/node-role" | "GET /container" => keys,
            _ if seen.body.contains("AssumeRoleWithWebIdentity") => {
                "<AssumeRoleWithWebIdentityResponse><Credentials><AccessKeyId>AK</AccessKeyId>\
                 <SecretAccessKey>SK</SecretAccessKey><SessionToken>TK</SessionToken></Credentials></AssumeRoleWithWebIdentityResponse>"
            }
            _ => TOKENS,
        };
        (200, answer.to_owned())
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "pod-token\n").unwrap();
    let role = "arn:aws:iam::123456789012:role/strata".to_owned();
    let cases = [
        (Aws { web_identity: Some((role, token.clone())), ..aws(&server) }, 2),
        (
            Aws {
                container: Some(format!("{}/container", server.url())),
                container_token: Some(token),
                ..aws(&server)
            },
            2,
        ),
        (Aws { metadata: true, ..aws(&server) }, 4),
    ];
    for (aws, requests) in cases {
        server.seen.lock().unwrap().clear();
        let credentials = Credentials { aws, ..Credentials::default() };
        assert_eq!(find(&credentials, ECR).await, Ok(basic("AWS", "pass:word")));
        assert_eq!(server.lines().len(), requests, "{:?}", server.lines());
        assert_eq!(server.last().header("x-amz-security-token"), "TK");
        assert!(server.last().header("authorization").contains("Credential=AK/"));
        let first = server.seen.lock().unwrap()[0].clone();
        match first.line.as_str() {
            "POST /" => assert_eq!(first.field("WebIdentityToken").as_deref(), Some("pod-token")),
            "GET /container" => assert_eq!(first.header("authorization"), "pod-token"),
            _ => assert!(!first.header("x-aws-ec2-metadata-token-ttl-seconds").is_empty()),
        }
    }
    let nothing = Credentials { aws: aws(&server), ..Credentials::default() };
    assert_eq!(find(&nothing, ECR).await, Ok(None), "anonymous, and nobody was asked");
}

#[tokio::test]
async fn clouds_that_refuse_or_babble() {
    for (status, body, code, later) in [
        (403, "", "unauthorized", false),
        (400, r#"{"__type":"UnrecognizedClientException"}"#, "unauthorized", false),
        (500, "", "credentials", true),
        (429, "", "credentials", true),
        (302, "", "unauthorized", false),
        (200, "{}", "credentials", false),
        (200, r#"{"authorizationData":[]}"#, "credentials", false),
        (200, r#"{"authorizationData":[{"authorizationToken":"bm9jb2xvbg=="}]}"#, "credentials", false),
        (200, &" ".repeat(300 << 10), "credentials", false),
    ] {
        let body = body.to_owned();
        let server = Server::start(move |_| (status, body.clone())).await;
        let keys = Some(("AK".to_owned(), Secret::new("very secret"), None));
        let credentials = Credentials { aws: Aws { keys, ..aws(&server) }, ..Credentials::default() };
        let error = find(&credentials, ECR).await.unwrap_err();
        assert_eq!((error.code, error.later), (code, later), "{status}: {}", error.message);
        assert!(error.message.contains(ECR) && !error.message.contains("very secret"), "{}", error.message);
    }
}

#[tokio::test]
async fn google_by_a_service_account_that_signs() {
    let server = Server::start(|_| (200, r#"{"access_token":"ya29","expires_in":3599}"#.to_owned())).await;
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    let file = serde_json::json!({
        "type": "service_account", "client_email": "scanner@project.example", "private_key_id": "k1",
        "private_key": key.serialize_pem(), "token_uri": format!("{}/token", server.url()),
    });
    std::fs::write(&path, file.to_string()).unwrap();
    let google = Google { key_file: Some(path), ..Google::default() };
    let credentials = Credentials { google, ..Credentials::default() };
    assert_eq!(find(&credentials, "eu.gcr.io").await, Ok(basic("oauth2accesstoken", "ya29")));
    let seen = server.last();
    assert_eq!(seen.field("grant_type").as_deref(), Some("urn:ietf:params:oauth:grant-type:jwt-bearer"));
    let assertion = seen.field("assertion").unwrap();
    let (text, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let (_, verifiers): &(SignatureScheme, &[&dyn SignatureVerificationAlgorithm]) =
        algorithms.mapping.iter().find(|(scheme, _)| *scheme == SignatureScheme::RSA_PKCS1_SHA256).unwrap();
    let verified = verifiers
        .iter()
        .any(|one| one.verify_signature(key.public_key_raw(), text.as_bytes(), &signature).is_ok());
    assert!(verified, "the token service would refuse it");
    let claims = URL_SAFE_NO_PAD.decode(text.split_once('.').unwrap().1).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "scanner@project.example");
    assert_eq!(claims["aud"], format!("{}/token", server.url()));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3_600);
}

#[tokio::test]
async fn google_by_the_machine_and_by_keys_that_are_none() {
    let server = Server::start(|seen| match seen.header("metadata-flavor") {
        "Google" => (200, r#"{"access_token":"machine","expires_in":3599,"token_type":"Bearer"}"#.to_owned()),
        _ => (403, String::new()),
    })
    .await;
    let with = |google| Credentials { google, ..Credentials::default() };
    let machine = with(Google { metadata: server.host.clone(), ..Google::default() });
    let found = find(&machine, "europe-west1-docker.pkg.dev").await;
    assert_eq!(found, Ok(basic("oauth2accesstoken", "machine")));
    assert_eq!(server.lines(), ["GET /computeMetadata/v1/instance/service-accounts/default/token"]);
    // Nobody there: this machine is elsewhere, and asks anonymously.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap().to_string();
    drop(listener);
    let elsewhere = with(Google { metadata: nobody, ..Google::default() });
    assert_eq!(find(&elsewhere, "gcr.io").await, Ok(None));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    for text in [
        "nonsense".to_owned(),
        r#"{"type":"external_account"}"#.to_owned(),
        r#"{"type":"service_account","private_key":"very secret"}"#.to_owned(),
        r#"{"type":"authorized_user","token_uri":"http://evil.example/token"}"#.to_owned(),
    ] {
        std::fs::write(&path, &text).unwrap();
        let credentials = with(Google { key_file: Some(path.clone()), ..Google::default() });
        let error = find(&credentials, "gcr.io").await.unwrap_err();
        assert_eq!((error.code, error.later), ("credentials", false), "{text}");
        assert!(!error.message.contains("very secret"), "{}", error.message);
    }
}

#[tokio::test]
async fn azure_by_applications_pods_and_machines() {
    let server = Server::start(|seen| match seen.line.split('?').next().unwrap_or_default() {
        "POST /tenant/oauth2/v2.0/token" | "GET /metadata/identity/oauth2/token" => {
            (200, r#"{"access_token":"entra","expires_in":3599}"#.to_owned())
        }
        "POST /oauth2/exchange" => (200, r#"{"refresh_token":"refresh"}"#.to_owned()),
        _ => (404, String::new()),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, "federated").unwrap();
    let own = || Azure {
        tenant: "tenant".to_owned(),
        client: "app".to_owned(),
        authority: server.url(),
        registry: server.url(),
        ..Azure::default()
    };
    let host = "team.azurecr.io";
    for (azure, field) in [
        (Azure { secret: Some(Secret::new("s3cret")), ..own() }, ("client_secret", "s3cret")),
        (Azure { token_file: Some(token_file), ..own() }, ("client_assertion", "federated")),
        (Azure { metadata: server.host.clone(), ..own() }, ("", "")),
    ] {
        server.seen.lock().unwrap().clear();
        let credentials = Credentials { azure, ..Credentials::default() };
        assert_eq!(find(&credentials, host).await, Ok(Some(Login::Identity(Secret::new("refresh")))));
        let first = server.seen.lock().unwrap()[0].clone();
        if field.0.is_empty() {
            assert_eq!(first.header("metadata"), "true");
            assert!(first.line.contains("resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id=app"));
        } else {
            assert_eq!(first.field(field.0).as_deref(), Some(field.1));
            assert_eq!(first.field("scope").as_deref(), Some("https://management.azure.com/.default"));
        }
        let exchange = server.last();
        for (name, value) in [
            ("grant_type", "access_token"),
            ("service", host),
            ("tenant", "tenant"),
            ("access_token", "entra"),
        ] {
            assert_eq!(exchange.field(name).as_deref(), Some(value));
        }
    }
}

#[tokio::test]
async fn mounted_secrets_and_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for secret in ["team-a", "team-b", "..2026_11_22"] {
        std::fs::create_dir(at(secret)).unwrap();
    }
    let entry =
        |host: &str, password: &str| format!(r#""{host}":{{"username":"u","password":"{password}"}}"#);
    let write = |name: &str, text: String| std::fs::write(at(name), text).unwrap();
    write("team-a/.dockerconfigjson", format!(r#"{{"auths":{{{}}}}}"#, entry("a.example", "one")));
    write("team-b/.dockercfg", format!("{{{}}}", entry("https://b.example/v2/", "two")));
    write("..2026_11_22/config.json", format!(r#"{{"auths":{{{}}}}}"#, entry("c.example", "old")));
    let inline = format!(r#"{{"auths":{{{}}}}}"#, entry("d.example", "inline"));
    let credentials = Credentials {
        inline_config: Some(Secret::new(inline)),
        config_files: vec![directory.path().to_owned()],
        ..Credentials::default()
    };
    for (host, want) in [
        ("a.example", basic("u", "one")),
        ("b.example", basic("u", "two")),
        ("c.example", None),
        ("d.example", basic("u", "inline")),
        ("e.example", None),
    ] {
        assert_eq!(find(&credentials, host).await, Ok(want), "{host}");
    }
    // Rotated under the running process.
    write("team-a/.dockerconfigjson", format!(r#"{{"auths":{{{}}}}}"#, entry("a.example", "three")));
    assert_eq!(find(&credentials, "a.example").await, Ok(basic("u", "three")));
    write("team-a/.dockerconfigjson", "{very secret".to_owned());
    let error = find(&credentials, "a.example").await.unwrap_err();
    assert!(error.code == "credentials" && !error.message.contains("very secret"), "{}", error.message);
    let gone = Credentials { config_files: vec![at("gone")], ..Credentials::default() };
    assert_eq!(
        find(&gone, "a.example").await.unwrap_err().code,
        "credentials",
        "what is named must be there"
    );
    assert!(!format!("{credentials:?}").contains("inline\""), "{credentials:?}");
}
