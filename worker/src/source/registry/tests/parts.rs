//! Parts of layers: that very part, or none.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::TryStreamExt as _;

use super::*;

const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

async fn read(server: &Server, part: (Range<u64>, u64), resumes: u32) -> Result<Option<Vec<u8>>, JobError> {
    let registries = registries_with(RegistryConfig { resumes, ..quick() });
    let digest = Digest::of(CONTENT).to_string();
    match registries.part(&server.reference("app:1"), &digest, part, &options()).await? {
        None => Ok(None),
        Some(stream) => stream.try_collect::<Vec<Bytes>>().await.map(|chunks| Some(chunks.concat())),
    }
}

/// A registry that answers every blob the same.
async fn always(status: u16, range: &'static str, body: &'static [u8]) -> Server {
    Server::start(move |_, seen| match seen.path.as_str() {
        "/v2/" => ok(""),
        _ if range.is_empty() => reply(status, &[], body),
        _ => reply(status, &[("content-range", range)], body),
    })
    .await
}

#[tokio::test]
async fn only_the_part_that_was_asked_for_is_one() {
    let part = &CONTENT[5..15];
    for (status, range, body, is_it) in [
        (206, "bytes 5-14/36", part, true),
        (206, "bytes 5-14/*", part, true),
        (200, "", CONTENT, false),
        // As long as the part, and yet the beginning of something else.
        (200, "bytes 5-14/36", part, false),
        (416, "bytes */36", b"", false),
        (206, "", part, false),
        (206, "bytes 5-15/36", &CONTENT[5..16], false),
        (206, "bytes 4-14/36", part, false),
        (206, "bytes 5-14/37", part, false),
        (206, "bytes 5-14/", part, false),
        (206, "bytes 5-14", part, false),
        (206, "BYTES=5-14/36", part, false),
        (206, "bytes 5-14/36", &CONTENT[5..14], false),
        (206, "bytes 5-14/36", &CONTENT[5..16], false),
        (206, "bytes 5-14/36", b"", false),
    ] {
        let server = always(status, range, body).await;
        let found = read(&server, (5..15, 36), 0).await.unwrap();
        assert_eq!(found, is_it.then(|| part.to_vec()), "{status} {range} {body:?}");
        let seen = server.seen.lock().unwrap().last().cloned().unwrap();
        assert_eq!((seen.method.as_str(), seen.header("range")), ("GET", "bytes=5-14"));
    }
}

#[tokio::test]
async fn what_is_refused_is_an_error_and_a_login_is_asked_for_as_always() {
    for (status, code, later) in
        [(404, "not-found", false), (403, "unauthorized", false), (500, "network", true)]
    {
        let server = always(status, "", b"").await;
        let error = read(&server, (0..4, 36), 0).await.unwrap_err();
        assert_eq!((error.code, error.later), (code, later), "{status}: {}", error.message);
    }
    // The storage behind the registry gets the range too.
    let storage = Server::start(|_, seen| match seen.header("range") {
        "bytes=0-3" => reply(206, &[("content-range", "bytes 0-3/36")], &CONTENT[..4]),
        other => reply(400, &[], other.to_owned()),
    })
    .await;
    let target = format!("http://localhost:{}/x", storage.address.port());
    let server = Server::start(move |_, seen| match seen.path.as_str() {
        "/v2/" => ok(""),
        _ => reply(307, &[("location", &target)], ""),
    })
    .await;
    assert_eq!(read(&server, (0..4, 36), 0).await, Ok(Some(CONTENT[..4].to_vec())));
}

/// A body without a length.
fn streamed(bytes: &'static [u8], breaks: bool) -> Body {
    let good = futures::stream::iter([Ok(Bytes::from_static(bytes))]);
    let end = futures::stream::once(async move {
        tokio::task::yield_now().await;
        if breaks { Err(std::io::Error::other("the line is cut")) } else { Ok(Bytes::new()) }
    });
    Body::from_stream(futures::StreamExt::chain(good, end))
}

#[tokio::test]
async fn a_part_that_breaks_is_taken_up_again_and_never_grows() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_, seen| match (seen.path.as_str(), seen.header("range")) {
        ("/v2/", _) => ok(""),
        (_, "bytes=5-14") => {
            asked.fetch_add(1, Ordering::SeqCst);
            reply(206, &[("content-range", "bytes 5-14/36")], streamed(&CONTENT[5..9], true))
        }
        (_, "bytes=9-14") => reply(206, &[("content-range", "bytes 9-14/36")], &CONTENT[9..15]),
        (_, other) => reply(400, &[], other.to_owned()),
    })
    .await;
    assert_eq!(read(&server, (5..15, 36), 2).await, Ok(Some(CONTENT[5..15].to_vec())));
    // What ends early is no part, and neither is what goes on.
    for (body, code) in [(&CONTENT[5..9], "network"), (&CONTENT[5..20], "malformed")] {
        let server = Server::start(move |_, seen| match seen.path.as_str() {
            "/v2/" => ok(""),
            _ => reply(206, &[("content-range", "bytes 5-14/36")], streamed(body, false)),
        })
        .await;
        let error = read(&server, (5..15, 36), 0).await.unwrap_err();
        assert_eq!(error.code, code, "{}", error.message);
    }
    // The second answer is another part: nothing is put together from that.
    let server = Server::start(|_, seen| match (seen.path.as_str(), seen.header("range")) {
        ("/v2/", _) => ok(""),
        (_, "bytes=5-14") => {
            reply(206, &[("content-range", "bytes 5-14/36")], streamed(&CONTENT[5..9], true))
        }
        _ => ok(CONTENT),
    })
    .await;
    let error = read(&server, (5..15, 36), 1).await.unwrap_err();
    assert!(error.later && error.message.contains("another part"), "{}", error.message);
}
