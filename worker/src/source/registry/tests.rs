//! Against small registries on loopback, each with the behaviour that its test needs.

use std::net::SocketAddr;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request as HttpRequest,
    http::{HeaderMap, Response as HttpResponse},
};
use tokio::task::JoinHandle;

use super::*;

mod auth;
mod blobs;
mod bulk_tests;
mod images;
mod manners;
mod pages;
mod parts;
mod real;
mod referrers;

/// A request as a registry saw it.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    /// Path and query.
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

type Reply = HttpResponse<Body>;

/// A registry that runs until it is dropped.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Starts one. The behaviour also learns the server's own address; `/v2/` it need not know.
    async fn start(behave: impl Fn(&str, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, own) = (Arc::clone(&seen), address.to_string());
        let behave = Arc::new(behave);
        let router = Router::new().fallback(move |request: HttpRequest| {
            let (log, own, behave) = (Arc::clone(&log), own.clone(), Arc::clone(&behave));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let seen = Seen {
                    method: parts.method.to_string(),
                    path: parts.uri.to_string(),
                    headers: parts.headers,
                    body: String::from_utf8_lossy(&body).into_owned(),
                };
                log.lock().unwrap().push(seen.clone());
                behave(&own, &seen)
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, task }
    }

    fn host(&self) -> String {
        self.address.to_string()
    }

    fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// What was asked so far, but for the first look at `/v2/`: method and path.
    fn asked(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let seen = seen.iter().filter(|seen| seen.path != "/v2/");
        seen.map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    fn authorizations(&self, path: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let seen = seen.iter().filter(|seen| seen.path.starts_with(path));
        seen.map(|seen| seen.header("authorization").to_owned()).collect()
    }
}

fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let mut reply = HttpResponse::builder().status(status);
    for (name, value) in headers {
        reply = reply.header(*name, *value);
    }
    reply.body(body.into()).unwrap()
}

fn ok(body: impl Into<Body>) -> Reply {
    reply(200, &[], body)
}

fn not_found() -> Reply {
    reply(404, &[], "")
}

fn quick() -> RegistryConfig {
    RegistryConfig { idle_timeout: std::time::Duration::from_secs(10), ..RegistryConfig::default() }
}

fn registries() -> Registries {
    registries_with(quick())
}

fn registries_with(config: RegistryConfig) -> Registries {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Registries::new(config).unwrap()
}

fn options() -> SourceOptions {
    SourceOptions::default()
}

/// One image: configuration, manifest, and what a registry answers for them.
struct Sample {
    config: String,
    manifest: String,
    layer: Digest,
}

impl Sample {
    fn new(name: &str) -> Self {
        let layer = Digest::of(name.as_bytes());
        let config = format!(
            r#"{{"os":"linux","architecture":"amd64","rootfs":{{"diff_ids":["{layer}"]}},"history":[{{"created_by":"{name}"}}]}}"#
        );
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{}","size":{}}},
                "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":3}}]}}"#,
            "application/vnd.oci.image.config.v1+json",
            Digest::of(config.as_bytes()),
            config.len()
        );
        Self { config, manifest, layer }
    }

    fn digest(&self) -> Digest {
        Digest::of(self.manifest.as_bytes())
    }

    /// The image's documents, under the repository `app` and the tag `1`.
    fn answer(&self, seen: &Seen) -> Option<Reply> {
        let config = format!("/v2/app/blobs/{}", Digest::of(self.config.as_bytes()));
        let digest = self.digest().to_string();
        if seen.path == config {
            return Some(ok(self.config.clone()));
        }
        let is_manifest =
            seen.path == "/v2/app/manifests/1" || seen.path == format!("/v2/app/manifests/{digest}");
        is_manifest.then(|| {
            let headers = [("content-type", media::MANIFESTS[0]), ("docker-content-digest", &digest)];
            reply(200, &headers, self.manifest.clone())
        })
    }
}
