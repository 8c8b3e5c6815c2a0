//! Bitnami: semantic versions with a revision.

use std::cmp::Ordering;

use super::Scheme;

/// Bitnami: semantic versions with a revision.
pub static BITNAMI: Scheme = Scheme { name: "bitnami", compare };

/// Not written yet: until then every version is unknown, none is guessed.
fn compare(_a: &str, _b: &str) -> Option<Ordering> {
    None
}
