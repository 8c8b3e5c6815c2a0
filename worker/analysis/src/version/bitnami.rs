//! Bitnami: semantic versions whose `-1` is a revision of the package: above the version, not before it. A pre-release with a
//! word in it stays one.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, take},
    semver,
};

/// Bitnami.
pub static BITNAMI: Scheme = Scheme { name: "bitnami", compare };

struct Version<'a> {
    core: &'a [u8],
    pre: &'a [u8],
    revision: &'a [u8],
}

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let order = semver::numbers(a.core, b.core)
        .then_with(|| semver::prerelease(a.pre, b.pre))
        .then_with(|| digits::compare(a.revision, b.revision));
    Some(order)
}

fn parse(text: &str) -> Option<Version<'_>> {
    let (core, rest) = take(text.as_bytes(), |byte| byte.is_ascii_digit() || byte == b'.');
    let numbers = || core.split(|&byte| byte == b'.');
    if numbers().any(<[u8]>::is_empty) || numbers().count() > 3 {
        return None;
    }
    let tail = semver::tail(rest)?;
    let (pre, revision) = if digits::is_number(tail) { (&[][..], tail) } else { (tail, &[][..]) };
    Some(Version { core, pre, revision })
}
