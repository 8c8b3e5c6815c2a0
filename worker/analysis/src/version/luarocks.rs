//! LuaRocks: numbers and words, and the revision of the rockspec. Known words stand far from all numbers: `scm`,
//! `cvs` and `dev` above, `rc`, `pre`, `beta` and `alpha` below.
//!
//! LuaRocks takes a version without a revision as equal to each revision of it, which no order can do; here it is
//! below them.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, split_at_last_mark, take, take_digits},
};

/// LuaRocks.
pub static LUAROCKS: Scheme = Scheme { name: "luarocks", compare };

/// A number after a word counts this part of a number that stands alone.
const PART: i128 = 100_000;

/// Longest number in digits: it must fit, with a word's weight beside it.
const DIGITS_MAX: usize = 18;

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((a, a_revision), (b, b_revision)) = (parse(a)?, parse(b)?);
    let longest = a.len().max(b.len());
    let padded = |parts: Vec<i128>| parts.into_iter().chain(std::iter::repeat(0)).take(longest);
    let order = padded(a).cmp(padded(b)).then_with(|| match (a_revision, b_revision) {
        (Some(a), Some(b)) => digits::compare(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    Some(order)
}

fn parse(text: &str) -> Option<(Vec<i128>, Option<&[u8]>)> {
    let text = text.trim().as_bytes();
    let (mut rest, revision) = match split_at_last_mark(text, b'-') {
        (main, Some(revision)) if digits::is_number(revision) => (main, Some(revision)),
        _ => (text, None),
    };
    if rest.is_empty() {
        return None;
    }
    let (mut parts, mut word) = (Vec::with_capacity(6), None);
    while !rest.is_empty() {
        let (number, after) = take_digits(rest);
        rest = if number.is_empty() {
            let (name, after) = take(rest, |byte| byte.is_ascii_alphabetic());
            word = Some(weight(name)?);
            after
        } else {
            let number = value(number)?;
            parts.push(word.take().map_or(number * PART, |word: i128| word + number));
            after
        };
        (_, rest) = take(rest, |byte| matches!(byte, b'.' | b'-' | b'_'));
    }
    parts.extend(word);
    Some((parts, revision))
}

fn value(number: &[u8]) -> Option<i128> {
    let short = digits::without_zeros(number).len() <= DIGITS_MAX;
    short.then(|| number.iter().fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0')))
}

/// What a word weighs; an unknown one goes by its first letter, between zero and one.
fn weight(word: &[u8]) -> Option<i128> {
    let weight = match word {
        b"dev" => 120_000_000 * PART,
        b"scm" => 110_000_000 * PART,
        b"cvs" => 100_000_000 * PART,
        b"rc" => -1_000 * PART,
        b"pre" => -10_000 * PART,
        b"beta" => -100_000 * PART,
        b"alpha" => -1_000_000 * PART,
        _ => i128::from(*word.first()?) * (PART / 1_000),
    };
    Some(weight)
}
