//! The `table` target.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| strata_analysis_fuzz::targets::by_name("table")(data));
