//! The worker's adapters, each against the conformance suite of its port.

mod bundles;
mod cache;
mod databases;
mod dispatch;
mod parts;
mod queue;
mod secrets;
mod servers;
