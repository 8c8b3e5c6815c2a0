//! The worker role: reads registries, analyses layers, assesses images. Stateless: whatever it knows is in the queue
//! or the cache. [`dispatch::run`] takes everything it needs as arguments, so that the executable, a cluster and a test
//! wire it alike.

pub mod advisories;
pub mod attached;
pub mod cache;
pub mod compute;
pub mod dispatch;
pub mod error;
pub mod java_index;
pub mod job;
pub mod measure;
pub mod pack;
pub mod ports;
pub mod precedence;
pub mod queue;
pub mod source;
pub mod spool;
pub mod wire;
