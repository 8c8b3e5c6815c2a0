//! The worker's adapters, each against the conformance suite of its port.

mod cache;
mod databases;
mod dispatch;
mod queue;
mod secrets;
mod servers;
