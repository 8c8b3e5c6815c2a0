//! Bulk listings against servers that answer as the registries' own APIs are documented to.

use super::*;
use crate::source::{
    auth::{Aws, Credentials, Endpoints, Login},
    secret::Secret,
};

fn digest(name: &str) -> String {
    Digest::of(name.as_bytes()).to_string()
}

fn config(host: &str, kind: &str) -> RegistryConfig {
    let entries =
        vec![(host.to_owned(), Login::Basic { username: "user".to_owned(), password: Secret::new("pass") })];
    let credentials = Credentials { entries, ..Credentials::default() };
    RegistryConfig { kinds: vec![(host.to_owned(), kind.to_owned())], credentials, ..quick() }
}

/// Every page of a repository's tags: tag and digest.
async fn all(
    registries: &Registries,
    host: &str,
    repository: &str,
) -> Result<Vec<(String, String)>, JobError> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..20 {
        let page = registries.list(host, repository, &cursor, &options()).await?;
        let mut digests = page.digests.into_iter();
        found.extend(page.names.into_iter().map(|name| (name, digests.next().unwrap_or_default())));
        match page.next {
            Some(next) => cursor = next,
            None => return Ok(found),
        }
    }
    Err(JobError::never("endless", "more than 20 pages"))
}

fn artifacts(range: std::ops::Range<usize>) -> String {
    let one = |number: usize| {
        format!(
            r#"{{"id":{number},"type":"IMAGE","digest":"{}","media_type":"application/vnd.oci.image.config.v1+json","size":7,
                "push_time":"2026-01-02T03:04:05.678Z","tags":[{{"id":1,"name":"v{number}","immutable":false}}]}}"#,
            digest(&number.to_string())
        )
    };
    format!("[{}]", range.map(one).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn harbor_is_known_by_its_challenge_and_costs_a_request_a_page() {
    let server = Server::start(|own, seen| {
        if seen.path == "/v2/" {
            let challenge = format!(r#"Bearer realm="http://{own}/service/token",service="harbor-registry""#);
            return reply(401, &[("www-authenticate", &challenge)], "");
        }
        if !seen.path.starts_with("/api/v2.0/projects/library/repositories/team%252Fapp/artifacts?") {
            return not_found();
        }
        let page: usize = seen.query("page").unwrap().parse().unwrap();
        let from = (page - 1) * 100;
        reply(200, &[("x-total-count", "250")], artifacts(from..250.min(from + 100)))
    })
    .await;
    let host = server.host();
    let registries = registries_with(RegistryConfig { kinds: Vec::new(), ..config(&host, "plain") });
    let found = all(&registries, &host, "library/team/app").await.unwrap();
    assert_eq!(found.len(), 250);
    assert_eq!(found[249], ("v249".to_owned(), digest("249")));
    assert_eq!(server.asked().len(), 3, "{:?}", server.asked());
    assert_eq!(server.authorizations("/api/"), ["Basic dXNlcjpwYXNz"; 3]);
}

#[tokio::test]
async fn harbor_loses_nothing_when_artifacts_are_deleted_between_pages() {
    // After the first page a hundred of its artifacts are gone: what was on the second page is on the first now.
    let server = Server::start(|_, seen| {
        let asked = seen.query("page").map(|page| page.parse::<usize>().unwrap());
        match (seen.path.as_str(), asked) {
            (_, Some(1)) if seen.header("x-first").is_empty() => {
                static FIRST: std::sync::Once = std::sync::Once::new();
                let mut first = false;
                FIRST.call_once(|| first = true);
                match first {
                    true => reply(200, &[("x-total-count", "250")], artifacts(0..100)),
                    false => reply(200, &[("x-total-count", "150")], artifacts(100..200)),
                }
            }
            (_, Some(2)) => reply(200, &[("x-total-count", "150")], artifacts(200..250)),
            _ => ok(""),
        }
    })
    .await;
    let host = server.host();
    let found = all(&registries_with(config(&host, "harbor")), &host, "library/app").await.unwrap();
    let tags: std::collections::BTreeSet<String> = found.into_iter().map(|(tag, _)| tag).collect();
    assert_eq!(tags.len(), 250, "all that was ever there");
}

#[tokio::test]
async fn what_a_registrys_own_api_refuses_is_listed_plainly() {
    for (status, body) in [(401, ""), (403, ""), (404, ""), (200, "nonsense")] {
        let server = Server::start(move |_, seen| match seen.path.as_str() {
            "/v2/" => ok(""),
            path if path.starts_with("/api/") => reply(status, &[], body),
            _ => ok(r#"{"tags":["a","b"]}"#),
        })
        .await;
        let host = server.host();
        let registries = registries_with(config(&host, "harbor"));
        let want = vec![("a".to_owned(), String::new()), ("b".to_owned(), String::new())];
        for _ in 0..2 {
            assert_eq!(all(&registries, &host, "library/app").await, Ok(want.clone()), "{status}");
        }
        let asked = server.asked().iter().filter(|asked| asked.contains("/api/")).count();
        // Refused is refused for a while; what is not found or malformed may be this repository's alone.
        assert_eq!(asked, if matches!(status, 401 | 403) { 1 } else { 2 }, "{status}");
    }
    // What may pass is tried again, not given up.
    let busy = Server::start(|_, seen| match seen.path.starts_with("/api/") {
        true => reply(503, &[("retry-after", "7")], ""),
        false => ok(r#"{"tags":[]}"#),
    })
    .await;
    let error =
        all(&registries_with(config(&busy.host(), "harbor")), &busy.host(), "library/app").await.unwrap_err();
    assert!(error.later && error.wait.is_some(), "{error:?}");
}

#[tokio::test]
async fn google_tells_manifests_with_the_tags() {
    let server = Server::start(|_, seen| match seen.path.as_str() {
        "/v2/project/app/tags/list" => ok(format!(
            r#"{{"name":"project/app","child":[],"tags":["latest","v1","odd"],"manifest":{{
                "{}":{{"imageSizeBytes":"7","layerId":"","mediaType":"application/vnd.oci.image.manifest.v1+json",
                    "tag":["latest","v1"],"timeCreatedMs":"1","timeUploadedMs":"2"}},
                "{}":{{"imageSizeBytes":"7","mediaType":"application/vnd.oci.image.manifest.v1+json","tag":[]}}}}}}"#,
            digest("a"),
            digest("untagged"),
        )),
        _ => ok(""),
    })
    .await;
    let host = server.host();
    let found = all(&registries_with(config(&host, "google")), &host, "project/app").await.unwrap();
    let want = [("latest", digest("a")), ("odd", String::new()), ("v1", digest("a"))];
    assert_eq!(found, want.map(|(tag, digest)| (tag.to_owned(), digest)));
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn acr_pages_by_the_last_tag() {
    let server = Server::start(|_, seen| {
        let path = seen.path.split('?').next().unwrap_or_default();
        if path != "/acr/v1/team/app/_tags" {
            return ok("");
        }
        let tag = |name: &str| {
            format!(
                r#"{{"name":"{name}","digest":"{}","createdTime":"2023-06-30T05:03:17.8253401Z","signed":false}}"#,
                digest(name)
            )
        };
        let body = |names: &[&str]| {
            let tags: Vec<String> = names.iter().map(|name| tag(name)).collect();
            format!(r#"{{"registry":"team.azurecr.io","imageName":"team/app","tags":[{}]}}"#, tags.join(","))
        };
        match seen.query("last").as_deref() {
            None => {
                let link = r#"</acr/v1/team/app/_tags?last=b&n=2&orderby=>; rel="next""#;
                reply(200, &[("link", link)], body(&["a", "b"]))
            }
            Some("b") => ok(body(&["c"])),
            _ => not_found(),
        }
    })
    .await;
    let host = server.host();
    let found = all(&registries_with(config(&host, "acr")), &host, "team/app").await.unwrap();
    assert_eq!(found, ["a", "b", "c"].map(|name| (name.to_owned(), digest(name))));
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn ecr_describes_a_thousand_images_at_a_time() {
    let api = Server::start(|_, seen| {
        assert_eq!(seen.header("x-amz-target"), "AmazonEC2ContainerRegistry_V20150921.DescribeImages");
        let question: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(question["repositoryName"], "team/app");
        assert_eq!((&question["registryId"], &question["filter"]["tagStatus"]), (&"123456789012".into(), &"TAGGED".into()));
        let image = |name: &str| {
            format!(
                r#"{{"registryId":"123456789012","repositoryName":"team/app","imageDigest":"{}","imageTags":["{name}","{name}-again"],
                    "imageSizeInBytes":7,"imagePushedAt":1.7E9,"imageManifestMediaType":"application/vnd.oci.image.manifest.v1+json"}}"#,
                digest(name)
            )
        };
        match question["nextToken"].as_str() {
            None => ok(format!(r#"{{"imageDetails":[{}],"nextToken":"t/2="}}"#, image("a"))),
            Some("t/2=") => ok(format!(r#"{{"imageDetails":[{}]}}"#, image("b"))),
            Some(_) => reply(400, &[], r#"{"__type":"InvalidParameterException"}"#),
        }
    })
    .await;
    let host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let endpoints = Endpoints { ecr: format!("http://{}", api.host()), ..Endpoints::default() };
    let keys = Some(("AK".to_owned(), Secret::new("very secret"), None));
    let credentials =
        Credentials { aws: Aws { keys, endpoints, ..Aws::default() }, ..Credentials::default() };
    let kinds = vec![(host.to_owned(), "ecr".to_owned())];
    let registries = registries_with(RegistryConfig { credentials, kinds, ..quick() });
    let found = all(&registries, host, "team/app").await.unwrap();
    let want = [("a", "a"), ("a-again", "a"), ("b", "b"), ("b-again", "b")];
    assert_eq!(found, want.map(|(tag, name)| (tag.to_owned(), digest(name))));
    assert_eq!(api.asked().len(), 2);
}

#[tokio::test]
async fn kinds_that_nobody_knows_are_refused() {
    let config = RegistryConfig { kinds: vec![("r.example".to_owned(), "quay".to_owned())], ..quick() };
    let error = Registries::new(config).err().unwrap();
    assert!(error.code == "configuration" && error.message.contains("quay"), "{}", error.message);
}
