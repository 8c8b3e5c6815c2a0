//! Numbers separated by dots and dashes: CRAN, Hackage.

use std::cmp::Ordering;

use super::Scheme;

/// Numbers separated by dots and dashes: CRAN, Hackage.
pub static DOTTED: Scheme = Scheme { name: "dotted", compare };

/// Not written yet: until then every version is unknown, none is guessed.
fn compare(_a: &str, _b: &str) -> Option<Ordering> {
    None
}
