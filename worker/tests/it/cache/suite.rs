//! The suite: one store for each case.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use strata_proto::v1::{ImageFacts, Layer, Platform};
use strata_worker::ports::{Claim, InventoryCache, LayerKey};
use tokio::time::{sleep, timeout};

use super::{Store, key, token};

type Case = (&'static str, fn(Store) -> BoxFuture<'static, ()>);

const CASES: [Case; 9] = [
    ("nothing is there at first", |store| Box::pin(absent(store))),
    ("values come back as they were, in the order of the keys", |store| Box::pin(values(store))),
    ("one claim at a time", |store| Box::pin(claims(store))),
    ("only a redelivery takes over", |store| Box::pin(takeover(store))),
    ("a zombie may finish and takes nobody's lease", |store| Box::pin(zombie(store))),
    ("a lease ends by itself", |store| Box::pin(expiry(store))),
    ("an abandoned layer is free", |store| Box::pin(abandon(store))),
    ("of a crowd one claims", |store| Box::pin(crowd(store))),
    ("image facts and parcels", |store| Box::pin(facts(store))),
];

const LEASE: Duration = Duration::from_secs(30);

/// Runs every case on a store of its own.
#[expect(clippy::print_stdout, reason = "a failure shows which case it was")]
pub(crate) async fn run(make: impl Fn() -> BoxFuture<'static, Store>) {
    for (name, case) in CASES {
        println!("case: {name}");
        let store = make().await;
        timeout(Duration::from_secs(60), case(store)).await.unwrap_or_else(|_| panic!("`{name}` hangs"));
    }
}

async fn store(cache: &dyn InventoryCache, key: &LayerKey, value: &Bytes) {
    assert_eq!(cache.claim(key, &token(1, 1), LEASE).await.unwrap(), Claim::Mine);
    cache.finish(key, &token(1, 1), value.clone()).await.unwrap();
}

async fn absent(store: Store) {
    assert_eq!(store.cache.contains(&[]).await.unwrap(), Vec::<bool>::new());
    assert_eq!(store.cache.read(&[]).await.unwrap(), Vec::<Option<Bytes>>::new());
    assert_eq!(store.cache.contains(&[key("a"), key("b")]).await.unwrap(), [false, false]);
    assert_eq!(store.cache.read(&[key("a")]).await.unwrap(), [None]);
    assert_eq!(store.cache.image("sha256:a", "linux/amd64").await.unwrap(), None);
    assert!((store.parcel)("p").await.is_none());
    assert!(!store.cache.renew(&key("a"), &token(1, 1), LEASE).await.unwrap());
}

