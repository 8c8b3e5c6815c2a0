//! What every place for parcels must do.

use std::{any::Any, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use redis::AsyncCommands as _;
use strata_coordinator::{
    parcels::{memory::MemoryParcels, redis::RedisParcels},
    ports::Parcels,
};
use strata_proto::subject;
use tokio::time::{Duration, sleep, timeout};

use crate::servers::Server;

/// Puts a parcel down as a worker does.
type Put = Box<dyn Fn(&'static str, Bytes) -> BoxFuture<'static, ()>>;

struct Place {
    parcels: Arc<dyn Parcels>,
    put: Put,
    _keep: Box<dyn Any>,
}

async fn conforms(place: Place) {
    let Place { parcels, put, _keep } = place;
    let large: Bytes = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    assert_eq!(parcels.take("a").await.unwrap(), None);
    for (name, parcel) in [("a", Bytes::from_static(b"\0\r\n")), ("b", large.clone()), ("c", Bytes::new())] {
        put(name, parcel).await;
    }
    // Taking is looking: the parcel stays until it is archived.
    for _ in 0..2 {
        assert_eq!(parcels.take("a").await.unwrap(), Some(Bytes::from_static(b"\0\r\n")));
        assert!(parcels.take("b").await.unwrap() == Some(large.clone()), "values differ");
        assert_eq!(parcels.take("c").await.unwrap(), Some(Bytes::new()));
    }
    let all = parcels.take_all(&["c", "never", "a", "c"]).await.unwrap();
    let (a, c) = (Some(Bytes::from_static(b"\0\r\n")), Some(Bytes::new()));
    assert_eq!(all, [c.clone(), None, a.clone(), c], "in the order of the names");
    let many = ["a", "never"].repeat(20);
    let all = parcels.take_all(&many).await.unwrap();
    let first = all.iter().step_by(2).all(|parcel| *parcel == a);
    assert!(all.len() == 40 && first && all.iter().skip(1).step_by(2).all(Option::is_none), "{all:?}");
    assert!(parcels.take_all(&[]).await.unwrap().is_empty());
    put("a", Bytes::from_static(b"again")).await;
    assert_eq!(parcels.take("a").await.unwrap(), Some(Bytes::from_static(b"again")));
    for names in [&["a"][..], &["a", "c", "never"], &[]] {
        parcels.discard(names).await.unwrap();
        assert_eq!(parcels.take("a").await.unwrap(), None);
    }
    assert_eq!(parcels.take("c").await.unwrap(), None);
    assert!(parcels.take("b").await.unwrap().is_some());
}

#[tokio::test]
async fn memory_conforms() {
    let parcels = MemoryParcels::default();
    let other = parcels.clone();
    let put: Put = Box::new(move |name, parcel| {
        other.put(name, parcel).unwrap();
        Box::pin(std::future::ready(()))
    });
    conforms(Place { parcels: Arc::new(parcels), put, _keep: Box::new(()) }).await;
}

#[tokio::test]
async fn memory_has_a_limit_and_forgets_nothing_for_it() {
    let parcels = MemoryParcels::default();
    let half = Bytes::from(vec![0; strata_coordinator::parcels::memory::CAPACITY / 2]);
    parcels.put("a", half.clone()).unwrap();
    parcels.put("b", half.clone()).unwrap();
    let refused = parcels.put("c", Bytes::from_static(b"x")).unwrap_err();
    assert!(refused.to_string().contains("wait for the archive"), "{refused}");
    assert!(parcels.take("a").await.unwrap().is_some());
    parcels.put("a", half).unwrap();
    parcels.discard(&["a"]).await.unwrap();
    parcels.put("c", Bytes::from_static(b"x")).unwrap();
}

#[tokio::test]
async fn redis_conforms() {
    let Some(server) = Server::redis(&[]) else { return };
    let url = format!("redis://{}", server.address());
    let parcels = RedisParcels::connect(&url).await.unwrap();
    let raw = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let put: Put = Box::new(move |name, parcel| {
        let mut raw = raw.clone();
        Box::pin(async move { raw.set_ex(subject::parcel(name), parcel.as_ref(), 3600).await.unwrap() })
    });
    conforms(Place { parcels: Arc::new(parcels), put, _keep: Box::new(server) }).await;
}

#[tokio::test]
async fn without_redis_a_parcel_is_an_error_and_not_absent() {
    let Some(mut server) = Server::redis(&[]) else { return };
    let parcels = RedisParcels::connect(&format!("redis://{}", server.address())).await.unwrap();
    assert_eq!(parcels.take("a").await.unwrap(), None);
    server.kill();
    let error = parcels.take("a").await.unwrap_err().to_string();
    assert!(error.starts_with("failed to take a parcel: "), "{error}");
    let error = parcels.discard(&["a"]).await.unwrap_err().to_string();
    assert!(error.starts_with("failed to discard a parcel: "), "{error}");
    server.restart();
    let back = async {
        while parcels.take("a").await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), back).await.expect("Redis is back and not used");
}
