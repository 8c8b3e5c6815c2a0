use strata_proto::v1::Layer;

use super::*;
use crate::cache::memory::MemoryCache;

fn facts(layers: &[&str], says: &str) -> ImageFacts {
    let layer = |digest: &&str| Layer { digest: (*digest).to_owned(), ..Layer::default() };
    ImageFacts {
        layers: layers.iter().map(layer).collect(),
        config_digest: says.to_owned(),
        ..ImageFacts::default()
    }
}

fn job(image: &str) -> AssessJob {
    AssessJob { image_digest: image.to_owned(), platform: "p".to_owned(), ..AssessJob::default() }
}

fn key(layer: &str) -> LayerKey {
    LayerKey { layer: layer.to_owned(), fingerprint: "f".to_owned() }
}

async fn keep(cache: &MemoryCache, layers: &[&str], says: &'static str) {
    let token = Token { sequence: 1, executions: 1, owner: "w".to_owned() };
    for layer in layers {
        cache.finish(&key(layer), &token, Bytes::from(says)).await.expect("kept");
    }
}

/// What the cache says of images and layers.
async fn said(cache: &dyn InventoryCache, images: &[&str], layers: &[&str]) -> Vec<Option<String>> {
    let mut said = Vec::new();
    for image in images {
        said.push(cache.image(image, "p").await.expect("asked").map(|facts| facts.config_digest));
    }
    for layer in layers {
        let read = cache.read(&[key(layer)]).await.expect("read").into_iter().flatten().next();
        said.push(read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    said
}

#[tokio::test]
async fn what_was_read_ahead_is_not_asked_for_again_and_all_else_is() {
    for (bundled, ahead) in [(&["one", "two", "gone"][..], "before"), (&["one"], "after")] {
        let memory = Arc::new(MemoryCache::new());
        let keep_images = async |names: &[&str], says| {
            for name in names {
                memory.keep_image(name, "p", &facts(&["base", "own", "lost"], says)).await.expect("kept");
            }
        };
        keep_images(&["one", "two"], "before").await;
        keep(&memory, &["base", "own"], "before").await;
        let cache: Arc<dyn InventoryCache> = memory.clone();
        let jobs: Vec<AssessJob> = bundled.iter().map(|image| job(image)).collect();
        let shared = read_ahead(&cache, "f", jobs.iter()).await;
        keep_images(&["one", "gone"], "after").await;
        keep(&memory, &["base", "own", "lost"], "after").await;
        let said = said(&*shared, &["one", "gone", "never"], &["base", "own", "lost", "other"]).await;
        let want = [Some(ahead), Some("after"), None, Some(ahead), Some(ahead), Some("after"), None];
        assert_eq!(said, want.map(|one| one.map(str::to_owned)), "{bundled:?}");
        // An image of which one layer was not there is read anew as a whole.
        let whole = shared.read(&[key("base"), key("lost")]).await.expect("read");
        assert_eq!(whole, [Some(Bytes::from("after")), Some(Bytes::from("after"))]);
    }
}

#[tokio::test]
async fn what_is_written_is_the_caches() {
    let memory = Arc::new(MemoryCache::new());
    let cache: Arc<dyn InventoryCache> = memory.clone();
    let jobs = [job("one"), job("two")];
    let shared = read_ahead(&cache, "f", jobs.iter()).await;
    shared.put_parcel("parcel", Bytes::from("report")).await.expect("put");
    assert_eq!(memory.shelf().get("parcel"), Some(Bytes::from("report")));
    shared.keep_image("one", "p", &facts(&[], "kept")).await.expect("kept");
    assert_eq!(said(&*memory, &["one"], &[]).await, [Some("kept".to_owned())]);
    let token = Token { sequence: 1, executions: 1, owner: "w".to_owned() };
    assert_eq!(shared.claim(&key("l"), &token, Duration::from_secs(9)).await.expect("asked"), Claim::Mine);
    assert!(shared.renew(&key("l"), &token, Duration::from_secs(9)).await.expect("asked"));
    shared.abandon(&key("l"), &token).await.expect("given back");
    shared.finish(&key("l"), &token, Bytes::from("i")).await.expect("stored");
    assert_eq!(memory.contains(&[key("l")]).await.expect("asked"), [true]);
    shared.note_made("s", &key("l"), &Indexed::default()).await.expect("noted");
    assert!(memory.made("s", &key("l")).await.expect("asked").is_some());
    assert!(shared.made("s", &key("l")).await.expect("asked").is_some());
}
