//! The API over HTTP, with another HTTP client.

mod graded;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reqwest::{Client, Response, StatusCode, header};
use serde_json::Value;
use strata_proto::digest::Digest;

use super::*;
use crate::content::{
    Arch, Blob, Compression, Fixed, FixedImage, Manifest, OCI_INDEX, OCI_MANIFEST, Plan, Synthetic,
};

fn client() -> Client {
    // The second test of the process finds the provider installed: that is fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

struct Fixture {
    registry: Registry,
    client: Client,
    image: Digest,
    layer: Blob,
}

/// One image with one layer at `team/app:1`.
async fn fixture(options: Options) -> Fixture {
    let layer =
        Blob::of_files(&[("etc/os-release", b"ID=debian\nVERSION_ID=12\n")], Compression::Gzip).unwrap();
    let mut store = Fixed::new();
    let layers = [layer.clone()];
    let image =
        FixedImage { repository: "team/app", tag: "1", layers: &layers, arch: Arch::Amd64, docker: false };
    let image = store.image(&image);
    let registry = Registry::start(store, options).await.unwrap();
    Fixture { registry, client: client(), image, layer }
}

impl Fixture {
    async fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.registry.host())
    }

    fn blob(&self) -> String {
        format!("/v2/team/app/blobs/{}", self.layer.descriptor.digest)
    }
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

fn header_text(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

async fn error_code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, json(response).await["errors"][0]["code"].as_str().unwrap().to_owned())
}

