//! Redis, on a real server.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use redis::AsyncCommands as _;
use strata_coordinator::{parcels::redis::RedisParcels, ports::Parcels as _};
use strata_proto::{
    endpoint::RedisEndpoint,
    seal::ClusterKeys,
    subject,
    v1::{ImageFacts, Indexed},
};
use strata_worker::{
    cache::redis::{RedisCache, RedisConfig},
    ports::{Claim, InventoryCache as _, LayerKey, PortError},
};
use tokio::time::{sleep, timeout};

use super::{Store, key, suite, token};
use crate::servers::Server;

const LEASE: Duration = Duration::from_secs(30);
const DAY: i64 = 24 * 3600;

async fn cache(server: &Server) -> RedisCache {
    RedisCache::connect(RedisConfig::new(&url(server))).await.unwrap()
}

fn url(server: &Server) -> String {
    format!("redis://{}", server.address())
}

/// A client without any adapter, to look behind them.
async fn client(server: &Server) -> redis::aio::MultiplexedConnection {
    redis::Client::open(url(server)).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn store(server: Server) -> Store {
    let parcels = Arc::new(RedisParcels::connect(&url(&server)).await.unwrap());
    Store {
        cache: Arc::new(cache(&server).await),
        other: Arc::new(cache(&server).await),
        parcel: Box::new(move |name| {
            let parcels = Arc::clone(&parcels);
            Box::pin(async move { parcels.take(name).await.unwrap() })
        }),
        _keep: Box::new(server),
    }
}

#[tokio::test]
async fn conforms() {
    if Server::redis(&[]).is_none() {
        return;
    }
    suite::run(|| Box::pin(async { store(Server::redis(&[]).unwrap()).await })).await;
}

#[tokio::test]
async fn every_key_has_a_time_to_live_and_a_hit_renews_it() {
    let Some(server) = Server::redis(&[]) else { return };
    let (cache, mut raw) = (cache(&server).await, client(&server).await);
    for n in 0..20 {
        cache.finish(&key(&n.to_string()), &token(1, 1), Bytes::from_static(b"x")).await.unwrap();
    }
    cache.keep_image("sha256:a", "linux/amd64", &Default::default()).await.unwrap();
    cache.put_parcel("p", Bytes::from_static(b"x")).await.unwrap();
    let made = Indexed { analysed: true, bytes: 7, packages: 3 };
    cache.note_made("scan", &key("1"), &made).await.unwrap();
    assert_eq!(cache.made("scan", &key("1")).await.unwrap(), Some(made));
    for (scan, layer) in [("another", "1"), ("scan", "2")] {
        assert_eq!(cache.made(scan, &key(layer)).await.unwrap(), None, "{scan} {layer}");
    }
    assert_eq!(cache.claim(&key("claimed"), &token(1, 1), LEASE).await.unwrap(), Claim::Mine);
    let keys: Vec<String> = raw.keys("*").await.unwrap();
    assert_eq!(keys.len(), 24);
    let mut lives = Vec::new();
    for name in &keys {
        let left: i64 = raw.ttl(name).await.unwrap();
        let most = match name.split(':').nth(1) {
            Some("lease") => 30,
            Some("parcel" | "made") => 3600,
            _ => 33 * DAY,
        };
        assert!((most / 2..=most).contains(&left), "{name} lives {left} s");
        if name.contains(":inventory:") {
            assert!(left >= 27 * DAY - 60, "{name} lives {left} s");
            lives.push(left);
        }
    }
    lives.dedup();
    assert!(lives.len() > 10, "all end at once: {lives:?}");

    let name = subject::inventory(&key("1").layer, "f1");
    for (left, renewed) in [(20 * DAY, true), (26 * DAY + 3600, false)] {
        let _: bool = raw.expire(&name, left).await.unwrap();
        assert!(cache.read(&[key("1")]).await.unwrap()[0].is_some());
        let now: i64 = raw.ttl(&name).await.unwrap();
        assert_eq!(now > left, renewed, "{left} s became {now} s");
    }
}

#[tokio::test]
async fn without_redis_calls_fail_soon_and_work_again_after() {
    let Some(mut server) = Server::redis(&[]) else { return };
    let cache = cache(&server).await;
    let value = Bytes::from_static(b"x");
    cache.finish(&key("a"), &token(1, 1), value.clone()).await.unwrap();
    server.kill();
    let mut spared = 0;
    for _ in 0..50 {
        let error = cache.contains(&[key("a")]).await.unwrap_err().to_string();
        assert!(error.starts_with("failed to look for inventories: "), "{error}");
        spared += usize::from(error.contains("left alone"));
    }
    // Without the breaker each of these would try to connect, and wait.
    assert!(spared > 30, "{spared}");
    server.restart();
    again(async || cache.finish(&key("b"), &token(1, 1), value.clone()).await).await;
    assert_eq!(cache.read(&[key("a"), key("b")]).await.unwrap(), [None, Some(value)]);
}

#[tokio::test]
async fn a_redis_that_hangs_is_given_up() {
    let Some(server) = Server::redis(&[]) else { return };
    let cache = cache(&server).await;
    assert_eq!(cache.contains(&[key("a")]).await.unwrap(), [false]);
    server.freeze();
    let hung = timeout(Duration::from_secs(20), cache.contains(&[key("a")])).await.expect("it is given up");
    assert!(hung.is_err());
    server.thaw();
    again(async || cache.abandon(&key("a"), &token(1, 1)).await).await;
}

#[tokio::test]
async fn a_worker_starts_without_redis() {
    let Some(mut server) = Server::redis(&[]) else { return };
    server.kill();
    let cache = cache(&server).await;
    assert!(cache.claim(&key("a"), &token(1, 1), LEASE).await.is_err());
    server.restart();
    again(async || cache.abandon(&key("a"), &token(1, 1)).await).await;
    assert_eq!(cache.claim(&key("a"), &token(1, 1), LEASE).await.unwrap(), Claim::Mine);
}

#[tokio::test]
async fn a_flush_forgets_scripts_and_leases_and_nothing_breaks() {
    let Some(server) = Server::redis(&[]) else { return };
    let (cache, mut raw) = (cache(&server).await, client(&server).await);
    assert_eq!(cache.claim(&key("a"), &token(1, 1), LEASE).await.unwrap(), Claim::Mine);
    let _: () = redis::cmd("FLUSHALL").query_async(&mut raw).await.unwrap();
    let _: () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut raw).await.unwrap();
    assert!(!cache.renew(&key("a"), &token(1, 1), LEASE).await.unwrap(), "the holder learns of it");
    assert_eq!(cache.claim(&key("a"), &token(2, 1), LEASE).await.unwrap(), Claim::Mine);
}

