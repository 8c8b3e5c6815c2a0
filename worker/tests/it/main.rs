//! The worker's adapters, each against the conformance suite of its port.

mod cache;
mod queue;
mod servers;
