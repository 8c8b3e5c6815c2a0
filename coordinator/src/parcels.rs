//! Adapters of the parcels: Redis, and memory for a process that is coordinator and worker at once.

pub mod memory;
pub mod redis;