#[tokio::test]
async fn a_password_is_used_and_never_printed() {
    let Some(server) = Server::redis(&["--requirepass", "hunter2"]) else { return };
    let right = RedisConfig::new(&format!("redis://:hunter2@{}", server.address()));
    assert!(!format!("{right:?}").contains("hunter2"));
    let cache = RedisCache::connect(right).await.unwrap();
    assert_eq!(cache.contains(&[key("a")]).await.unwrap(), [false]);
    let wrong = RedisConfig::new(&format!("redis://:hunter3@{}", server.address()));
    let Err(refused) = RedisCache::connect(wrong).await else { panic!("a wrong password was taken") };
    assert!(!refused.to_string().contains("hunter3"), "{refused}");
    let Err(bad) = RedisCache::connect(RedisConfig::new("redis://:hunter3@[")).await else {
        panic!("that is no URL")
    };
    assert!(!bad.to_string().contains("hunter3"), "{bad}");
}

fn keys(letters: &[u8]) -> ClusterKeys {
    ClusterKeys::new(&letters.iter().map(|letter| vec![*letter; 32]).collect::<Vec<_>>()).unwrap()
}

async fn keyed(server: &Server, letters: &[u8]) -> RedisCache {
    RedisCache::connect(RedisConfig { keys: keys(letters), ..RedisConfig::new(&url(server)) }).await.unwrap()
}

