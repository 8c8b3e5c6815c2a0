//! Alpine and its kin: apk-tools.

use std::cmp::Ordering;

use super::Scheme;

/// Alpine and its kin: apk-tools.
pub static APK: Scheme = Scheme { name: "apk", compare };

/// Not written yet: until then every version is unknown, none is guessed.
fn compare(_a: &str, _b: &str) -> Option<Ordering> {
    None
}
