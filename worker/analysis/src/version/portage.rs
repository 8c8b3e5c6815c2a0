//! Gentoo: the Package Manager Specification.

use std::cmp::Ordering;

use super::Scheme;

/// Gentoo: the Package Manager Specification.
pub static PORTAGE: Scheme = Scheme { name: "portage", compare };

/// Not written yet: until then every version is unknown, none is guessed.
fn compare(_a: &str, _b: &str) -> Option<Ordering> {
    None
}
