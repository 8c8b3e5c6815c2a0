//! Semantic Versioning 2.0.0, read with tolerance: a leading `v`, numbers with leading zeros, and fewer or more than
//! three numbers (missing ones are zero). Build metadata does not count.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, split_at_mark, take},
};

/// Semantic Versioning: the Rust registry, Hex, Swift and others.
pub static SEMVER: Scheme = Scheme { name: "semver", compare };

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a_core, a_pre) = parse(a)?;
    let (b_core, b_pre) = parse(b)?;
    Some(numbers(a_core, b_core).then_with(|| prerelease(a_pre, b_pre)))
}

fn parse(text: &str) -> Option<(&[u8], &[u8])> {
    let text = text.as_bytes();
    let text = text.strip_prefix(b"v").unwrap_or(text);
    let (core, rest) = take(text, |byte| byte.is_ascii_digit() || byte == b'.');
    let pre = tail(rest)?;
    core.split(|&byte| byte == b'.').all(|number| !number.is_empty()).then_some((core, pre))
}

/// Reads `-pre+build` and gives `pre`, empty for none.
pub(super) fn tail(rest: &[u8]) -> Option<&[u8]> {
    let (rest, build) = split_at_mark(rest, b'+');
    if build.is_some_and(|build| !are_identifiers(build)) {
        return None;
    }
    match rest.split_first() {
        None => Some(rest),
        Some((b'-', pre)) if are_identifiers(pre) => Some(pre),
        Some(_) => None,
    }
}

/// Whether the text is identifiers of letters, digits and hyphens with dots between them.
pub(super) fn are_identifiers(text: &[u8]) -> bool {
    let part = |part: &[u8]| {
        !part.is_empty() && part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    text.split(|&byte| byte == b'.').all(part)
}

/// Compares numbers with dots between them; missing ones are zero.
pub(super) fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a.split(|&byte| byte == b'.'), b.split(|&byte| byte == b'.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (left, right) => digits::compare(left.unwrap_or_default(), right.unwrap_or_default()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Compares pre-releases: none is above any.
pub(super) fn prerelease(a: &[u8], b: &[u8]) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            identifiers(a.split(|&byte| byte == b'.'), b.split(|&byte| byte == b'.'), |a, b| a.cmp(b))
        }
    }
}

/// Compares lists of identifiers: numbers by value and below text, text by `text`; a list that only continues is
/// above.
pub(super) fn identifiers<'a>(
    mut a: impl Iterator<Item = &'a [u8]>,
    mut b: impl Iterator<Item = &'a [u8]>,
    text: impl Fn(&[u8], &[u8]) -> Ordering,
) -> Ordering {
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (digits::is_number(left), digits::is_number(right)) {
                (true, true) => digits::compare(left, right),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => text(left, right),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}
