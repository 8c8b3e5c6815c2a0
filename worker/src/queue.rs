//! Adapters of the job queue: JetStream and in-process channels. One conformance suite holds for both.

pub mod channel;
pub mod nats;
pub mod withdrawn;
