//! Semantic versions whose build counts: `4.3.1+2` is above `4.3.1+1`, and that above `4.3.1`. So Julia compares a
//! `VersionNumber`, whose packages of foreign libraries are told apart by nothing else, and Dart's `pub` a version.

use std::cmp::Ordering;

use super::{Scheme, digits::split_at_mark, semver};

/// Julia and Pub.
pub static SEMVER_BUILD: Scheme = Scheme { name: "semver-build", compare };

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let order = (semver::SEMVER.compare)(a, b)?;
    Some(order.then_with(|| builds(build(a), build(b))))
}

fn build(text: &str) -> &[u8] {
    split_at_mark(text.as_bytes(), b'+').1.unwrap_or_default()
}

/// No build is below any.
fn builds(a: &[u8], b: &[u8]) -> Ordering {
    let identifiers = |build| <[u8]>::split(build, |byte| *byte == b'.').filter(|part| !part.is_empty());
    semver::identifiers(identifiers(a), identifiers(b), |a, b| a.cmp(b))
}
