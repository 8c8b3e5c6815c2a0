//! Debian and Ubuntu: `deb-version(7)`, compared as `dpkg --compare-versions` does.
//!
//! Accepted is what dpkg accepts without complaint about a character: an upstream version that does not start with a
//! digit only draws a warning there and is compared here, as such packages were published.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, split_at_last_mark, split_at_mark, take_digits},
};

/// Debian and Ubuntu: epoch, upstream version, Debian revision.
pub static DEB: Scheme = Scheme { name: "deb", compare };

/// Largest epoch that dpkg takes: a signed 32-bit number.
const EPOCH_MAX: &[u8] = b"2147483647";

struct Version<'a> {
    epoch: &'a [u8],
    upstream: &'a [u8],
    revision: &'a [u8],
}

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let order = digits::compare(a.epoch, b.epoch)
        .then_with(|| part(a.upstream, b.upstream))
        .then_with(|| part(a.revision, b.revision));
    Some(order)
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.as_bytes().trim_ascii();
    let (epoch, rest) = match split_at_mark(text, b':') {
        (epoch, Some(rest)) => {
            let valid = digits::is_number(epoch) && digits::compare(epoch, EPOCH_MAX).is_le();
            (valid.then_some(epoch)?, rest)
        }
        (rest, None) => (&[][..], rest),
    };
    let (upstream, revision) = split_at_last_mark(rest, b'-');
    if upstream.is_empty() || revision.is_some_and(<[u8]>::is_empty) {
        return None;
    }
    let revision = revision.unwrap_or_default();
    let in_upstream =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'~' | b'-' | b':');
    let in_revision = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'~');
    let valid = upstream.iter().all(in_upstream) && revision.iter().all(in_revision);
    valid.then_some(Version { epoch, upstream, revision })
}

/// Compares an upstream version or a revision: text and number by turns. Shared with opam, which took the algorithm
/// over.
pub(super) fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        loop {
            let (left, right) = (weight(a), weight(b));
            if left != right {
                return left.cmp(&right);
            }
            if left == 0 {
                break;
            }
            a = a.split_first().map_or(&[], |(_, rest)| rest);
            b = b.split_first().map_or(&[], |(_, rest)| rest);
        }
        let ((left, a_rest), (right, b_rest)) = (take_digits(a), take_digits(b));
        match digits::compare(left, right) {
            Ordering::Equal => (a, b) = (a_rest, b_rest),
            unequal => return unequal,
        }
    }
    Ordering::Equal
}

/// Where the first byte sorts: a tilde before the end, the end and digits at zero, letters before all other characters.
fn weight(text: &[u8]) -> i32 {
    match text.first() {
        None => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}
