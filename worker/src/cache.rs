//! Adapters of the inventory cache: Redis, a directory, memory. One conformance suite holds for all.