async fn values(made: Store) {
    let large: Bytes = (0..3_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let all = [("empty", Bytes::new()), ("text", Bytes::from_static(b"\0\r\n$5\xff")), ("large", large)];
    for (name, value) in &all {
        store(&*made.cache, &key(name), value).await;
    }
    let keys = ["large", "absent", "empty", "text", "large"].map(key);
    let read = made.other.read(&keys).await.unwrap();
    let want = [2, 9, 0, 1, 2].map(|n: usize| all.get(n).map(|(_, value)| value.clone()));
    assert!(read == want, "values differ");
    assert_eq!(made.other.contains(&keys).await.unwrap(), [true, false, true, true, true]);
    // Another analysis of the same layer is another inventory.
    let mut newer = key("text");
    newer.fingerprint = "f2".to_owned();
    assert_eq!(made.cache.contains(std::slice::from_ref(&newer)).await.unwrap(), [false]);
    assert_eq!(made.cache.claim(&newer, &token(9, 1), LEASE).await.unwrap(), Claim::Mine);
}

async fn claims(store: Store) {
    assert_eq!(store.cache.claim(&key("a"), &token(5, 1), LEASE).await.unwrap(), Claim::Mine);
    assert_eq!(store.other.claim(&key("a"), &token(6, 1), LEASE).await.unwrap(), Claim::Busy);
    assert_eq!(store.other.claim(&key("a"), &token(4, 9), LEASE).await.unwrap(), Claim::Busy);
    assert_eq!(store.other.claim(&key("b"), &token(6, 1), LEASE).await.unwrap(), Claim::Mine);
    // The same delivery asks again: its answer was lost.
    assert_eq!(store.cache.claim(&key("a"), &token(5, 1), LEASE).await.unwrap(), Claim::Mine);
    assert!(store.cache.renew(&key("a"), &token(5, 1), LEASE).await.unwrap());
    assert!(!store.cache.renew(&key("a"), &token(6, 1), LEASE).await.unwrap());
    store.cache.finish(&key("a"), &token(5, 1), Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(store.other.claim(&key("a"), &token(6, 1), LEASE).await.unwrap(), Claim::Done);
    assert!(!store.cache.renew(&key("a"), &token(5, 1), LEASE).await.unwrap());
}

async fn takeover(store: Store) {
    let a = key("a");
    assert_eq!(store.cache.claim(&a, &token(5, 1), LEASE).await.unwrap(), Claim::Mine);
    assert_eq!(store.cache.claim(&a, &token(5, 2), LEASE).await.unwrap(), Claim::Mine);
    assert!(!store.cache.renew(&a, &token(5, 1), LEASE).await.unwrap(), "the dead worker's lease is gone");
    assert!(store.cache.renew(&a, &token(5, 2), LEASE).await.unwrap());
    assert_eq!(
        store.cache.claim(&a, &token(5, 1), LEASE).await.unwrap(),
        Claim::Busy,
        "not back to the zombie"
    );
    assert_eq!(store.cache.claim(&a, &token(5, 10), LEASE).await.unwrap(), Claim::Mine, "numbers, not texts");
}

async fn zombie(store: Store) {
    let (a, value) = (key("a"), Bytes::from_static(b"inventory"));
    assert_eq!(store.cache.claim(&a, &token(5, 1), LEASE).await.unwrap(), Claim::Mine);
    assert_eq!(store.cache.claim(&a, &token(5, 2), LEASE).await.unwrap(), Claim::Mine);
    store.cache.finish(&a, &token(5, 1), value.clone()).await.unwrap();
    assert_eq!(store.other.read(std::slice::from_ref(&a)).await.unwrap(), [Some(value.clone())]);
    assert!(store.cache.renew(&a, &token(5, 2), LEASE).await.unwrap(), "the lease is still its holder's");
    store.cache.finish(&a, &token(5, 2), value.clone()).await.unwrap();
    assert_eq!(store.other.read(&[a]).await.unwrap(), [Some(value)]);
}

async fn expiry(store: Store) {
    let a = key("a");
    let short = Duration::from_millis(80);
    assert_eq!(store.cache.claim(&a, &token(5, 1), short).await.unwrap(), Claim::Mine);
    loop {
        match store.cache.claim(&a, &token(6, 1), LEASE).await.unwrap() {
            Claim::Mine => break,
            Claim::Busy => sleep(Duration::from_millis(10)).await,
            Claim::Done => panic!("nobody finished"),
        }
    }
    assert!(!store.cache.renew(&a, &token(5, 1), LEASE).await.unwrap());
    store.cache.abandon(&a, &token(5, 1)).await.unwrap();
    assert!(store.cache.renew(&a, &token(6, 1), LEASE).await.unwrap());
}

async fn abandon(store: Store) {
    let a = key("a");
    assert_eq!(store.cache.claim(&a, &token(5, 1), LEASE).await.unwrap(), Claim::Mine);
    store.cache.abandon(&a, &token(6, 1)).await.unwrap();
    assert_eq!(store.other.claim(&a, &token(6, 1), LEASE).await.unwrap(), Claim::Busy);
    store.cache.abandon(&a, &token(5, 1)).await.unwrap();
    assert_eq!(store.other.claim(&a, &token(6, 1), LEASE).await.unwrap(), Claim::Mine);
    assert_eq!(store.other.contains(&[a]).await.unwrap(), [false]);
}

async fn crowd(store: Store) {
    let claims = (1..=48).map(|n| {
        let cache = Arc::clone(if n % 2 == 0 { &store.cache } else { &store.other });
        tokio::spawn(async move { cache.claim(&key("a"), &token(n, 1), LEASE).await.unwrap() })
    });
    let answers: Vec<Claim> = join_all(claims).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|claim| **claim == Claim::Mine).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|claim| **claim == Claim::Busy).count(), 47);
}

async fn facts(store: Store) {
    let facts = ImageFacts {
        image_digest: "sha256:a".to_owned(),
        platform: Some(Platform { os: "linux".to_owned(), ..Platform::default() }),
        layers: vec![Layer { digest: "sha256:l".to_owned(), size: 7, ..Layer::default() }],
        ..ImageFacts::default()
    };
    store.cache.keep_image("sha256:a", "linux/amd64", &facts).await.unwrap();
    assert_eq!(store.other.image("sha256:a", "linux/amd64").await.unwrap(), Some(facts));
    assert_eq!(store.other.image("sha256:a", "linux/arm64").await.unwrap(), None);
    store.cache.put_parcel("p", Bytes::from_static(b"one")).await.unwrap();
    store.other.put_parcel("q", Bytes::from_static(b"two")).await.unwrap();
    store.cache.put_parcel("p", Bytes::from_static(b"three")).await.unwrap();
    assert_eq!((store.parcel)("p").await, Some(Bytes::from_static(b"three")));
    let both = [("r", Bytes::from_static(b"four")), ("p", Bytes::from_static(b"five"))];
    store.cache.put_parcels(&both).await.unwrap();
    for (name, parcel) in both {
        assert_eq!((store.parcel)(name).await, Some(parcel));
    }
    store.cache.put_parcels(&[]).await.unwrap();
}