#[tokio::test]
async fn with_a_key_it_conforms_as_well() {
    if Server::redis(&[]).is_none() {
        return;
    }
    suite::run(|| {
        Box::pin(async {
            let server = Server::redis(&[]).unwrap();
            let endpoint = RedisEndpoint::new(&url(&server));
            let parcels = Arc::new(RedisParcels::open(&endpoint, keys(b"a")).unwrap());
            Store {
                cache: Arc::new(keyed(&server, b"a").await),
                other: Arc::new(keyed(&server, b"ab").await),
                parcel: Box::new(move |name| {
                    let parcels = Arc::clone(&parcels);
                    Box::pin(async move { parcels.take(name).await.unwrap() })
                }),
                _keep: Box::new(server),
            }
        })
    })
    .await;
}

#[tokio::test]
async fn what_somebody_else_wrote_counts_as_absent() {
    let Some(server) = Server::redis(&[]) else { return };
    let (cache, mut raw) = (keyed(&server, b"a").await, client(&server).await);
    let (one, two) = (key("1"), key("2"));
    let name = |key: &LayerKey| subject::inventory(&key.layer, &key.fingerprint);
    let value = Bytes::from_static(b"an inventory");
    for key in [&one, &two] {
        cache.finish(key, &token(1, 1), value.clone()).await.unwrap();
    }
    let sealed: Vec<u8> = raw.get(name(&one)).await.unwrap();
    assert_eq!(cache.read(std::slice::from_ref(&one)).await.unwrap(), [Some(value.clone())]);
    // Its value without the tag, changed, another key's value, and one under a key that is not ours.
    let mut changed = sealed.clone();
    *changed.last_mut().unwrap() ^= 1;
    for forged in [value.to_vec(), changed, sealed.clone(), keys(b"x").seal(&name(&two), &value), Vec::new()]
    {
        let _: () = raw.set(name(&two), forged).await.unwrap();
        assert_eq!(cache.claim(&two, &token(2, 1), LEASE).await.unwrap(), Claim::Done, "it is there");
        assert_eq!(cache.read(&[one.clone(), two.clone()]).await.unwrap(), [Some(value.clone()), None]);
        // Removed: otherwise nobody would make it again.
        assert_eq!(cache.contains(&[one.clone(), two.clone()]).await.unwrap(), [true, false]);
    }
    let facts = ImageFacts::default();
    cache.keep_image("sha256:a", "linux/amd64", &facts).await.unwrap();
    assert_eq!(cache.image("sha256:a", "linux/amd64").await.unwrap(), Some(facts));
    let kept: Vec<u8> = raw.get(subject::image("sha256:a", "linux/amd64")).await.unwrap();
    let _: () = raw.set(subject::image("sha256:b", "linux/amd64"), kept).await.unwrap();
    assert_eq!(cache.image("sha256:b", "linux/amd64").await.unwrap(), None, "facts of another image");
    // A parcel that the coordinator did not expect.
    let parcels = RedisParcels::open(&RedisEndpoint::new(&url(&server)), keys(b"a")).unwrap();
    cache.put_parcel("p", value.clone()).await.unwrap();
    assert_eq!(parcels.take("p").await.unwrap(), Some(value.clone()));
    let _: () = raw.set(subject::parcel("p"), value.as_ref()).await.unwrap();
    assert_eq!(parcels.take("p").await.unwrap(), None);
    // Rotation: the old key still counts where it is the second one, and nowhere else.
    assert_eq!(keyed(&server, b"ba").await.read(std::slice::from_ref(&one)).await.unwrap(), [Some(value)]);
    assert_eq!(self::cache(&server).await.read(&[one]).await.unwrap(), [None], "no key, no way to check");
}

#[tokio::test]
async fn a_value_beyond_the_limit_is_refused() {
    let Some(server) = Server::redis(&[]) else { return };
    let cache = cache(&server).await;
    let large = Bytes::from(vec![0; strata_worker::cache::MAX_VALUE + 1]);
    let refused = cache.finish(&key("a"), &token(1, 1), large).await.unwrap_err().to_string();
    assert!(refused.contains("more than 67108864"), "{refused}");
    assert_eq!(cache.contains(&[key("a")]).await.unwrap(), [false]);
}

/// Until it succeeds: the test runner bounds the time.
async fn again(call: impl AsyncFn() -> Result<(), PortError>) {
    let tried = async {
        while call().await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), tried).await.expect("Redis is back and not used");
}
