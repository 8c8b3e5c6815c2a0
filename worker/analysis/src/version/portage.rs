//! Gentoo: the Package Manager Specification's algorithm for versions.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, take, take_digits},
};

/// Gentoo.
pub static PORTAGE: Scheme = Scheme { name: "portage", compare };

struct Version<'a> {
    numbers: &'a [u8],
    letter: Option<u8>,
    /// Suffixes with their underscores.
    suffixes: &'a [u8],
    revision: &'a [u8],
}

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let order = numbers(a.numbers, b.numbers)
        .then_with(|| a.letter.cmp(&b.letter))
        .then_with(|| suffixes(a.suffixes, b.suffixes))
        .then_with(|| digits::compare(a.revision, b.revision));
    Some(order)
}

fn parse(text: &str) -> Option<Version<'_>> {
    let (numbers, rest) = take(text.as_bytes(), |byte| byte.is_ascii_digit() || byte == b'.');
    if !numbers.split(|&byte| byte == b'.').all(digits::is_number) {
        return None;
    }
    let (letter, rest) = match rest.split_first() {
        Some((letter, rest)) if letter.is_ascii_lowercase() => (Some(*letter), rest),
        _ => (None, rest),
    };
    let (suffixes, revision) = digits::split_at_mark(rest, b'-');
    let revision = match revision {
        Some(revision) => revision.strip_prefix(b"r").filter(|number| digits::is_number(number))?,
        None => &[],
    };
    let mut names = suffixes.split(|&byte| byte == b'_');
    let valid = names.next().is_some_and(<[u8]>::is_empty) && names.all(|name| suffix(name).is_some());
    valid.then_some(Version { numbers, letter, suffixes, revision })
}

/// The first number by value; a later one that starts with zero is compared as a decimal fraction is. A version that
/// continues is above.
fn numbers(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a.split(|&byte| byte == b'.'), b.split(|&byte| byte == b'.'));
    let mut first = true;
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(left), Some(right)) if !first && (left.starts_with(b"0") || right.starts_with(b"0")) => {
                fraction(left).cmp(fraction(right))
            }
            (Some(left), Some(right)) => digits::compare(left, right),
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        if order.is_ne() {
            return order;
        }
        first = false;
    }
}

/// The digits without the zeros at their end.
fn fraction(mut digits: &[u8]) -> &[u8] {
    while let [rest @ .., b'0'] = digits {
        digits = rest;
    }
    digits
}

fn suffixes(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a.split(|&byte| byte == b'_').skip(1), b.split(|&byte| byte == b'_').skip(1));
    loop {
        let (left, right) = (a.next(), b.next());
        if left.is_none() && right.is_none() {
            return Ordering::Equal;
        }
        // The end lies between the pre-releases and `_p`.
        let rank = |name: Option<&[u8]>| name.and_then(suffix).map_or(END, |(rank, _)| rank);
        let number = |name| suffix(name).map_or(&[][..], |(_, number)| number);
        let order = rank(left).cmp(&rank(right)).then_with(|| match (left, right) {
            (Some(left), Some(right)) => digits::compare(number(left), number(right)),
            _ => Ordering::Equal,
        });
        if order.is_ne() {
            return order;
        }
    }
}

const END: u8 = 4;

/// The rank of a suffix and its number.
fn suffix(name: &[u8]) -> Option<(u8, &[u8])> {
    let (name, number) = take(name, |byte| byte.is_ascii_lowercase());
    let (_, rest) = take_digits(number);
    let rank = match name {
        b"alpha" => 0,
        b"beta" => 1,
        b"pre" => 2,
        b"rc" => 3,
        b"p" => END + 1,
        _ => return None,
    };
    rest.is_empty().then_some((rank, number))
}
