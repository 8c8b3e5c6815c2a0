//! What the fuzzers do with their bytes, and where they start from. The ordinary tests run the same on a few mutations.

pub mod seeds;
pub mod targets;
