//! Catalogs and tags, page by page.

use super::*;

async fn all(server: &Server, repository: &str, page_size: usize) -> Result<Vec<String>, JobError> {
    let registries = registries_with(RegistryConfig { page_size, ..quick() });
    let (mut names, mut cursor) = (Vec::new(), String::new());
    for _ in 0..20 {
        let page = registries.list(&server.host(), repository, &cursor, &options()).await?;
        names.extend(page.names);
        match page.next {
            Some(next) => cursor = next,
            None => return Ok(names),
        }
    }
    Err(JobError::never("endless", "more than 20 pages"))
}

/// Repositories `r0` to `r6` after `last`, `n` at a time.
fn page(seen: &Seen) -> (String, Option<String>) {
    let last = seen.query("last");
    let size: usize = seen.query("n").and_then(|n| n.parse().ok()).unwrap_or(100);
    let all: Vec<String> = (0..7).map(|number| format!("r{number}")).collect();
    let start = last.map_or(0, |last| all.iter().position(|name| *name == last).unwrap() + 1);
    let names = &all[start..all.len().min(start + size)];
    let next = (start + size < all.len()).then(|| names.last().unwrap().clone());
    (format!(r#"{{"repositories":{names:?},"tags":{names:?}}}"#), next)
}

#[tokio::test]
async fn links_relative_absolute_and_missing() {
    let want: Vec<String> = (0..7).map(|number| format!("r{number}")).collect();
    for style in ["relative", "absolute", "query", "none"] {
        let server = Server::start(move |own, seen| {
            let (body, next) = page(seen);
            let base = seen.path.split('?').next().unwrap_or_default();
            let link = next.and_then(|last| match style {
                "relative" => Some(format!(r#"<{base}?n=3&last={last}>; rel="next""#)),
                "absolute" => Some(format!(r#"<http://{own}{base}?n=3&last={last}>; rel="next""#)),
                "query" => Some(format!("<?last={last}&n=3>;rel=next")),
                _ => None,
            });
            match link {
                Some(link) => reply(200, &[("link", &link)], body),
                None => ok(body),
            }
        })
        .await;
        for repository in ["", "team/app"] {
            assert_eq!(all(&server, repository, 3).await, Ok(want.clone()), "{style} {repository}");
        }
        assert!(server.asked().iter().any(|asked| asked.starts_with("GET /v2/team/app/tags/list?n=3")));
    }
}

#[tokio::test]
async fn a_registry_that_takes_no_notice_of_pages_is_read_once() {
    let names: Vec<String> = (0..3).map(|number| format!("r{number}")).collect();
    let body = format!(r#"{{"repositories":{names:?}}}"#);
    let server = Server::start(move |_, _| ok(body.clone())).await;
    assert_eq!(all(&server, "", 3).await, Ok(names.clone()));
    assert_eq!(all(&server, "", 100).await, Ok(names));
}

#[tokio::test]
async fn circles_other_hosts_and_nonsense_are_refused() {
    let own_link = |link: &'static str| {
        move |_: &str, _: &Seen| reply(200, &[("link", link)], r#"{"repositories":["a"]}"#)
    };
    let circle = Server::start(own_link(r#"</v2/_catalog?next=1>; rel="next""#)).await;
    let error = all(&circle, "", 100).await.unwrap_err();
    assert_eq!((error.code, error.later), ("malformed", false));
    assert!(error.message.contains("circle"), "{}", error.message);
    let away = Server::start(own_link(r#"<https://evil.example/v2/_catalog>; rel="next""#)).await;
    assert!(all(&away, "", 100).await.unwrap_err().message.contains("another host"));
    let long = Server::start(|_, _| ok(vec![b' '; (8 << 20) + 1])).await;
    assert_eq!(all(&long, "", 100).await.unwrap_err().code, "limit");
    for body in ["<html>", "[]", r#"{"repositories":7}"#] {
        let server = Server::start(move |_, _| ok(body)).await;
        assert_eq!(all(&server, "", 100).await.unwrap_err().code, "malformed", "{body}");
    }
    let empty = Server::start(|_, _| ok(r#"{"name":"a","tags":null}"#)).await;
    assert_eq!(all(&empty, "a", 100).await, Ok(Vec::new()));
    let odd = Server::start(|_, _| ok(r#"{"tags":["1","bad tag","-x"]}"#)).await;
    assert_eq!(
        all(&odd, "a", 100).await,
        Ok(vec!["1".to_owned(), r#""bad tag""#.to_owned(), r#""-x""#.to_owned()])
    );
    assert_eq!(all(&odd, "UPPER", 100).await.unwrap_err().code, "bad-reference");
}

#[tokio::test]
async fn a_refused_catalog_says_what_to_do() {
    for status in [401, 403, 404, 405] {
        let server = Server::start(move |_, seen| match seen.path.as_str() {
            "/v2/" => ok(""),
            _ => reply(status, &[], ""),
        })
        .await;
        let error = all(&server, "", 100).await.unwrap_err();
        assert_eq!((error.code, error.later), ("catalog-refused", false), "{status}");
        assert!(error.message.ends_with("name repositories with --repository"), "{}", error.message);
        let error = all(&server, "a", 100).await.unwrap_err();
        assert_ne!(error.code, "catalog-refused", "{status}");
    }
    let busy = Server::start(|_, seen| match seen.path.as_str() {
        "/v2/" => ok(""),
        _ => reply(429, &[("retry-after", "1")], ""),
    })
    .await;
    assert!(all(&busy, "", 100).await.unwrap_err().later);
}
