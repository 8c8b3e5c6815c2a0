//! Layers: streams that break, resume, lie, and end.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::*;

const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

async fn read(server: &Server, resumes: u32) -> Result<Vec<u8>, JobError> {
    let registries = registries_with(RegistryConfig { resumes, ..quick() });
    let digest = Digest::of(CONTENT).to_string();
    let blob = registries.blob(&server.reference("app:1"), &digest, &options()).await?;
    assert!(!blob.digest_is_diff_id);
    let chunks: Vec<Bytes> = blob.stream.try_collect().await?;
    Ok(chunks.concat())
}

/// A body that announces all of its bytes from `from` on, and breaks after `count` of them.
fn breaking(from: usize, count: usize) -> Body {
    let good = Bytes::from_static(&CONTENT[from..from + count]);
    let broken = std::io::Error::other("the line is cut");
    // A moment between the bytes and the break, so that the bytes are sent at all.
    Body::from_stream(stream::iter([Ok(good)]).chain(stream::once(async {
        tokio::task::yield_now().await;
        Err(broken)
    })))
}

fn from(seen: &Seen) -> usize {
    let range = seen.header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
    range.map_or(0, |from| from.parse().unwrap())
}

/// A registry that sends `step` bytes at a time and then breaks, until `breaks` answers have; `ranges` or not.
async fn flaky(step: usize, breaks: usize, ranges: bool) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |_, seen| {
        if seen.path == "/v2/" {
            return ok("");
        }
        let start = if ranges { from(seen) } else { 0 };
        let length = (CONTENT.len() - start).to_string();
        let is_broken = count.fetch_add(1, Ordering::SeqCst) < breaks;
        let body = match is_broken {
            true => breaking(start, step.min(CONTENT.len() - start)),
            false => Body::from(&CONTENT[start..]),
        };
        let range = format!("bytes {start}-{}/{}", CONTENT.len() - 1, CONTENT.len());
        match start {
            0 => reply(200, &[("content-length", &length)], body),
            _ => reply(206, &[("content-length", &length), ("content-range", &range)], body),
        }
    })
    .await
}

#[tokio::test]
async fn whole_layers_and_their_size() {
    let server = flaky(0, 0, true).await;
    assert_eq!(read(&server, 0).await, Ok(CONTENT.to_vec()));
    assert_eq!(server.asked(), [format!("GET /v2/app/blobs/{}", Digest::of(CONTENT))]);
    // Without an announced length the end is where the stream ends.
    let chunked =
        Server::start(|_, _| ok(Body::from_stream(stream::iter([Ok::<_, std::io::Error>(CONTENT)])))).await;
    assert_eq!(read(&chunked, 0).await, Ok(CONTENT.to_vec()));
    let bad = registries().blob(&server.reference("app:1"), "sha256:12", &options()).await.err().unwrap();
    assert_eq!(bad.code, "bad-reference");
}

#[tokio::test]
async fn broken_downloads_are_taken_up_again() {
    for (ranges, breaks) in [(true, 1), (true, 3), (false, 1), (false, 3)] {
        let server = flaky(10, breaks, ranges).await;
        assert_eq!(read(&server, 5).await, Ok(CONTENT.to_vec()), "{ranges} {breaks}");
        assert_eq!(server.asked().len(), breaks + 1);
    }
    let server = flaky(10, 100, false).await;
    let error = read(&server, 2).await.unwrap_err();
    assert_eq!((error.code, error.later), ("network", true));
    assert!(error.message.contains(&Digest::of(CONTENT).to_string()), "{}", error.message);
    assert!(error.message.contains("bytes from"), "{}", error.message);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn another_part_than_was_asked_for_is_refused() {
    let count = AtomicUsize::new(0);
    let server =
        Server::start(move |_, seen| match (seen.path.as_str(), count.fetch_add(1, Ordering::SeqCst)) {
            ("/v2/", _) => ok(""),
            (_, 1) => reply(200, &[("content-length", "36")], breaking(0, 10)),
            _ => reply(206, &[("content-range", "bytes 3-35/36")], &CONTENT[3..]),
        })
        .await;
    let error = read(&server, 1).await.unwrap_err();
    assert!(error.later && error.message.contains("another part"), "{}", error.message);
}

#[tokio::test]
async fn layers_that_are_not_there_or_not_given() {
    for (answer, code, later) in [
        (404, "not-found", false),
        (403, "unauthorized", false),
        (500, "network", true),
        (206, "refused", false),
        (416, "refused", false),
    ] {
        let server = Server::start(move |_, seen| match seen.path.as_str() {
            "/v2/" => ok(""),
            _ => reply(answer, &[], ""),
        })
        .await;
        let error = read(&server, 3).await.unwrap_err();
        assert_eq!((error.code, error.later), (code, later), "{answer}: {}", error.message);
        assert!(error.message.contains("layer sha256:"), "{}", error.message);
    }
    // What the storage behind the registry refuses is no matter of logins: its addresses expire.
    let storage = Server::start(|_, _| reply(403, &[], "expired")).await;
    let target = format!("http://localhost:{}/x", storage.address.port());
    let server = Server::start(move |_, seen| match seen.path.as_str() {
        "/v2/" => ok(""),
        _ => reply(307, &[("location", &target)], ""),
    })
    .await;
    let error = read(&server, 0).await.unwrap_err();
    assert_eq!((error.code, error.later), ("network", true), "{}", error.message);
}
