//! The `registry` target.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strata_worker_fuzz::targets::registry(data));
