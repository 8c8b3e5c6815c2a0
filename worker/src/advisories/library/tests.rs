//! What is fetched, when, and what is refused.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{super::tests::database, *};
use crate::ports::PortError;

/// Bytes by digest, whatever they are.
#[derive(Default)]
struct Store {
    files: Mutex<BTreeMap<String, (u64, Vec<u8>)>>,
    opened: AtomicUsize,
}

impl Store {
    fn put(&self, digest: &str, bytes: Vec<u8>) {
        let size = bytes.len() as u64;
        self.files.lock().expect("no panic").insert(digest.to_owned(), (size, bytes));
    }
}

#[async_trait]
impl DatabaseStore for Store {
    async fn open(&self, digest: &str) -> Result<Option<PublishedDatabase>, PortError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let found = self.files.lock().expect("no panic").get(digest).cloned();
        Ok(found
            .map(|(size, bytes)| PublishedDatabase { size, content: Box::pin(std::io::Cursor::new(bytes)) }))
    }
}

fn library(config: impl FnOnce(&mut LibraryConfig)) -> (Arc<Store>, Library) {
    let store = Arc::new(Store::default());
    let mut settings = LibraryConfig::new(std::env::temp_dir());
    config(&mut settings);
    (Arc::clone(&store), Library::new(settings, None, store))
}

#[tokio::test]
async fn jobs_that_want_the_same_database_fetch_it_once() {
    let (store, library) = library(|_| {});
    let (bytes, digest) = database(1);
    store.put(&digest, bytes);
    let all = futures::future::join_all((0..8).map(|_| library.database(&digest))).await;
    for found in all {
        let found = found.expect("no failure").expect("it is there");
        assert_eq!(found.digest(), digest);
        assert!(found.view().expect("a database").lookup("npm", "left-pad").expect("sound").is_some());
    }
    assert_eq!(store.opened.load(Ordering::Relaxed), 1);
    assert!(library.database("sha256:other").await.expect("no failure").is_none());
    assert!(library.database("").await.expect("no failure").is_none(), "this worker has no file of its own");
}

#[tokio::test]
async fn what_is_not_what_it_is_named_is_never_used() {
    let (good, digest) = database(1);
    let (other, _) = database(2);
    let mut flipped = good.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    let cut = good[..good.len() - 1].to_vec();
    let size = good.len() as u64;
    for (what, said, bytes) in [
        ("this name", other.len() as u64, other),
        ("digest", size, flipped),
        ("ended after", size, cut.clone()),
        ("cut off", size - 1, cut),
        ("more than its", 10, good.clone()),
        ("is not a Strata advisory database", 7, b"nothing".to_vec()),
        ("at most", u64::MAX, good.clone()),
    ] {
        let (store, library) = library(|_| {});
        store.files.lock().expect("no panic").insert(digest.clone(), (said, bytes));
        let error = library.database(&digest).await.err().unwrap_or_else(|| panic!("{what}: it was used"));
        assert!(error.later && error.code == "database", "{error:?}");
        assert!(error.message.contains(what) && error.message.contains(&digest), "{what}: {error}");
        // Nothing of it stays: the right one, published later, is used.
        store.put(&digest, good.clone());
        assert!(library.database(&digest).await.expect("no failure").is_some(), "{what}");
    }
}

#[tokio::test]
async fn only_a_few_are_kept_and_none_that_nobody_asks_for() {
    let (store, library) = library(|config| config.most = 2);
    let digests: Vec<String> = (0..4)
        .map(|number| {
            let (bytes, digest) = database(number);
            store.put(&digest, bytes);
            digest
        })
        .collect();
    let mut in_use = Vec::new();
    for digest in &digests[..2] {
        in_use.push(library.database(digest).await.expect("no failure").expect("it is there"));
    }
    for digest in &digests[2..] {
        library.database(digest).await.expect("no failure").expect("it is there");
    }
    let held = library.held();
    assert!(digests[..2].iter().all(|digest| held.contains(digest)), "those in use stay: {held:?}");
    assert_eq!(held.len(), 3, "and one more: {held:?}");
    drop(in_use);
    for digest in &digests[..2] {
        assert!(library.database(digest).await.expect("no failure").is_some());
    }
    assert_eq!(store.opened.load(Ordering::Relaxed), 4, "what is held is not fetched again");
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_lets_go() {
    let (store, library) = library(|_| {});
    let (bytes, digest) = database(1);
    store.put(&digest, bytes);
    library.database(&digest).await.expect("no failure").expect("it is there");
    let mut looks = 0;
    while !library.held().is_empty() {
        tokio::time::advance(library.0.config.idle).await;
        tokio::task::yield_now().await;
        looks += 1;
        assert!(looks < 100, "it is never dropped");
    }
}
