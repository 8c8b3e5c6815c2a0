//! npm: what node-semver reads in its loose mode, which is what old registry versions need: leading `v` and `=`, numbers with
//! leading zeros, a pre-release without its hyphen (`1.2.3beta4`).

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, split_at_mark, take, take_digits},
    semver,
};

/// npm: node-semver.
pub static NPM: Scheme = Scheme { name: "npm", compare };

/// Longest version that node-semver reads, in bytes.
const LENGTH_MAX: usize = 256;

/// Largest number that node-semver reads: what a double holds exactly.
const NUMBER_MAX: &[u8] = b"9007199254740991";

struct Version<'a> {
    core: [&'a [u8]; 3],
    /// Empty for none.
    pre: &'a [u8],
}

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    for (left, right) in a.core.iter().zip(&b.core) {
        let order = digits::compare(left, right);
        if order.is_ne() {
            return Some(order);
        }
    }
    Some(semver::prerelease(a.pre, b.pre))
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.as_bytes();
    if text.len() > LENGTH_MAX {
        return None;
    }
    let (_, rest) = take(text.trim_ascii(), |byte| matches!(byte, b'v' | b'=') || byte.is_ascii_whitespace());
    let (major, rest) = number(rest)?;
    let (minor, rest) = number(rest.strip_prefix(b".")?)?;
    let (patch, rest) = number(rest.strip_prefix(b".")?)?;
    let (rest, build) = split_at_mark(rest, b'+');
    if build.is_some_and(|build| !semver::are_identifiers(build)) {
        return None;
    }
    let pre = match rest {
        // A hyphen with nothing after it is the identifier itself.
        [] | [b'-'] | [b'-', b'.', ..] => rest,
        [b'-', pre @ ..] => pre,
        pre => pre,
    };
    // A digit cannot follow: it would have been read as a part of the last number.
    let valid = pre.is_empty() || semver::are_identifiers(pre);
    valid.then_some(Version { core: [major, minor, patch], pre })
}

fn number(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (number, rest) = take_digits(text);
    let valid = !number.is_empty() && digits::compare(number, NUMBER_MAX).is_le();
    valid.then_some((number, rest))
}
