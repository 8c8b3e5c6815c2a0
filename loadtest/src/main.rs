//! Drives a sweep of the synthetic registry.
fn main() {}
