//! RubyGems: `Gem::Version`.

use std::cmp::Ordering;

use super::{
    Scheme,
    digits::{self, take, take_digits},
    semver,
};

/// RubyGems.
pub static GEM: Scheme = Scheme { name: "gem", compare };

#[derive(Clone, Copy)]
enum Segment<'a> {
    Number(&'a [u8]),
    Word(&'a [u8]),
}

/// What a hyphen stands for: the start of a pre-release.
const HYPHEN: Segment<'static> = Segment::Word(b"pre");

/// What stands in for a segment that is missing.
const ZERO: Segment<'static> = Segment::Number(b"");

fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (parse(a)?, parse(b)?);
    let longest = a.len().max(b.len());
    let pairs = a.iter().chain(std::iter::repeat(&ZERO)).zip(b.iter().chain(std::iter::repeat(&ZERO)));
    let order = pairs.take(longest).map(|(left, right)| segment(*left, *right)).find(|order| order.is_ne());
    Some(order.unwrap_or(Ordering::Equal))
}

/// A word is below a number.
fn segment(a: Segment<'_>, b: Segment<'_>) -> Ordering {
    match (a, b) {
        (Segment::Number(a), Segment::Number(b)) => digits::compare(a, b),
        (Segment::Word(a), Segment::Word(b)) => a.cmp(b),
        (Segment::Word(_), Segment::Number(_)) => Ordering::Less,
        (Segment::Number(_), Segment::Word(_)) => Ordering::Greater,
    }
}

/// The segments without the zeros that end the numbers before the first word, and those that end the whole.
fn parse(text: &str) -> Option<Vec<Segment<'_>>> {
    let text = text.trim().as_bytes();
    if !is_version(text) {
        return None;
    }
    let mut segments = Vec::with_capacity(8);
    let mut rest = text;
    let mut in_words = false;
    while let Some((first, after)) = rest.split_first() {
        let (next, remaining) = match first {
            b'-' => (HYPHEN, after),
            byte if byte.is_ascii_digit() => {
                let (number, remaining) = take_digits(rest);
                (Segment::Number(number), remaining)
            }
            byte if byte.is_ascii_alphabetic() => {
                let (word, remaining) = take(rest, |byte| byte.is_ascii_alphabetic());
                (Segment::Word(word), remaining)
            }
            _ => {
                rest = after;
                continue;
            }
        };
        if !in_words && matches!(next, Segment::Word(_)) {
            in_words = true;
            trim(&mut segments);
        }
        segments.push(next);
        rest = remaining;
    }
    trim(&mut segments);
    Some(segments)
}

fn trim(segments: &mut Vec<Segment<'_>>) {
    let is_zero =
        |segment: &Segment<'_>| matches!(segment, Segment::Number(n) if digits::without_zeros(n).is_empty());
    while segments.pop_if(|segment| is_zero(segment)).is_some() {}
}

/// A number, then words and numbers after dots, then perhaps a pre-release after a hyphen.
fn is_version(text: &[u8]) -> bool {
    let (main, pre) = digits::split_at_mark(text, b'-');
    let mut parts = main.split(|&byte| byte == b'.');
    let main_is_valid = parts.next().is_some_and(digits::is_number)
        && parts.all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_alphanumeric));
    main_is_valid && pre.is_none_or(semver::are_identifiers)
}
