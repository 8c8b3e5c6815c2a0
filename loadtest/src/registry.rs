//! The registry's server: OCI distribution specification 1.1, the part that reads, over plain HTTP.
//!
//! A [`Registry`] serves a [`Store`] until it is shut down or dropped. [`Options`] say how it treats its clients:
//! which login it wants, whether it lists its catalog, and which [`Faults`] it commits. [`Registry::counts`] tell tests
//! what was asked of it.

mod answer;
mod auth;
mod body;
mod counters;
mod faults;
mod query;
mod range;
mod route;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, serve::ListenerExt as _};
use strata_proto::digest::Digest;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::content::Store;

pub use auth::{Auth, Login};
pub use counters::Counts;
pub use faults::Faults;

/// Whether a registry lists its repositories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Catalog {
    /// It does.
    #[default]
    Open,
    /// 401 with the code UNAUTHORIZED, whoever asks.
    Unauthorized,
    /// 404, as registries without this endpoint answer.
    NotFound,
}

/// How a registry treats its clients.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which login it wants.
    pub auth: Auth,
    /// Whether it lists its repositories.
    pub catalog: Catalog,
    /// What it does wrong.
    pub faults: Faults,
    /// Most names in one page of a listing, also when a client asks for more.
    pub page: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { auth: Auth::None, catalog: Catalog::Open, faults: Faults::default(), page: 1000 }
    }
}

/// A registry that runs until it is shut down or dropped.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: Option<JoinHandle<io::Result<()>>>,
}

/// What all requests share.
struct Shared {
    store: Arc<dyn Store>,
    catalog: Catalog,
    page: usize,
    auth: auth::Gate,
    faults: faults::Injector,
    counters: Arc<counters::Counters>,
    on_blob: Mutex<Option<OnBlob>>,
    stop: CancellationToken,
}

/// Told of every download of a blob before it is answered: the digest and the client's address. It may block for a moment.
pub type OnBlob = Arc<dyn Fn(&Digest, SocketAddr) + Send + Sync>;

impl Registry {
    /// Starts on a free loopback port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(store: impl Store + 'static, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Self::serve(listener, Arc::new(store), options)
    }

    /// Starts on a socket that listens already.
    ///
    /// # Errors
    /// When the socket does not know its address.
    pub fn serve(listener: TcpListener, store: Arc<dyn Store>, options: Options) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            store,
            catalog: options.catalog,
            page: options.page.max(1),
            auth: auth::Gate::new(options.auth, address),
            faults: faults::Injector::new(options.faults),
            counters: Arc::default(),
            on_blob: Mutex::default(),
            stop: CancellationToken::new(),
        });
        let router = Router::new().fallback(answer::answer).with_state(Arc::clone(&shared));
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        let stopped = shared.stop.clone().cancelled_owned();
        // An answer that waits for the last one's acknowledgement would be measured as the scanner's latency.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let server = async move { axum::serve(listener, router).with_graceful_shutdown(stopped).await };
        Ok(Self { address, shared, server: Some(tokio::spawn(server)) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name in references: `127.0.0.1:34567`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// What was asked of it so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counters.counts()
    }

    /// How often each blob was downloaded, by its digest.
    #[must_use]
    pub fn blob_downloads(&self) -> BTreeMap<String, u64> {
        self.shared.counters.downloads()
    }

    /// Sets all counters to zero.
    pub fn reset_counts(&self) {
        self.shared.counters.reset();
    }

    /// From now on, do these things wrong instead.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.faults.set(faults);
    }

    /// From now on, tell of every download of a blob.
    pub fn on_blob(&self, told: OnBlob) {
        *self.shared.on_blob.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }

    /// Makes every token that was given out expire now.
    pub fn expire_tokens(&self) {
        self.shared.auth.expire();
    }

    /// Stops: requests under way are answered to their end, stalled ones are cut.
    ///
    /// # Errors
    /// When the server failed.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.shared.stop.cancel();
        match self.server.take() {
            Some(server) => server.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("catalog", &self.catalog).finish_non_exhaustive()
    }
}
