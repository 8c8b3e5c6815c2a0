//! What every inventory cache must do.

mod directory;
mod memory;
mod redis;
mod suite;

use std::{any::Any, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use strata_proto::digest::Digest;
use strata_worker::ports::{InventoryCache, LayerKey, Token};

/// Two handles on one store, as two workers have them.
pub(crate) struct Store {
    pub(crate) cache: Arc<dyn InventoryCache>,
    pub(crate) other: Arc<dyn InventoryCache>,
    /// Reads a parcel as the coordinator does.
    pub(crate) parcel: Parcel,
    /// What must live as long as the store: a directory, a server.
    pub(crate) _keep: Box<dyn Any + Send + Sync>,
}

pub(crate) type Parcel = Box<dyn Fn(&'static str) -> BoxFuture<'static, Option<Bytes>> + Send + Sync>;

pub(crate) fn key(name: &str) -> LayerKey {
    LayerKey { layer: Digest::of(name.as_bytes()).to_string(), fingerprint: "f1".to_owned() }
}

pub(crate) fn token(sequence: u64, executions: u64) -> Token {
    Token { sequence, executions, owner: format!("worker-{sequence}-{executions}") }
}
