//! How registries are treated that ask for time, fail, or are slow: politely, and without a word to the others.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;

use super::*;

fn pace(concurrency: u32, patience: Duration) -> RegistryConfig {
    let pace = PaceConfig { concurrency, patience, ..PaceConfig::default() };
    RegistryConfig { pace, ..quick() }
}

#[tokio::test]
async fn a_registry_that_asks_for_time_is_not_asked_until_then_and_another_one_is() {
    let bad = Server::start(|_, seen| match seen.path.as_str() {
        "/v2/" => ok(""),
        _ => reply(429, &[("retry-after", "30")], ""),
    })
    .await;
    let sample = Sample::new("layer");
    let good = Server::start(move |_, seen| sample.answer(seen).unwrap_or_else(|| ok(""))).await;
    let registries = registries();
    let first = registries.digest(&bad.reference("app:1"), &options()).await.unwrap_err();
    assert_eq!((first.code, first.wait), ("rate-limited", Some(Duration::from_secs(30))));
    for number in 0..20 {
        let reference = bad.reference(&format!("app:{number}"));
        let error = registries.digest(&reference, &options()).await.unwrap_err();
        assert_eq!((error.code, error.later), ("rate-limited", true), "{}", error.message);
        assert!(error.wait.is_some_and(|wait| wait > Duration::from_secs(15)), "{error:?}");
        assert!(error.message.contains(&reference), "{}", error.message);
        assert!(registries.digest(&good.reference("app:1"), &options()).await.is_ok());
    }
    assert_eq!((bad.asked().len(), good.asked().len()), (1, 20));
}

#[tokio::test]
async fn a_registry_that_fails_on_and_on_is_left_alone() {
    let server = Server::start(|_, seen| match seen.path.as_str() {
        "/v2/" => ok(""),
        _ => reply(500, &[], ""),
    })
    .await;
    let registries = registries_with(pace(8, Duration::from_secs(1)));
    let mut last = None;
    for number in 0..10 {
        let reference = server.reference(&format!("app:{number}"));
        last = registries.digest(&reference, &options()).await.err();
    }
    let last = last.unwrap();
    assert_eq!((last.code, last.later), ("busy", true), "its job waits, and has not failed");
    assert!(last.wait.is_some_and(|wait| wait <= Duration::from_secs(1)), "{last:?}");
    assert!(last.message.contains("left alone"), "{}", last.message);
    assert_eq!(server.asked().len(), 3, "three rounds, then nothing");
}

#[tokio::test]
async fn no_more_at_once_than_the_registry_bears() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let sample = Arc::new(Sample::new("layer"));
    let digest = sample.layer.to_string();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (now, high) = (Arc::clone(&running), Arc::clone(&most));
    let router = Router::new().fallback(move |_: HttpRequest| {
        let (now, high) = (Arc::clone(&now), Arc::clone(&high));
        async move {
            high.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(1, Ordering::SeqCst);
            ok("")
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let registries = registries_with(pace(3, Duration::from_secs(60)));
    let options = options();
    let all = join_all((0..60).map(|number| {
        let (registries, host, digest, options) = (&registries, &host, &digest, &options);
        async move {
            let reference = format!("{host}/app:{number}");
            match number % 2 {
                0 => registries.digest(&reference, options).await.map(|_| ()),
                _ => registries.blob(&reference, digest, options).await.map(|_| ()),
            }
        }
    }))
    .await;
    task.abort();
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert!((2..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test]
async fn a_registry_that_never_answers_holds_few_and_the_rest_come_back_later() {
    let stalled = Arc::new(AtomicBool::new(true));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    // Connections are taken and never answered.
    let (flag, held) = (Arc::clone(&stalled), Arc::new(Mutex::new(Vec::new())));
    let task = tokio::spawn(async move {
        while flag.load(Ordering::SeqCst) {
            let Ok((stream, _)) = listener.accept().await else { return };
            held.lock().unwrap().push(stream);
        }
    });
    let config = RegistryConfig {
        request_timeout: Duration::from_millis(1_500),
        ..pace(4, Duration::from_millis(50))
    };
    let registries = registries_with(config);
    let options = options();
    let errors = join_all((0..20).map(|number| {
        let (registries, host, options) = (&registries, &host, &options);
        async move { registries.digest(&format!("{host}/app:{number}"), options).await.unwrap_err() }
    }))
    .await;
    task.abort();
    let busy = errors.iter().filter(|error| error.code == "busy").count();
    let network = errors.iter().filter(|error| error.code == "network").count();
    assert_eq!((busy, network), (16, 4), "{errors:?}");
    assert!(errors.iter().all(|error| error.later), "{errors:?}");
}

#[tokio::test]
async fn a_damaged_manifest_is_read_once_more() {
    let sample = Sample::new("layer");
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_, seen| {
        let good = sample.answer(seen);
        let is_manifest = seen.path.contains("/manifests/");
        match good {
            Some(reply) if is_manifest && count.fetch_add(1, Ordering::SeqCst) == 0 => {
                let (parts, _) = reply.into_parts();
                Reply::from_parts(parts, Body::from(sample.manifest.replace("size", "sizf")))
            }
            other => other.unwrap_or_else(|| ok("")),
        }
    })
    .await;
    let found = registries().resolve(&server.reference("app:1"), "", &options()).await;
    assert!(matches!(found, Ok(Resolution::Image(_))), "{found:?}");
}
