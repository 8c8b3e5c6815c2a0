//! One request → its answer.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use strata_proto::digest::Digest;

use super::{
    Catalog, Shared,
    auth::Challenge,
    body::{self, Delivery},
    counters::count,
    faults::Fault,
    query,
    range::{self, Wanted},
    route::{Route, route},
};
use crate::content::{DOCKER_LIST, OCI_INDEX, Rope, Store};

const DOCKER_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// What an answer needs of its request.
struct Asked {
    head: bool,
    path: String,
    query: String,
    headers: HeaderMap,
    client: Option<SocketAddr>,
}

/// Answers a request.
pub(crate) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    count(&shared.counters.requests);
    let (parts, _) = request.into_parts();
    let asked = Asked {
        head: parts.method == Method::HEAD,
        path: query::decode(parts.uri.path()),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        client: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0),
        headers: parts.headers,
    };
    let mut response = if matches!(parts.method, Method::GET | Method::HEAD) {
        answer_read(&shared, &asked).await
    } else {
        error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this registry can only be read")
    };
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    if asked.head {
        *response.body_mut() = Body::empty();
    }
    response
}

async fn answer_read(shared: &Arc<Shared>, asked: &Asked) -> Response {
    let route = route(&asked.path);
    if route == Route::Token {
        return token(shared, asked);
    }
    let scope = match &route {
        Route::Tags(name) | Route::Manifest(name, _) | Route::Blob(name, _) => {
            format!("repository:{name}:pull")
        }
        Route::Catalog => "registry:catalog:*".to_owned(),
        _ => String::new(),
    };
    if let Err(challenge) = shared.auth.admit(&asked.headers, &scope) {
        return unauthorized(shared, &challenge);
    }
    let faults = shared.faults.faults();
    if !faults.latency.is_zero() {
        tokio::time::sleep(faults.latency).await;
    }
    let fault = if route == Route::Ping { None } else { shared.faults.next(&asked.path) };
    if fault.is_some() {
        count(&shared.counters.faults);
    }
    match fault {
        Some(Fault::TooManyRequests) => {
            let mut response = error(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "slow down");
            set(&mut response, header::RETRY_AFTER, &faults.retry_after.as_secs().to_string());
            return response;
        }
        Some(Fault::ServerError) => {
            return error(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "this failure is on purpose");
        }
        _ => {}
    }
    let delivery = Delivery { bandwidth: faults.bandwidth, fault, counters: None, stop: shared.stop.clone() };
    match route {
        Route::Ping => sized("application/json", Bytes::from_static(b"{}"), delivery),
        Route::Catalog => catalog(shared, asked, delivery),
        Route::Tags(name) => tags(shared, asked, name, delivery).await,
        Route::Manifest(name, reference) => manifest(shared, asked, (name, reference), delivery).await,
        Route::Blob(name, digest) => blob(shared, asked, (name, digest), delivery).await,
        Route::BadName => {
            error(StatusCode::BAD_REQUEST, "NAME_INVALID", "the repository's name is malformed")
        }
        Route::BadDigest => error(StatusCode::BAD_REQUEST, "DIGEST_INVALID", "the digest is malformed"),
        Route::Unknown | Route::Token => {
            error(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such endpoint")
        }
    }
}

fn token(shared: &Shared, asked: &Asked) -> Response {
    match shared.auth.token(&asked.headers, &asked.query) {
        None => error(StatusCode::NOT_FOUND, "NOT_FOUND", "this registry has no tokens"),
        Some(Err(challenge)) => unauthorized(shared, &challenge),
        Some(Ok(json)) => {
            count(&shared.counters.tokens);
            let delivery =
                Delivery { bandwidth: None, fault: None, counters: None, stop: shared.stop.clone() };
            sized("application/json", Bytes::from(json), delivery)
        }
    }
}

fn catalog(shared: &Shared, asked: &Asked, delivery: Delivery) -> Response {
    match shared.catalog {
        Catalog::Open => {}
        Catalog::Unauthorized => {
            let message = "the catalog is not for everybody";
            count(&shared.counters.refused);
            return error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
        }
        Catalog::NotFound => return error(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no catalog"),
    }
    count(&shared.counters.catalog_pages);
    let (limit, after) = page(shared, asked);
    let names = shared.store.repositories(after.as_deref(), limit.saturating_add(1));
    listing(asked, names, limit, delivery, |names| serde_json::json!({ "repositories": names }))
}

async fn tags(shared: &Arc<Shared>, asked: &Asked, name: &str, delivery: Delivery) -> Response {
    let (limit, after) = page(shared, asked);
    let repository = name.to_owned();
    let found =
        compute(shared, move |store| store.tags(&repository, after.as_deref(), limit.saturating_add(1)));
    match found.await {
        Ok(Some(names)) => {
            count(&shared.counters.tag_pages);
            listing(asked, names, limit, delivery, |tags| serde_json::json!({ "name": name, "tags": tags }))
        }
        Ok(None) => error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "there is no such repository"),
        Err(failure) => internal(&failure),
    }
}

/// How many names a listing's client wants, and after which one.
fn page(shared: &Shared, asked: &Asked) -> (usize, Option<String>) {
    let number = query::values(&asked.query, "n").first().and_then(|n| n.parse::<usize>().ok());
    let limit = number.map_or(shared.page, |n| n.min(shared.page));
    (limit, query::values(&asked.query, "last").into_iter().next())
}

/// A page of names. One more than fits tells that there is a next page.
fn listing(
    asked: &Asked,
    mut names: Vec<String>,
    limit: usize,
    delivery: Delivery,
    json: impl Fn(&[String]) -> serde_json::Value,
) -> Response {
    let more = names.len() > limit;
    names.truncate(limit);
    let mut response = sized("application/json", Bytes::from(json(&names).to_string()), delivery);
    if let Some(last) = names.last().filter(|_| more) {
        let link = format!("<{}?last={}&n={limit}>; rel=\"next\"", asked.path, query::encode(last));
        set(&mut response, header::LINK, &link);
    }
    response
}

async fn manifest(shared: &Arc<Shared>, asked: &Asked, of: (&str, &str), delivery: Delivery) -> Response {
    let known = if asked.head { shared.store.known(of.0, of.1) } else { None };
    let (head, bytes) = match known {
        Some(head) => (head, None),
        None => {
            let (repository, reference) = (of.0.to_owned(), of.1.to_owned());
            match compute(shared, move |store| store.manifest(&repository, &reference)).await {
                Ok(Some(manifest)) => (manifest.head(), Some(manifest.bytes)),
                Ok(None) => {
                    return error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "there is no such manifest");
                }
                Err(failure) => return internal(&failure),
            }
        }
    };
    if !accepts(&asked.headers, &head.media_type) {
        return error(
            StatusCode::NOT_FOUND,
            "MANIFEST_UNKNOWN",
            "the request does not accept the manifest's type",
        );
    }
    count(if asked.head { &shared.counters.manifest_heads } else { &shared.counters.manifest_gets });
    let digest = head.digest.to_string();
    let etag = format!("\"{digest}\"");
    let held = asked.headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if held.is_some_and(|held| held == etag || held == "*") {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut response = empty(StatusCode::OK);
        set(&mut response, header::CONTENT_TYPE, &head.media_type);
        set(&mut response, header::CONTENT_LENGTH, &head.size.to_string());
        *response.body_mut() = body::body(bytes.unwrap_or_default().into(), delivery);
        response
    };
    set(&mut response, DOCKER_DIGEST, &digest);
    set(&mut response, header::ETAG, &etag);
    response
}

