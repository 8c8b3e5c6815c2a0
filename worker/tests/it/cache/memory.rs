//! The cache in memory.

use std::sync::Arc;

use strata_worker::cache::memory::MemoryCache;

use super::{Store, suite};

#[tokio::test]
async fn conforms() {
    suite::run(|| {
        let cache = Arc::new(MemoryCache::new());
        let shelf = cache.shelf();
        Box::pin(std::future::ready(Store {
            other: Arc::clone(&cache) as _,
            cache,
            parcel: Box::new(move |name| Box::pin(std::future::ready(shelf.get(name)))),
            _keep: Box::new(()),
        }))
    })
    .await;
}
