//! The cache in a directory.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use strata_worker::{
    cache::directory::DirectoryCache,
    ports::{Claim, InventoryCache as _, LayerKey},
};
use tempfile::TempDir;

use super::{Store, key, suite, token};

const LEASE: Duration = Duration::from_secs(30);
const LIMIT: u64 = 1 << 30;

fn open(directory: &TempDir) -> DirectoryCache {
    DirectoryCache::open(directory.path(), LIMIT).unwrap()
}

async fn put(cache: &DirectoryCache, name: &str, value: &Bytes) {
    assert_eq!(cache.claim(&key(name), &token(1, 1), LEASE).await.unwrap(), Claim::Mine);
    cache.finish(&key(name), &token(1, 1), value.clone()).await.unwrap();
}

/// All files below a part of the cache.
fn files(directory: &TempDir, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.path().join(part)];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
}

#[tokio::test]
async fn conforms() {
    suite::run(|| {
        let directory = TempDir::new().unwrap();
        let cache = open(&directory);
        let shelf = cache.shelf();
        Box::pin(std::future::ready(Store {
            cache: Arc::new(cache),
            // As another process would: nothing is shared but the files.
            other: Arc::new(open(&directory)),
            parcel: Box::new(move |name| Box::pin(std::future::ready(shelf.get(name)))),
            _keep: Box::new(directory),
        }))
    })
    .await;
}

#[tokio::test]
async fn a_damaged_file_is_absent_and_goes_away() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 5] = [
        ("a flipped bit", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("cut short", |bytes| bytes.truncate(bytes.len() - 1)),
        ("cut in the header", |bytes| bytes.truncate(20)),
        ("empty", Vec::clear),
        ("something else", |bytes| bytes[0] = b'X'),
    ];
    for (name, damage) in damages {
        let directory = TempDir::new().unwrap();
        let cache = open(&directory);
        put(&cache, "a", &Bytes::from_static(b"inventory")).await;
        let [path] = files(&directory, "inventory").try_into().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.read(&[key("a")]).await.unwrap(), [None], "{name}");
        assert!(!path.exists(), "{name}");
        put(&cache, "a", &Bytes::from_static(b"inventory")).await;
        assert!(cache.read(&[key("a")]).await.unwrap()[0].is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_short_file_is_not_taken_for_an_inventory() {
    let directory = TempDir::new().unwrap();
    let cache = open(&directory);
    put(&cache, "a", &Bytes::from_static(b"inventory")).await;
    let [path] = files(&directory, "inventory").try_into().unwrap();
    fs::File::options().write(true).open(path).unwrap().set_len(50).unwrap();
    assert_eq!(cache.contains(&[key("a")]).await.unwrap(), [false]);
    assert_eq!(cache.claim(&key("a"), &token(2, 1), LEASE).await.unwrap(), Claim::Mine);
}

#[tokio::test]
async fn names_from_outside_choose_no_file() {
    let directory = TempDir::new().unwrap();
    let cache = open(&directory);
    let good = key("a");
    for (layer, fingerprint) in [
        ("sha256:../../../x", "f"),
        ("../x", "f"),
        ("", "f"),
        (good.layer.as_str(), ""),
        (good.layer.as_str(), "../f"),
        (good.layer.as_str(), "a/b"),
        (good.layer.as_str(), &"f".repeat(200)),
    ] {
        let key = LayerKey { layer: layer.to_owned(), fingerprint: fingerprint.to_owned() };
        assert!(cache.finish(&key, &token(1, 1), Bytes::new()).await.is_err(), "{key:?}");
        assert!(cache.read(std::slice::from_ref(&key)).await.is_err(), "{key:?}");
    }
    cache.keep_image("sha256:../../x", "../../y", &Default::default()).await.unwrap();
    assert!(cache.image("sha256:../../x", "../../y").await.unwrap().is_some());
    assert_eq!(files(&directory, "image").len(), 1);
    assert_eq!(files(&directory, "inventory").len(), 0);
}

#[tokio::test]
async fn a_process_that_ends_lets_go_of_its_layers() {
    let directory = TempDir::new().unwrap();
    let (first, second) = (open(&directory), open(&directory));
    assert_eq!(first.claim(&key("a"), &token(1, 1), LEASE).await.unwrap(), Claim::Mine);
    assert_eq!(
        second.claim(&key("a"), &token(1, 2), LEASE).await.unwrap(),
        Claim::Busy,
        "sequences of two processes"
    );
    drop(first);
    assert_eq!(second.claim(&key("a"), &token(1, 2), LEASE).await.unwrap(), Claim::Mine);
    second.abandon(&key("a"), &token(1, 2)).await.unwrap();
    assert_eq!(files(&directory, "lease").len(), 0, "no lock stays behind");
}

#[tokio::test]
async fn a_lock_file_that_a_crash_left_is_taken_over() {
    let directory = TempDir::new().unwrap();
    let cache = open(&directory);
    let name = format!("{}-f1.lock", strata_proto::subject::index_key(&key("a").layer));
    fs::write(directory.path().join("lease").join(name), "").unwrap();
    put(&cache, "a", &Bytes::from_static(b"x")).await;
    assert_eq!(files(&directory, "lease").len(), 0);
}

#[tokio::test]
async fn the_directory_stays_below_its_limit() {
    let directory = TempDir::new().unwrap();
    let cache = DirectoryCache::open(directory.path(), 10_000).unwrap();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(86_400);
    for n in 0..9 {
        put(&cache, &n.to_string(), &Bytes::from(vec![n; 1000])).await;
    }
    for (age, path) in (0..).zip(files(&directory, "inventory")) {
        let time = long_ago + Duration::from_secs(age);
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    // Used now: it must stay, whatever its age was.
    assert!(cache.read(&[key("3")]).await.unwrap()[0].is_some());
    put(&cache, "new", &Bytes::from(vec![0; 1000])).await;
    put(&cache, "newer", &Bytes::from(vec![0; 1000])).await;
    let total: u64 = files(&directory, "inventory").iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(total <= 10_000, "{total}");
    let kept = cache.contains(&[key("3"), key("new"), key("newer")]).await.unwrap();
    assert_eq!(kept, [true, true, true]);
}

#[tokio::test]
async fn half_written_files_are_cleared_away() {
    let directory = TempDir::new().unwrap();
    let cache = open(&directory);
    put(&cache, "a", &Bytes::from_static(b"x")).await;
    let [path] = files(&directory, "inventory").try_into().unwrap();
    let (old, young) = (path.with_file_name(".part-old"), path.with_file_name(".part-young"));
    for path in [&old, &young] {
        fs::write(path, "half").unwrap();
    }
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(86_400);
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    put(&open(&directory), "b", &Bytes::from_static(b"x")).await;
    assert_eq!((old.exists(), young.exists()), (false, true));
}