/// Whether a request's Accept headers allow a manifest of this type. Without any, everything is allowed; a client that
/// accepts manifests but not this index is told that there is none, as other registries do.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut values =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if values.peek().is_none() {
        return true;
    }
    let matches = |range: &str| {
        let range = range.split(';').next().unwrap_or_default().trim();
        range == "*/*" || range == "application/*" || range.eq_ignore_ascii_case(media_type)
    };
    let is_index = media_type == OCI_INDEX || media_type == DOCKER_LIST;
    !is_index || values.flat_map(|value| value.split(',')).any(matches)
}

async fn blob(shared: &Arc<Shared>, asked: &Asked, of: (&str, Digest), mut delivery: Delivery) -> Response {
    let (repository, digest) = (of.0.to_owned(), of.1);
    if asked.head {
        return match compute(shared, move |store| store.blob_size(&repository, &digest)).await {
            Ok(Some(size)) => {
                count(&shared.counters.blob_heads);
                let mut response = empty(StatusCode::OK);
                set(&mut response, header::CONTENT_LENGTH, &size.to_string());
                blob_headers(&mut response, &digest);
                response
            }
            Ok(None) => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "there is no such blob"),
            Err(failure) => internal(&failure),
        };
    }
    let rope = match compute(shared, move |store| store.blob(&repository, &digest)).await {
        Ok(Some(rope)) => rope,
        Ok(None) => return error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "there is no such blob"),
        Err(failure) => return internal(&failure),
    };
    shared.counters.downloaded(digest.to_string());
    let told = shared.on_blob.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let (Some(told), Some(client)) = (told, asked.client) {
        told(&digest, client);
    }
    delivery.counters = Some(Arc::clone(&shared.counters));
    let size = rope.len();
    let header = asked.headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let mut response = match range::wanted(header, size) {
        Wanted::Whole => sized("application/octet-stream", rope, delivery),
        Wanted::Part(from, to) => {
            let mut response = sized("application/octet-stream", rope.slice(from, to), delivery);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, header::CONTENT_RANGE, &format!("bytes {from}-{}/{size}", to - 1));
            response
        }
        Wanted::Unsatisfiable => {
            let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
            response
        }
    };
    blob_headers(&mut response, &digest);
    response
}