/// Names of all pages of a listing, following its links.
async fn all_pages(client: &Client, host: &str, path: &str, key: &str) -> (Vec<String>, u32) {
    let (mut names, mut pages, mut next) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(path) = next {
        let response = client.get(format!("http://{host}{path}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let link = header_text(&response, "link");
        next = link.strip_prefix('<').and_then(|link| link.split_once('>')).map(|(path, _)| path.to_owned());
        let page = json(response).await;
        names.extend(page[key].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()));
        pages += 1;
    }
    (names, pages)
}

/// Walks everything a manifest names; notes each layer's stored size.
async fn walk(client: &Client, base: &str, reference: &str, layers: &mut BTreeMap<String, u64>) {
    let response = client.get(format!("{base}/manifests/{reference}")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{base} {reference}");
    let (digest, media_type) =
        (header_text(&response, "docker-content-digest"), header_text(&response, "content-type"));
    let bytes = response.bytes().await.unwrap();
    assert_eq!(Digest::of(&bytes).to_string(), digest);
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(manifest["mediaType"], media_type);
    for child in manifest["manifests"].as_array().into_iter().flatten() {
        Box::pin(walk(client, base, child["digest"].as_str().unwrap(), layers)).await;
    }
    for part in
        std::iter::once(&manifest["config"]).chain(manifest["layers"].as_array().into_iter().flatten())
    {
        let Some(digest) = part["digest"].as_str() else { continue };
        let blob = client.get(format!("{base}/blobs/{digest}")).send().await.unwrap().bytes().await.unwrap();
        assert_eq!(Digest::of(&blob).to_string(), digest);
        assert_eq!(part["size"].as_u64(), Some(blob.len() as u64));
        if part["mediaType"].as_str().unwrap().contains("tar") {
            layers.insert(digest.to_owned(), blob.len() as u64);
        }
    }
}

#[tokio::test]
async fn everything_that_the_demonstration_lists_can_be_fetched() {
    let plan = Plan { index_every: 0, ..Plan::demo() };
    let expected = Synthetic::new(plan.clone()).expected(Arch::Amd64).unwrap();
    let registry = Registry::start(Synthetic::new(plan), Options::default()).await.unwrap();
    let (client, host) = (client(), registry.host());
    let (repositories, pages) = all_pages(&client, &host, "/v2/_catalog?n=5", "repositories").await;
    assert_eq!((repositories.len(), pages), (12, 3));
    assert!(repositories.is_sorted());
    let mut layers = BTreeMap::new();
    let mut references = 0;
    for repository in &repositories {
        let (tags, _) = all_pages(&client, &host, &format!("/v2/{repository}/tags/list?n=4"), "tags").await;
        assert_eq!(tags.iter().collect::<BTreeSet<_>>().len(), tags.len(), "a tag came twice");
        for tag in &tags {
            walk(&client, &format!("http://{host}/v2/{repository}"), tag, &mut layers).await;
        }
        references += tags.len() as u64;
    }
    assert_eq!(references, expected.references);
    assert_eq!(layers.len() as u64, expected.distinct_layers);
    assert_eq!(layers.values().sum::<u64>(), expected.layer_bytes);
    let counts = registry.counts();
    assert_eq!((counts.catalog_pages, counts.manifest_gets, counts.manifest_heads), (3, references, 0));
    assert!(layers.keys().all(|layer| registry.blob_downloads().contains_key(layer)));
    registry.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_index_leads_to_both_architectures() {
    let plan = Plan { index_every: 1, repositories: 2, ..Plan::demo() };
    let content = Synthetic::new(plan);
    let (amd, arm) = (content.expected(Arch::Amd64).unwrap(), content.expected(Arch::Arm64).unwrap());
    let registry = Registry::start(content, Options::default()).await.unwrap();
    let client = client();
    for (amd, arm) in amd.images.iter().zip(&arm.images) {
        let base = format!("http://{}/v2/{}", registry.host(), amd.repository);
        let index = json(client.get(format!("{base}/manifests/{}", amd.tags[0])).send().await.unwrap()).await;
        let children: Vec<_> = index["manifests"].as_array().unwrap().iter().collect();
        assert_eq!(children[0]["digest"], amd.digest.to_string());
        assert_eq!(children[1]["digest"], arm.digest.to_string());
        assert_eq!(children[1]["platform"]["architecture"], "arm64");
        let mut layers = BTreeMap::new();
        walk(&client, &base, &arm.digest.to_string(), &mut layers).await;
        assert_eq!(layers.len(), arm.layers.len());
    }
}

#[tokio::test]
async fn manifests_by_tag_and_digest() {
    let f = fixture(Options::default()).await;
    let by_tag = f.get("/v2/team/app/manifests/1").await;
    assert_eq!(header_text(&by_tag, "content-type"), OCI_MANIFEST);
    assert_eq!(header_text(&by_tag, "docker-content-digest"), f.image.to_string());
    let etag = header_text(&by_tag, "etag");
    let length = header_text(&by_tag, "content-length");
    let body = by_tag.bytes().await.unwrap();
    assert_eq!(length, body.len().to_string());
    let by_digest = f.get(&format!("/v2/team/app/manifests/{}", f.image)).await;
    assert_eq!(by_digest.bytes().await.unwrap(), body);
    let escaped = f.get(&format!("/v2/team/app/manifests/{}", f.image.to_string().replace(':', "%3A"))).await;
    assert_eq!(escaped.status(), StatusCode::OK);
    let head = f.client.head(f.url("/v2/team/app/manifests/1")).send().await.unwrap();
    assert_eq!((header_text(&head, "content-length"), header_text(&head, "etag")), (length, etag.clone()));
    let same = f.client.get(f.url("/v2/team/app/manifests/1")).header(header::IF_NONE_MATCH, etag);
    assert_eq!(same.send().await.unwrap().status(), StatusCode::NOT_MODIFIED);
    let counts = f.registry.counts();
    assert_eq!((counts.manifest_gets, counts.manifest_heads, counts.blob_gets), (4, 1, 0));
}

#[tokio::test]
async fn an_index_is_hidden_from_clients_that_do_not_know_indexes() {
    let mut store = Fixed::new();
    store.add_manifest("a", Some("1"), Manifest::new(OCI_INDEX, "{}"));
    let registry = Registry::start(store, Options::default()).await.unwrap();
    let url = format!("http://{}/v2/a/manifests/1", registry.host());
    let client = client();
    for (accept, status) in [
        (OCI_MANIFEST, StatusCode::NOT_FOUND),
        (OCI_INDEX, StatusCode::OK),
        ("application/json, application/vnd.oci.image.index.v1+json;q=0.5", StatusCode::OK),
        ("*/*", StatusCode::OK),
    ] {
        let response = client.get(&url).header(header::ACCEPT, accept).send().await.unwrap();
        assert_eq!(response.status(), status, "{accept}");
    }
}

#[tokio::test]
async fn blobs_and_their_parts() {
    let f = fixture(Options::default()).await;
    let whole = f.get(&f.blob()).await;
    assert_eq!(header_text(&whole, "accept-ranges"), "bytes");
    assert_eq!(whole.bytes().await.unwrap(), f.layer.bytes);
    let size = f.layer.bytes.len();
    let part = |range: &str| f.client.get(f.url(&f.blob())).header(header::RANGE, range.to_owned()).send();
    let middle = part("bytes=3-6").await.unwrap();
    assert_eq!(middle.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header_text(&middle, "content-range"), format!("bytes 3-6/{size}"));
    assert_eq!(middle.bytes().await.unwrap(), f.layer.bytes.slice(3..7));
    assert_eq!(part("bytes=-2").await.unwrap().bytes().await.unwrap(), f.layer.bytes.slice(size - 2..));
    let beyond = part(&format!("bytes={size}-")).await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header_text(&beyond, "content-range"), format!("bytes */{size}"));
    let head = f.client.head(f.url(&f.blob())).send().await.unwrap();
    assert_eq!(header_text(&head, "content-length"), size.to_string());
    let counts = f.registry.counts();
    assert_eq!((counts.blob_gets, counts.blob_heads, counts.blob_bytes), (4, 1, size as u64 + 6));
    f.registry.reset_counts();
    assert_eq!((f.registry.counts(), f.registry.blob_downloads().len()), (Counts::default(), 0));
}

#[tokio::test]
async fn what_is_missing_or_malformed() {
    let f = fixture(Options::default()).await;
    let absent = Digest::of(b"absent");
    for (path, want) in [
        ("/v2/team/app/manifests/2".to_owned(), (404, "MANIFEST_UNKNOWN")),
        ("/v2/team/none/tags/list".to_owned(), (404, "NAME_UNKNOWN")),
        (format!("/v2/team/app/blobs/{absent}"), (404, "BLOB_UNKNOWN")),
        ("/v2/team/app/blobs/sha256:12".to_owned(), (400, "DIGEST_INVALID")),
        ("/v2/Team/tags/list".to_owned(), (400, "NAME_INVALID")),
        ("/v3/".to_owned(), (404, "NOT_FOUND")),
        ("/token".to_owned(), (404, "NOT_FOUND")),
    ] {
        assert_eq!(error_code(f.get(&path).await).await, (want.0, want.1.to_owned()), "{path}");
    }
    let post = f.client.post(f.url("/v2/team/app/blobs/uploads/")).send().await.unwrap();
    assert_eq!(error_code(post).await, (405, "UNSUPPORTED".to_owned()));
    let ping = f.get("/v2/").await;
    assert_eq!(
        (ping.status(), header_text(&ping, "docker-distribution-api-version")),
        (StatusCode::OK, "registry/2.0".into())
    );
}

#[tokio::test]
async fn catalogs_that_are_refused() {
    for (catalog, want) in
        [(Catalog::Unauthorized, (401, "UNAUTHORIZED")), (Catalog::NotFound, (404, "NOT_FOUND"))]
    {
        let f = fixture(Options { catalog, ..Options::default() }).await;
        assert_eq!(error_code(f.get("/v2/_catalog").await).await, (want.0, want.1.to_owned()));
        assert_eq!(f.get("/v2/team/app/tags/list").await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn basic_login() {
    let login = Login { user: "ann".into(), password: "s3cret".into() };
    assert!(!format!("{login:?}").contains("s3cret"));
    let f = fixture(Options { auth: Auth::Basic(login), ..Options::default() }).await;
    let refused = f.get("/v2/").await;
    assert!(header_text(&refused, "www-authenticate").starts_with("Basic realm="));
    assert_eq!(error_code(refused).await, (401, "UNAUTHORIZED".to_owned()));
    for (password, status) in [("wrong", StatusCode::UNAUTHORIZED), ("s3cret", StatusCode::OK)] {
        let request = f.client.get(f.url("/v2/team/app/manifests/1")).basic_auth("ann", Some(password));
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    assert_eq!(f.registry.counts().refused, 2);
}

/// The token for a challenge, as a client would ask for it.
async fn token(client: &Client, refused: &Response, password: &str) -> Response {
    let challenge = header_text(refused, "www-authenticate");
    let field = |key: &str| {
        let (_, rest) = challenge.split_once(&format!("{key}=\"")).unwrap_or_else(|| panic!("{challenge}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let url = format!("{}?service={}&scope={}", field("realm"), field("service"), field("scope"));
    client.get(url).basic_auth("ann", Some(password)).send().await.unwrap()
}

#[tokio::test]
async fn tokens_have_scopes_and_end() {
    let login = Some(Login { user: "ann".into(), password: "s3cret".into() });
    let auth = Auth::Bearer { login, lifetime: Duration::from_secs(300), uses: Some(3) };
    let f = fixture(Options { auth, ..Options::default() }).await;
    let refused = f.get("/v2/team/app/manifests/1").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(header_text(&refused, "www-authenticate").contains("scope=\"repository:team/app:pull\""));
    assert_eq!(token(&f.client, &refused, "wrong").await.status(), StatusCode::UNAUTHORIZED);
    let first = json(token(&f.client, &refused, "s3cret").await).await;
    assert_eq!(first["expires_in"], 300);
    let first = first["token"].as_str().unwrap().to_owned();
    let get = |path: &str, token: &str| f.client.get(f.url(path)).bearer_auth(token.to_owned()).send();
    assert_eq!(get("/v2/team/app/manifests/1", &first).await.unwrap().status(), StatusCode::OK);
    let elsewhere = get("/v2/_catalog", &first).await.unwrap();
    assert!(header_text(&elsewhere, "www-authenticate").contains("insufficient_scope"));
    assert_eq!(get(&f.blob(), &first).await.unwrap().status(), StatusCode::OK);
    assert_eq!(get("/v2/", &first).await.unwrap().status(), StatusCode::OK);
    let spent = get("/v2/team/app/manifests/1", &first).await.unwrap();
    assert!(header_text(&spent, "www-authenticate").contains("invalid_token"), "its three uses are over");
    let second = json(token(&f.client, &spent, "s3cret").await).await["token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert_eq!(get(&f.blob(), &second).await.unwrap().status(), StatusCode::OK);
    f.registry.expire_tokens();
    assert_eq!(get(&f.blob(), &second).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(f.registry.counts().tokens, 2);
}

#[tokio::test]
async fn each_fault_is_what_it_says() {
    let f = fixture(Options::default()).await;
    let with = |faults: Faults| f.registry.set_faults(Faults { per_path: 1, ..faults });
    with(Faults { too_many_requests: 1.0, retry_after: Duration::from_secs(7), ..Faults::default() });
    let busy = f.get(&f.blob()).await;
    assert_eq!(header_text(&busy, "retry-after"), "7");
    assert_eq!(error_code(busy).await, (429, "TOOMANYREQUESTS".to_owned()));
    assert_eq!(f.get(&f.blob()).await.status(), StatusCode::OK, "one fault for each path");
    with(Faults { server_error: 1.0, ..Faults::default() });
    assert_eq!(f.get("/v2/team/app/tags/list").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(f.get("/v2/").await.status(), StatusCode::OK, "the ping never fails");
    with(Faults { truncated: 1.0, ..Faults::default() });
    let cut = f.get(&f.blob()).await;
    assert_eq!(header_text(&cut, "content-length"), f.layer.bytes.len().to_string());
    assert!(cut.bytes().await.is_err());
    with(Faults { corrupted: 1.0, ..Faults::default() });
    let wrong = f.get(&f.blob()).await.bytes().await.unwrap();
    assert_eq!(wrong.len(), f.layer.bytes.len());
    assert_ne!(Digest::of(&wrong), f.layer.descriptor.digest);
    assert_eq!(f.get(&f.blob()).await.bytes().await.unwrap(), f.layer.bytes);
    assert_eq!(f.registry.counts().faults, 4);
}

#[tokio::test]
async fn a_stalled_body_ends_with_the_registry() {
    let f =
        fixture(Options { faults: Faults { stalled: 1.0, ..Faults::default() }, ..Options::default() }).await;
    let mut stalled = f.get(&f.blob()).await;
    let mut received = 0;
    while received < f.layer.bytes.len() / 2 {
        received += stalled.chunk().await.unwrap().unwrap().len();
    }
    assert_eq!(received, f.layer.bytes.len() / 2);
    let (rest, stopped) = tokio::join!(stalled.chunk(), f.registry.shutdown());
    assert!(rest.is_err(), "the body must not end as if it were whole");
    stopped.unwrap();
}

#[tokio::test]
async fn a_seed_fails_the_same_requests_again() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let faults = Faults { seed: 5, server_error: 0.5, ..Faults::default() };
        let f = fixture(Options { faults, ..Options::default() }).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(f.get("/v2/team/app/manifests/1").await.status());
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&StatusCode::OK) && runs[0].contains(&StatusCode::INTERNAL_SERVER_ERROR));
}

#[tokio::test]
async fn a_store_can_lie() {
    let mut store = Fixed::new();
    let layers = [Blob::of_files(&[("a", b"a")], Compression::Zstd).unwrap()];
    let digest = layers[0].descriptor.digest;
    store.image(&FixedImage { repository: "a", tag: "1", layers: &layers, arch: Arch::Arm64, docker: false });
    store.blob_as(digest, "something else");
    let registry = Registry::start(store, Options::default()).await.unwrap();
    let url = format!("http://{}/v2/a/blobs/{digest}", registry.host());
    assert_eq!(client().get(url).send().await.unwrap().bytes().await.unwrap(), "something else");
}
