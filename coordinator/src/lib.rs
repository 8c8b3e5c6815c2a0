//! The coordinator role: plans scans, hands out jobs, keeps the archive, streams events. It never talks to a registry.

pub mod archive;
pub mod parcels;
pub mod ports;
pub mod queue;