fn blob_headers(response: &mut Response, digest: &Digest) {
    set(response, DOCKER_DIGEST, &digest.to_string());
    set(response, header::ETAG, &format!("\"{digest}\""));
    set(response, header::ACCEPT_RANGES, "bytes");
}

/// Asks the store on a thread that may block.
async fn compute<T: Send + 'static>(
    shared: &Arc<Shared>,
    ask: impl FnOnce(&dyn Store) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let store = Arc::clone(&shared.store);
    tokio::task::spawn_blocking(move || ask(&*store)).await.map_err(io::Error::other)?
}

fn sized(media_type: &str, bytes: impl Into<Rope>, delivery: Delivery) -> Response {
    let bytes = bytes.into();
    let mut response = empty(StatusCode::OK);
    set(&mut response, header::CONTENT_TYPE, media_type);
    set(&mut response, header::CONTENT_LENGTH, &bytes.len().to_string());
    *response.body_mut() = body::body(bytes, delivery);
    response
}

fn unauthorized(shared: &Shared, challenge: &Challenge) -> Response {
    count(&shared.counters.refused);
    let mut response = error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
    set(&mut response, header::WWW_AUTHENTICATE, &challenge.0);
    response
}

fn internal(failure: &io::Error) -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", &format!("failed to {failure}"))
}

/// An error in the API's form.
fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let json =
        serde_json::json!({ "errors": [{ "code": code, "message": message, "detail": null }] }).to_string();
    let mut response = empty(status);
    set(&mut response, header::CONTENT_TYPE, "application/json");
    set(&mut response, header::CONTENT_LENGTH, &json.len().to_string());
    *response.body_mut() = Body::from(json);
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sets a header; a value that no header can hold is left out.
fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
