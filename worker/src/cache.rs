//! Adapters of the inventory cache: Redis, a directory, memory. One conformance suite holds for all.

pub mod directory;
mod leases;
pub mod memory;
pub mod redis;
pub mod shelf;

/// The largest value that a cache takes or gives, in bytes. An inventory is far smaller; what is larger was not made by us.
pub const MAX_VALUE: usize = 64 << 20;
